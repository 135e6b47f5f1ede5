//! The program that packs, run as the pipeline runs it.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
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
    let order = Order::Image { entries, to: ordered.clone(), date: DATE };
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
fn what_cannot_be_packed_is_named_and_the_program_fails() {
    let directory = tempfile::tempdir().unwrap();
    let entries = vec![Entry::program("bin/program", directory.path().join("gone"))];
    let order = Order::Image { entries, to: directory.path().join("image"), date: DATE };
    let output = pack(directory.path(), &serde_json::to_vec(&order).unwrap());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("gone"), "{error}");
    assert!(!directory.path().join("image").exists());

    let output = pack(directory.path(), b"{}");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("order.json is no order"), "{error}");
}
