//! The images that the bring-up has loaded into EOS' Docker, so that `down` takes these away and no others.
//!
//! What Docker has before is not ours, whoever loaded it and under whatever name: only an image whose id it did not know
//! is recorded, in memory, before it is loaded. Of those, one that somebody else's container is made of stays, and under
//! a name that somebody else has given it, it stays, too. What kubelet has pulled from a registry is not recorded.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};
use common::files;
use contract::places;

use crate::{containers, image_archive::Image};

/// Loads an archive, whose images are these.
pub fn load(archive: &Path, images: &[Image]) -> Result<()> {
    load_in(archive, images, places::LOADED_IMAGES.as_ref())
}

/// After the pods' containers.
pub fn remove_all() -> Result<()> {
    remove_all_in(places::LOADED_IMAGES.as_ref())
}

fn load_in(archive: &Path, images: &[Image], record: &Path) -> Result<()> {
    let mut ours = recorded(record)?;
    for image in images {
        let id = &image.id;
        // One of several names of an image of ours is ours, too.
        let is_ours = ours.iter().any(|known| known.id == *id) || containers::image_id(id)?.is_none();
        if is_ours && !ours.contains(image) {
            ours.push(image.clone());
        }
    }
    // Recorded first: one that is recorded and not there is harmless, one that is there and not recorded stays.
    let lines: String = ours.iter().map(|Image { tag, id }| format!("{id} {tag}\n")).collect();
    files::write_atomically(record, lines)?;
    containers::load(archive)
}

fn remove_all_in(record: &Path) -> Result<()> {
    for Image { tag, id } in recorded(record)? {
        if containers::image_id(&tag)?.as_ref() == Some(&id) && !containers::is_used(&id)? {
            containers::remove_image(&tag)?;
        }
    }
    Ok(())
}

fn recorded(record: &Path) -> Result<Vec<Image>> {
    let text = match fs::read_to_string(record) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        text => text.with_context(|| format!("cannot read {}", record.display()))?,
    };
    let images = text.lines().filter_map(|line| line.split_once(' '));
    Ok(images.map(|(id, tag)| Image { tag: tag.to_owned(), id: id.to_owned() }).collect())
}

#[cfg(test)]
mod tests {
    use common::command::Program;

    use super::*;
    use crate::image_archive;

    fn docker(arguments: &[&str]) -> String {
        Program::new("docker", "prepare the test").unwrap().args(arguments).read().unwrap().trim().to_owned()
    }

    /// An image with one file, and its archive.
    fn saved(name: &str, directory: &Path) -> (String, std::path::PathBuf) {
        let tag = format!("koe-test-loaded/{name}:1");
        let (content, archive) = (directory.join(name), directory.join(format!("{name}.tar")));
        let mut tar = tar::Builder::new(fs::File::create(&content).unwrap());
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, io::empty()).unwrap();
        tar.into_inner().unwrap();
        docker(&["import", content.to_str().unwrap(), &tag]);
        docker(&["save", "--output", archive.to_str().unwrap(), &tag]);
        (tag, archive)
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
            load_in(archive, &image_archive::images(archive).unwrap(), &record).unwrap();
        }
        // A bring-up that begins again.
        load_in(&ours.1, &image_archive::images(&ours.1).unwrap(), &record).unwrap();
        let container = docker(&["create", &used.0, "/none"]);
        docker(&["tag", &named.0, other_name]);
        let removed = remove_all_in(&record).and_then(|()| remove_all_in(&record));
        let left = [&ours.0, &before.0, &used.0, &named.0].map(|tag| there(tag));
        let other_left = there(other_name);
        docker(&["rm", &container]);
        let last = remove_all_in(&record).map(|()| there(&used.0));
        for tag in [&ours.0, &before.0, &used.0, &named.0, other_name] {
            if there(tag) {
                docker(&["image", "rm", tag]);
            }
        }
        removed.unwrap();
        assert_eq!(left, [false, true, true, false]);
        assert!(other_left, "it is the operator's by that name");
        assert!(!last.unwrap(), "its container is gone, and nobody else's");
    }
}
