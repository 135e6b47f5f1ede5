//! With a real Docker; and, for a Docker that fails and for many histories, with one that is made up.

mod made_up;

use std::{fs, io};

use common::command::Program;

use super::*;
use crate::image_archive;

fn docker(arguments: &[&str]) -> String {
    Program::new("docker", "prepare the test").unwrap().args(arguments).read().unwrap().trim().to_owned()
}

/// An image with one file, and its archive.
fn saved(name: &str, directory: &Path) -> (String, PathBuf) {
    let tag = format!("koe-test-loaded/{name}:1");
    let archive = directory.join(format!("{name}.tar"));
    import(name, &tag, directory);
    docker(&["save", "--output", archive.to_str().unwrap(), &tag]);
    (tag, archive)
}

/// Makes an image with a file of that name; says its id.
fn import(file: &str, tag: &str, directory: &Path) -> String {
    let content = directory.join(file);
    let mut tar = tar::Builder::new(fs::File::create(&content).unwrap());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_mode(0o644);
    tar.append_data(&mut header, file, io::empty()).unwrap();
    tar.into_inner().unwrap();
    docker(&["import", content.to_str().unwrap(), tag])
}

#[test]
#[ignore = "needs root and a Docker engine"]
fn what_was_loaded_is_removed_and_what_others_have_stays() {
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("images");
    let there = |tag: &str| containers::image_id(tag).unwrap().is_some();
    let [ours, before, used, named] = ["ours", "before", "used", "named"].map(|name| saved(name, directory.path()));
    let other_name = "koe-test-loaded/other-name:1";
    for (tag, _) in [&ours, &used, &named] {
        docker(&["image", "rm", tag]);
    }
    for (_, archive) in [&ours, &before, &used, &named] {
        load_into(&Docker, archive, &image_archive::images(archive).unwrap(), &record).unwrap();
    }
    // A bring-up that begins again.
    load_into(&Docker, &ours.1, &image_archive::images(&ours.1).unwrap(), &record).unwrap();
    let container = docker(&["create", &used.0, "/none"]);
    docker(&["tag", &named.0, other_name]);
    let removed = remove_all_from(&Docker, &record).and_then(|()| remove_all_from(&Docker, &record));
    let left = [&ours.0, &before.0, &used.0, &named.0].map(|tag| there(tag));
    let other_left = there(other_name);
    docker(&["rm", &container]);
    let last = remove_all_from(&Docker, &record).map(|()| there(&used.0));
    for tag in [&ours.0, &before.0, &used.0, &named.0, other_name] {
        if there(tag) {
            docker(&["image", "rm", tag]);
        }
    }
    removed.unwrap();
    assert_eq!(left, [false, true, true, false]);
    assert!(other_left, "it is the operator's by that name");
    assert!(
        last.unwrap() && !record.exists(),
        "what somebody else used when ours were removed is that one's from then on"
    );
}

#[test]
#[ignore = "needs root and a Docker engine"]
fn a_name_that_was_taken_is_the_operator_s_again_and_the_record_is_where_the_images_are() {
    let directory = tempfile::tempdir().unwrap();
    let record = directory.path().join("images");
    let (tag, archive) = saved("taken", directory.path());
    let [ours] = image_archive::images(&archive).unwrap().try_into().unwrap();
    docker(&["image", "rm", &tag]);
    let theirs = import("theirs", &tag, directory.path());
    load_into(&Docker, &archive, std::slice::from_ref(&ours), &record).unwrap();
    let taken = containers::image_id(&tag).unwrap();
    let removed = remove_all_from(&Docker, &record);
    let [named, left] = [&tag, &ours.id].map(|name| containers::image_id(name).unwrap());
    docker(&["image", "rm", &theirs]);
    removed.unwrap();
    assert_eq!((taken, named, left), (Some(ours.id), Some(theirs), None));
    assert!(record_of_docker().unwrap().parent().unwrap().is_dir());
}
