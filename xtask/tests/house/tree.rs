//! The tree that docs/architecture.md draws is the one that there is.

use std::{collections::BTreeSet, fs};

use crate::workspace;

/// The names in a directory that are directories of this project.
fn directories(of: &str) -> Vec<String> {
    let names = fs::read_dir(workspace().join(of)).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir());
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.') && name != "target").collect()
}

#[test]
fn the_tree_in_the_docs_has_every_room_and_no_other() {
    let text = fs::read_to_string(workspace().join("docs/architecture.md")).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| !line.starts_with(' '));
    let first_words = lines.filter_map(|line| line.split("  ").next());
    let drawn: BTreeSet<String> = first_words.filter(|word| !word.contains(' ')).map(str::to_owned).collect();
    let mut rooms: BTreeSet<String> = directories("").into_iter().filter(|name| name != "crates").collect();
    // It is not in git, and so not in a clone.
    rooms.insert("dist".to_owned());
    rooms.insert("crates/common".to_owned());
    for group in directories("crates").into_iter().filter(|group| group != "common") {
        rooms.extend(directories(&format!("crates/{group}")).into_iter().map(|name| format!("crates/{group}/{name}")));
    }
    assert_eq!(drawn, rooms, "docs/architecture.md draws another tree than there is");
    assert_eq!(directories("crates").len(), 4, "the groups of rooms are common, toolkit, switch and lab");
}
