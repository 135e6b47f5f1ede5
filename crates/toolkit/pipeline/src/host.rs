//! The machine's own programs that a build uses and that leave nothing of themselves in what is built: for its provenance. What
//! compiles C and links is in the steps themselves: `host_tools`.

use std::{collections::BTreeMap, path::Path, time::Duration};

use common::command::Program;
use serde::Serialize;

/// Compile what packs, and tell the commit.
const PROGRAMS: [&str; 3] = ["cargo", "git", "rustc"];

const LIMIT: Duration = Duration::from_secs(30);

/// Their versions, by name.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Host(pub BTreeMap<String, String>);

impl Host {
    /// What is there of them. What is not there is missed by the step that wants it.
    pub fn of(workspace: &Path) -> Self {
        let told = PROGRAMS.iter().filter_map(|name| Some(((*name).to_owned(), version(name, workspace)?)));
        Host(told.collect())
    }
}

/// The first line that a program prints of its version. Which cargo and rustc it is may depend on where they are run.
fn version(name: &str, workspace: &Path) -> Option<String> {
    let program = Program::new(name, "tell its version").ok()?.limit(LIMIT).env("LC_ALL", "C").dir(workspace);
    Some(program.arg("--version").read().ok()?.lines().next()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_by_version_and_without_a_path() {
        let Host(versions) = Host::of(Path::new(env!("CARGO_MANIFEST_DIR")));
        assert!(versions["cargo"].starts_with("cargo "), "{versions:?}");
        assert!(!versions.values().any(|version| version.contains("/bin/")), "{versions:?}");
    }
}
