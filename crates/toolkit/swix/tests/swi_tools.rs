//! Arista's own swi-tools, from the Python package index: what they make and ours are alike, and they
//! sign and verify ours.

#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::PathBuf};

use common::progress::Silent;
use support::{
    default_sample, run,
    swi_tools::{sign_and_verify, swi_tool},
    tool,
};
use swix::{
    archive,
    inspect::{self, Probes, Signed},
};

#[test]
#[ignore = "needs the Python package index: run by cargo xtask test"]
fn swix_create_makes_the_same_manifest_and_members() {
    let (directory, sample) = default_sample();
    tool("zip");
    let theirs = directory.path().join("theirs.swix");
    run(swi_tool("swix-create").arg(&theirs).arg(&sample.rpm));
    let list = |path: &PathBuf| run(tool("unzip").arg("-Z1").arg(path));
    assert_eq!(list(&theirs), list(&sample.swix));
    let manifest = |path: &PathBuf| run(tool("unzip").arg("-p").arg(path).arg("manifest.txt"));
    assert_eq!(manifest(&theirs), manifest(&sample.swix));
    let error = inspect::inspect(&theirs, Probes::Skip, &Silent).unwrap_err().to_string();
    assert!(error.contains("made by another tool"), "{error}");
}

#[test]
#[ignore = "needs the Python package index: run by cargo xtask test"]
fn a_swix_is_signed_verified_and_still_inspected() {
    let (directory, sample) = default_sample();
    sign_and_verify(&sample.swix, directory.path());
    let report = inspect::inspect(&sample.swix, Probes::Run, &Silent).unwrap();
    assert_eq!(report.signed, Signed::Yes);
    let whole = fs::read(&sample.swix).unwrap();
    let before_the_signature =
        whole.windows(archive::SIGNATURE.len()).position(|name| name == archive::SIGNATURE.as_bytes());
    for offset in 0..before_the_signature.unwrap() - 30 {
        let mut bytes = whole.clone();
        bytes[offset] ^= 0x10;
        assert!(archive::parse(&bytes).is_err(), "a change of byte {offset} went unseen");
    }
}
