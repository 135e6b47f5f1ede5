//! Every file says what it is for, and a module with parts is `foo.rs` and `foo/`.

use std::{fs, path::PathBuf};

use crate::workspace;

fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for room in ["crates", "xtask", "fuzz"] {
        let entries = walkdir::WalkDir::new(workspace().join(room)).into_iter();
        let entries = entries.filter_entry(|entry| entry.file_name() != "target").map(Result::unwrap);
        files.extend(
            entries.map(walkdir::DirEntry::into_path).filter(|path| path.extension().is_some_and(|e| e == "rs")),
        );
    }
    assert!(files.len() > 300, "only {} files were found", files.len());
    files
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    let bad: Vec<_> =
        rust_files().into_iter().filter(|path| !fs::read_to_string(path).unwrap().starts_with("//! ")).collect();
    assert!(bad.is_empty(), "these files do not begin with `//! `: {bad:#?}");
}

#[test]
fn a_module_with_parts_is_a_file_beside_its_directory() {
    let in_src = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "src");
    let bad: Vec<_> = rust_files().into_iter().filter(|path| path.ends_with("mod.rs") && in_src(path)).collect();
    assert!(bad.is_empty(), "call foo/mod.rs foo.rs: {bad:#?}");
}
