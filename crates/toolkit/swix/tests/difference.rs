//! What `difference` tells of two SWIXes.

#![allow(clippy::unwrap_used)]

mod support;

use std::{fs, path::Path};

use common::{Arch, progress::Silent};
use support::{image_entries, sample};
use swix::{
    difference::{self, What},
    release,
    tree::Entry,
};

/// A unit with a flag, and what else is in the image.
fn build(directory: &Path, flag: &str, more: &[Entry]) -> std::path::PathBuf {
    fs::create_dir(directory).unwrap();
    let unit = directory.join("kubelet.service");
    fs::write(&unit, format!("[Service]\nExecStart=/bin/kubelet \\\n    {flag}\nRestart=always\n")).unwrap();
    let mut entries = image_entries(directory, Arch::I386);
    entries.push(Entry::file("units/kubelet.service", unit));
    entries.extend_from_slice(more);
    sample(directory, support::VERSION, &entries, Arch::I386).swix
}

#[test]
fn files_that_came_went_or_changed_are_told_and_text_by_its_lines() {
    let directory = tempfile::tempdir().unwrap();
    let note = directory.path().join("note");
    fs::write(&note, "a note\n").unwrap();
    let old = build(&directory.path().join("old"), "--v=1", &[Entry::symlink("bin/old", "hyperkube")]);
    let new = build(&directory.path().join("new"), "--v=2", &[Entry::file("share/note", &note)]);
    let found = difference::of(&old, &new, &Silent).unwrap();
    assert!(found.components.is_empty(), "{:?}", found.components);
    let at = |name: &str| {
        let place = format!("{}/{name}", swix::extension::MOUNT_POINT);
        found.files.iter().find(|file| file.change.name == place).unwrap_or_else(|| panic!("no {place} in {found:?}"))
    };
    assert_eq!(found.files.len(), 3, "{:?}", found.files);
    assert_eq!(at("bin/old").change.old, Some(What::Symlink { target: "hyperkube".into() }));
    assert_eq!(at("bin/old").change.new, None);
    assert!(matches!(at("share/note").change.new, Some(What::File { size: 7, .. })));
    let lines = at("units/kubelet.service").lines.as_deref().unwrap();
    assert!(lines.contains("\n-    --v=1\n+    --v=2\n") && !lines.contains("[Service]"), "{lines}");
}

#[test]
fn the_same_again_differs_in_nothing_and_versions_are_told_by_component() {
    let directory = tempfile::tempdir().unwrap();
    let old = build(&directory.path().join("old"), "--v=1", &[]);
    let same = difference::of(&old, &old, &Silent).unwrap();
    assert!(same.components.is_empty() && same.files.is_empty(), "{same:?}");
    let entries = image_entries(directory.path(), Arch::I386);
    let info = entries.iter().position(|entry| entry.path == release::PATH).unwrap();
    let swix::tree::Kind::File { from, .. } = &entries[info].kind else { panic!("{:?}", entries[info]) };
    let text = fs::read_to_string(from).unwrap();
    let version = release::ReleaseInfo::from_json(text.as_bytes()).unwrap().components[0].clone();
    fs::write(from, text.replacen(&format!("\"{}\"", version.version), "\"99.1\"", 2)).unwrap();
    let new = sample(directory.path(), support::VERSION, &entries, Arch::I386).swix;
    let found = difference::of(&old, &new, &Silent);
    let found = found.unwrap_or_else(|error| panic!("{error}"));
    let change = found.components.iter().find(|change| change.name == version.name).unwrap();
    assert_eq!((change.old.as_deref(), change.new.as_deref()), (Some(version.version.as_str()), Some("99.1")));
}
