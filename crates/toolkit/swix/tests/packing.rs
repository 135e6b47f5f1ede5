//! The program that packs, run as the pipeline runs it.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Command, Output},
};

use common::progress::Silent;
use swix::{
    SourceDate,
    packing::{Order, Report},
    squashfs,
    tree::Entry,
};

const DATE: SourceDate = SourceDate(1_610_544_000);

fn pack(directory: &Path, order: &[u8]) -> Output {
    let file = directory.join("order.json");
    fs::write(&file, order).unwrap();
    Command::new(env!("CARGO_BIN_EXE_swix-pack")).arg(file).output().unwrap()
}

#[test]
fn an_ordered_image_is_the_one_that_the_library_writes_and_its_progress_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    fs::write(&program, vec![7; 3 << 20]).unwrap();
    let entries = vec![Entry::program("bin/program", &program), Entry::symlink("bin/other", "program")];
    let [ordered, written] = ["ordered", "written"].map(|name| directory.path().join(name));
    squashfs::write(&entries, &written, DATE, &Silent).unwrap();
    let order = Order::Image { entries, to: ordered.clone(), date: DATE, kept: None };
    let output = pack(directory.path(), &serde_json::to_vec(&order).unwrap());
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read(ordered).unwrap() == fs::read(written).unwrap(), "the two images differ");

    let said = String::from_utf8(output.stdout).unwrap();
    let reports: Vec<Report> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(matches!(&reports[0], Report::Begins { total: Some(total), .. } if *total == 3 << 20), "{said}");
    let advanced = |report: &Report| if let Report::Advanced(amount) = report { *amount } else { 0 };
    assert_eq!(reports.iter().map(advanced).sum::<u64>(), 3 << 20, "{said}");
}

#[test]
fn an_image_is_the_same_whatever_of_it_was_packed_before() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let block = |fill: u8| vec![fill; 1 << 20];
    let small = at("small");
    fs::write(&small, "less than a block").unwrap();
    let image = |name: &str, bytes: &[u8], kept: Option<&str>| {
        fs::write(at("program"), bytes).unwrap();
        let entries = [Entry::program("bin/program", at("program")), Entry::file("small", &small)];
        squashfs::write_keeping(&entries, &at(name), DATE, kept.map(at).as_deref(), &Silent).unwrap();
        fs::read(at(name)).unwrap()
    };
    let kept = || {
        let files = walkdir::WalkDir::new(at("kept")).into_iter().map(|entry| entry.unwrap().into_path());
        files.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let program = [block(1), block(2), block(3)].concat();
    let changed = [block(1), block(4), block(3)].concat();
    assert!(image("first", &program, Some("kept")) == image("alone", &program, None));
    let inodes = || kept().iter().map(|file| fs::metadata(file).unwrap().ino()).collect::<Vec<_>>();
    let before = inodes();
    assert!(before.len() > 3, "three blocks, one of what is smaller, and the tables");
    assert!(image("second", &changed, Some("kept")) == image("changed", &changed, None));
    let after = inodes();
    assert!(after.len() > before.len());
    assert!(before.iter().all(|inode| after.contains(inode)), "what was kept was written again");

    for file in kept() {
        let mut bytes = fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(file, bytes).unwrap();
    }
    assert!(image("third", &changed, Some("kept")) == fs::read(at("changed")).unwrap(), "damaged blocks were used");
}

#[test]
fn what_cannot_be_packed_is_named_and_the_program_fails() {
    let directory = tempfile::tempdir().unwrap();
    let entries = vec![Entry::program("bin/program", directory.path().join("gone"))];
    let order = Order::Image { entries, to: directory.path().join("image"), date: DATE, kept: None };
    let output = pack(directory.path(), &serde_json::to_vec(&order).unwrap());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("gone"), "{error}");
    assert!(!directory.path().join("image").exists());

    let output = pack(directory.path(), b"{}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("order.json is no order"), "{error}");
}
