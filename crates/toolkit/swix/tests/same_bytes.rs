//! The same input gives the same bytes: in another directory, of files with other times and modes, and
//! with another number of processors.

#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use common::{Arch, Sha256, progress::Silent};
use support::{DATE, VERSION, image_entries, noise, program, sample, tool};
use swix::{archive, squashfs, tree::Entry};

fn build(directory: &Path) -> [Vec<u8>; 3] {
    let mut entries = image_entries(directory, Arch::I386);
    let big = directory.join("big");
    fs::write(&big, [vec![b'x'; 1 << 20], vec![0; 1 << 20], noise(1 << 16)].concat()).unwrap();
    entries.push(Entry::program("bin/big", big));
    let sample = sample(directory, VERSION, &entries, Arch::I386);
    [sample.image, sample.rpm, sample.swix].map(|path| fs::read(path).unwrap())
}

#[test]
fn two_directories_give_the_same_image_rpm_and_swix() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = build(one.path());
    fs::create_dir(two.path().join("elsewhere")).unwrap();
    let second = build(&two.path().join("elsewhere"));
    for (name, (first, second)) in ["image", "RPM", "SWIX"].iter().zip(first.iter().zip(&second)) {
        assert_eq!(Sha256::of_bytes(first), Sha256::of_bytes(second), "the {name} differs");
    }
}

/// Runs itself again on one processor and compares.
#[test]
fn one_processor_gives_the_same_image_as_all() {
    const CHILD: &str = "KOE_TEST_IMAGE_TO";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, [vec![b'x'; 1 << 20], vec![b'y'; 1 << 20], noise(1 << 16)].concat()).unwrap();
    let write = |to: &Path| {
        squashfs::write(&[Entry::file("file", &file)], to, DATE, &Silent).unwrap();
        Sha256::of_file(to).unwrap().to_string()
    };
    if let Some(to) = std::env::var_os(CHILD) {
        fs::write(&to, write(&directory.path().join("image"))).unwrap();
        return;
    }
    let to = directory.path().join("digest");
    let child = tool("taskset").args(["--cpu-list", "0"]).arg(std::env::current_exe().unwrap());
    let child = child.args(["--exact", "one_processor_gives_the_same_image_as_all"]).env(CHILD, &to);
    support::run(child);
    assert_eq!(fs::read_to_string(&to).unwrap(), write(&directory.path().join("image")));
}

#[test]
fn times_and_masks_of_a_checkout_do_not_show() {
    let directory = tempfile::tempdir().unwrap();
    let trees: Vec<_> = [0o700, 0o775]
        .into_iter()
        .enumerate()
        .map(|(number, mode)| {
            let tree = directory.path().join(number.to_string());
            fs::create_dir_all(tree.join("bin")).unwrap();
            let file = tree.join("bin/program");
            fs::write(&file, program(Arch::I386, "x")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let image = directory.path().join(format!("{number}.squashfs"));
            squashfs::write(&swix::tree::below(&tree, "").unwrap(), &image, DATE, &Silent).unwrap();
            fs::read(image).unwrap()
        })
        .collect();
    assert!(trees[0] == trees[1], "the image depends on the modes of the checkout");
}

/// Readers compare an archive with what they would write: a new version of the zip crate that writes
/// something else would refuse every SWIX that is out there.
#[test]
fn the_archive_of_a_known_package_is_what_it_always_was() {
    let directory = tempfile::tempdir().unwrap();
    let (rpm, swix) = (directory.path().join("a.rpm"), directory.path().join("a.swix"));
    fs::write(&rpm, "abc").unwrap();
    archive::write(&[rpm], &swix).unwrap();
    let digest = Sha256::of_file(&swix).unwrap().to_string();
    assert_eq!(digest, "97844cc2630ca7b57111e97147ad1604b47925ae59650144a9c3550098fe36a3");
}
