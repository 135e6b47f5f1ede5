//! `inspect` on a SWIX, and on what is none or no longer one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{Arch, progress::Silent};
use contract::Build;
use swix::{
    SourceDate, archive, extension,
    release::{self, ReleaseInfo},
    squashfs,
    tree::Entry,
};

use crate::support::{assert_says, refused, succeeds, xtask};

/// The build that it says it is of.
pub(crate) fn build() -> Build {
    Build {
        revision: 1,
        commit: Some("0123456789".repeat(4)),
        besides: vec!["changes in the work tree".into()],
        contents: "ab".repeat(32),
    }
}

/// A whole SWIX with no program in it.
pub(crate) fn sample(directory: &Path) -> PathBuf {
    let build = build();
    let release = build.release();
    let info = ReleaseInfo {
        name: "9.9".into(),
        version: "9.9.1".into(),
        arch: Arch::I386,
        build: Some(build),
        components: vec![release::ReleaseComponent { name: "thing".into(), version: "1.2.3".into() }],
        probes: vec![],
    };
    let (json, image) = (directory.join("release.json"), directory.join("image"));
    fs::write(&json, info.to_json().unwrap()).unwrap();
    let date = SourceDate(1_600_000_000);
    squashfs::write(&[Entry::file(release::PATH, json)], &image, date, &Silent).unwrap();
    let rootfs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rootfs");
    let parts = extension::ExtensionParts {
        version: "9.9.1",
        release: &release,
        arch: Arch::I386,
        license: "Apache-2.0",
        image: &image,
        rootfs: &rootfs,
        date,
    };
    let package = extension::package(&parts).unwrap();
    let rpm = directory.join(package.file_name());
    package.write(&rpm).unwrap();
    let swix = directory.join("sample.swix");
    archive::write(&[rpm], &swix).unwrap();
    swix
}

fn refusal(directory: &Path, bytes: &[u8]) -> String {
    let file = directory.join("bad.swix");
    fs::write(&file, bytes).unwrap();
    let error = refused(xtask(directory).arg("inspect").arg(&file));
    assert_says(&error, &[&format!("error: {} is refused: ", file.display())]);
    error
}

#[test]
fn a_whole_swix_is_listed_and_told_as_json() {
    let directory = tempfile::tempdir().unwrap();
    let swix = sample(directory.path());
    let listed = succeeds(xtask(directory.path()).arg("inspect").arg(&swix)).out;
    let parts = [
        "sample.swix",
        "kubernetes-on-eos-9.9.1-1.g012345678901.dirty.dabababababab.i686.rpm",
        "signed   no",
        "release  9.9 9.9.1, linux/386",
    ];
    assert_says(&listed, &parts);
    let origin = format!("commit {}, with changes in the work tree", "0123456789".repeat(4));
    assert_says(&listed, &[&format!("build    1.g012345678901.dirty.dabababababab, {origin}")]);
    assert_says(&listed, &["thing 1.2.3", release::PATH, extension::IMAGE]);
    let json = succeeds(xtask(directory.path()).args(["inspect", "--json"]).arg(&swix)).out;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["release"]["name"], "9.9");
}

#[test]
fn a_file_that_is_none_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    assert_says(&refusal(directory.path(), b"#!/bin/sh\n"), &["it is not a zip archive"]);
    assert_says(&refusal(directory.path(), b""), &["it is"]);
    let error = refused(xtask(directory.path()).args(["inspect", "no-such-file"]));
    assert_says(&error, &["no-such-file is refused: it cannot be read: No such file"]);
    let error = refused(xtask(directory.path()).arg("inspect").arg(directory.path()));
    assert_says(&error, &["it cannot be read: Is a directory"]);
}

#[test]
fn a_truncated_one_and_one_with_a_byte_changed_are_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let whole = fs::read(sample(directory.path())).unwrap();
    for length in [whole.len() / 3, whole.len() * 2 / 3, whole.len() - 40] {
        assert_says(&refusal(directory.path(), &whole[..length]), &["it is cut off"]);
    }
    for offset in [40, whole.len() / 4, whole.len() / 2, whole.len() - 100] {
        let mut bytes = whole.clone();
        bytes[offset] ^= 1;
        let reason = refusal(directory.path(), &bytes);
        assert!(reason.trim_end().len() > "error: bad.swix is refused: ".len(), "{reason}");
    }
    let mut bytes = whole.clone();
    let inside = whole.len() / 2;
    bytes[inside] ^= 1;
    assert_says(
        &refusal(directory.path(), &bytes),
        &["kubernetes-on-eos-9.9.1-1.g012345678901.dirty.dabababababab.i686.rpm"],
    );
}

#[test]
fn the_difference_of_two_is_listed_and_told_as_json() {
    let directory = tempfile::tempdir().unwrap();
    let swix = sample(directory.path());
    let diff =
        |arguments: &[&str]| succeeds(xtask(directory.path()).arg("diff").args(arguments).args([&swix, &swix])).out;
    let listed = diff(&[]);
    assert_says(
        &listed,
        &[
            "old  kubernetes-on-eos-9.9.1-1.g012345678901.dirty.dabababababab.i686",
            "signed: no",
            "they put the same on a switch",
        ],
    );
    let told: serde_json::Value = serde_json::from_str(&diff(&["--json"])).unwrap();
    assert_eq!((&told["old"]["name"], told["files"].as_array().unwrap().len()), (&told["new"]["name"], 0));
    let error = refused(xtask(directory.path()).arg("diff").arg(&swix).arg("no-such-file"));
    assert_says(&error, &["no-such-file is refused: it cannot be read"]);
}

#[test]
fn a_swix_is_not_signed_with_what_is_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let swix = sample(directory.path());
    let (key, before) = (directory.path().join("key"), fs::read(&swix).unwrap());
    fs::write(&key, "no key\n").unwrap();
    let signing = |key: &Path| {
        refused(xtask(directory.path()).arg("sign").arg(&swix).arg("--key").arg(key).arg("--certificate").arg(key))
    };
    assert_says(&signing(&key), &["key is no private key in PEM without a passphrase"]);
    assert_says(&signing(&directory.path().join("none")), &["none cannot be read: No such file"]);
    assert_eq!(fs::read(&swix).unwrap(), before);
    assert!(!directory.path().join("sample-signed.swix").exists());
    let mut itself = xtask(directory.path());
    itself.arg("sign").arg(&swix).arg("--out").arg(&swix).arg("--key").arg(&key).arg("--certificate").arg(&key);
    assert_says(&refused(&mut itself), &["sample.swix is the SWIX itself"]);
    assert_eq!(fs::read(&swix).unwrap(), before);
}
