//! No program is run on a switch without a limit: `program::new` has them all.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Files that run one another way on purpose.
const ON_PURPOSE: [(&str, &str); 4] = [
    ("program.rs", "it sets the limit"),
    ("systemd.rs", "journalctl in this program's place, for the person who follows it"),
    ("storage/power_cuts.rs", "a test, which ends its machine itself"),
    ("test_network.rs", "what tests do in namespaces of their own"),
];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn every_program_has_a_limit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = sources(&root);
    assert!(sources.len() > 40, "only {} files were found", sources.len());
    let mut found = Vec::new();
    for file in sources {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        if name.contains("tests") || ON_PURPOSE.iter().any(|(place, _)| name == *place) {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        // Tests stand last.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let called = |line: &&str| line.contains("Program::new(") || line.contains("Command::new(");
        found.extend(code.lines().filter(called).map(|line| format!("{name}: {}", line.trim())));
    }
    assert!(found.is_empty(), "these run without a limit of theirs; take `program::new`:\n{}", found.join("\n"));
}
