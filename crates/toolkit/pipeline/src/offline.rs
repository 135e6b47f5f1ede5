//! What an offline build lacks, all of it at once.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use common::files;

use crate::{
    cargo_lock::{self, Locked},
    engine::{Engine, StepStatus, Trust},
    step::{Step, Work},
    work::cargo_home,
};

/// One line for each thing that is not in the cache and that the goals need.
pub fn missing(engine: &Engine, steps: &[Step], goals: &[&str]) -> Result<Vec<String>> {
    let statuses = engine.statuses(steps, goals, Trust::Presence);
    let desired = steps.iter().zip(&statuses).filter(|(_, status)| matches!(status, StepStatus::Run(_)));
    let roots: Vec<&str> = steps.iter().filter_map(rust_package).collect();
    let mut missing = Vec::new();
    for (step, _) in desired {
        match &step.work {
            Work::Fetch(fetch) if fetch.source_override.is_none() => {
                missing.extend(engine.fetcher.missing(&fetch.source)?)
            }
            // Where some are there, Cargo can tell which it wants on this system and names the one that is not.
            Work::Crates(work) if !cargo_home::has_crates(engine.cache.root()) => {
                let crates = crates_of(&files::read_text(&work.lock.path)?, &roots)?;
                missing.push(format!("the crates {}", crates.into_iter().collect::<Vec<_>>().join(", ")));
            }
            _ => {}
        }
    }
    Ok(missing)
}

fn rust_package(step: &Step) -> Option<&str> {
    match &step.work {
        Work::Rust(rust) => Some(&rust.package),
        _ => None,
    }
}

/// The crates that these packages of the workspace come to, on whatever system.
fn crates_of(lock: &str, roots: &[&str]) -> Result<BTreeSet<String>> {
    let lock = cargo_lock::read(lock).context("Cargo.lock cannot be understood")?;
    let is = |locked: &Locked, dependency: &str| {
        let mut words = dependency.split(' ');
        words.next() == Some(&locked.name) && words.next().is_none_or(|version| version == locked.version)
    };
    let mut next: Vec<&str> = roots.to_vec();
    let mut seen = BTreeSet::new();
    let mut crates = BTreeSet::new();
    while let Some(dependency) = next.pop() {
        for locked in lock.iter().filter(|locked| is(locked, dependency)) {
            if !seen.insert((&locked.name, &locked.version)) {
                continue;
            }
            next.extend(locked.dependencies.iter().map(String::as_str));
            if locked.checksum.is_some() {
                crates.insert(format!("{} {}", locked.name, locked.version));
            }
        }
    }
    Ok(crates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_of_the_programs_are_named_and_those_of_others_are_not() {
        let lock = r#"
            version = 4
            [[package]]
            name = "node"
            version = "0.1.0"
            dependencies = ["common", "hex 0.4.3"]
            [[package]]
            name = "common"
            version = "0.1.0"
            dependencies = ["sha2"]
            [[package]]
            name = "lab"
            version = "0.1.0"
            dependencies = ["hex 0.3.0"]
            [[package]]
            name = "hex"
            version = "0.3.0"
            checksum = "a"
            [[package]]
            name = "hex"
            version = "0.4.3"
            checksum = "b"
            [[package]]
            name = "sha2"
            version = "0.10.9"
            checksum = "c"
        "#;
        let crates: Vec<String> = crates_of(lock, &["node"]).unwrap().into_iter().collect();
        assert_eq!(crates, ["hex 0.4.3", "sha2 0.10.9"]);
    }
}
