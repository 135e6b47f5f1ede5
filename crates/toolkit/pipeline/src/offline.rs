//! What an offline build lacks, all of it at once.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use common::files;
use serde::Deserialize;

use crate::{
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
            Work::Crates(work) => {
                let there = cargo_home::archives(engine.cache.root());
                let absent = absent_crates(&files::read_text(&work.lock.path)?, &roots, &there)?;
                missing.extend(absent.into_iter().map(|name| format!("the crate {name}")));
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

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    /// Only what comes from a registry has one.
    checksum: Option<String>,
    /// `name`, or `name version` where there are several.
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The crates that these packages of the workspace come to, on whatever system, and that are not there.
fn absent_crates(lock: &str, roots: &[&str], there: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let lock: Lock = toml::from_str(lock).context("Cargo.lock cannot be understood")?;
    let is = |locked: &Locked, dependency: &str| {
        let mut words = dependency.split(' ');
        words.next() == Some(&locked.name) && words.next().is_none_or(|version| version == locked.version)
    };
    let mut next: Vec<&str> = roots.to_vec();
    let mut seen = BTreeSet::new();
    let mut absent = BTreeSet::new();
    while let Some(dependency) = next.pop() {
        for locked in lock.package.iter().filter(|locked| is(locked, dependency)) {
            if !seen.insert((&locked.name, &locked.version)) {
                continue;
            }
            next.extend(locked.dependencies.iter().map(String::as_str));
            let name = format!("{}-{}", locked.name, locked.version);
            if locked.checksum.is_some() && !there.contains(&format!("{name}.crate")) {
                absent.insert(format!("{} {}", locked.name, locked.version));
            }
        }
    }
    Ok(absent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_that_are_not_there_are_named_and_those_of_other_programs_are_not() {
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
        let absent = |there: &[&str]| -> Vec<String> {
            let there = there.iter().map(|name| (*name).to_owned()).collect();
            absent_crates(lock, &["node"], &there).unwrap().into_iter().collect()
        };
        assert_eq!(absent(&[]), ["hex 0.4.3", "sha2 0.10.9"]);
        assert_eq!(absent(&["hex-0.4.3.crate"]), ["sha2 0.10.9"]);
        assert_eq!(absent(&["hex-0.4.3.crate", "sha2-0.10.9.crate"]), [""; 0]);
    }
}
