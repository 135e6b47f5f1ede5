//! That doctor knows every verb, and every program that is run.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fs, path::Path};

use clap::{CommandFactory, ValueEnum};

use super::{
    needs::{Need, VERBS},
    of,
};
use crate::workspace::workspace;

/// What is everywhere: of Debian's essential packages, with cargo, or with a package that is named for another program.
const COMES_ALONG: [&str; 12] = [
    "apt-config",
    "cargo",
    "date",
    "docker",
    "id",
    "iptables-save",
    "nsenter",
    "runc",
    "rustc",
    "setpriv",
    "sh",
    "umount",
];

/// How a program is named where it is run.
const RUN: [&str; 3] = ["Program::new(\"", "Command::new(\"", " tool(\""];

#[test]
fn every_verb_stands_in_a_group_and_nothing_else_does() {
    let command = crate::Xtask::command();
    let verbs: BTreeSet<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let first = |name: &'static str| name.split(' ').next().unwrap();
    let known: BTreeSet<&str> = VERBS.iter().flat_map(|verbs| verbs.names).copied().map(first).collect();
    assert_eq!(known, verbs);
    for subject in crate::bench::BenchSubject::value_variants() {
        let name = format!("bench {}", subject.to_possible_value().unwrap().get_name());
        assert_eq!(of(&name).len(), 1, "{name}");
    }
    assert_eq!(of("bench").len(), 4);
    assert!(of("bench nothing").is_empty() && of("").is_empty());
}

/// The programs that the code of a room runs, without its tests.
fn run_in(room: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(room).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() && !entry.ends_with("tests") && !entry.ends_with("target") {
            run_in(&entry, found);
        }
        if entry.extension().is_some_and(|extension| extension == "rs") && !entry.ends_with("tests.rs") {
            let text = fs::read_to_string(&entry).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for run in RUN {
                let names = code.split(run).skip(1).filter_map(|rest| rest.split(['"', ' ']).next());
                found.extend(names.filter(|name| !name.starts_with(['/', '{'])).map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_program_that_is_run_is_named() {
    let mut run = BTreeSet::new();
    for room in ["xtask/src", "crates/common/src", "crates/toolkit", "crates/lab"] {
        run_in(&workspace().join(room), &mut run);
    }
    // They are found at all.
    for known in ["debootstrap", "tar", "git", "shellcheck", "docker", "ip"] {
        assert!(run.contains(known), "{known} is not among {run:?}");
    }
    let needs = VERBS.iter().flat_map(|verbs| verbs.needs());
    let named: BTreeSet<&str> = needs
        .filter_map(|need| match need {
            Need::Program { name, .. } => Some(*name),
            _ => None,
        })
        .collect();
    let nowhere: Vec<&String> =
        run.iter().filter(|name| !named.contains(name.as_str()) && !COMES_ALONG.contains(&name.as_str())).collect();
    assert!(nowhere.is_empty(), "doctor does not say who needs {nowhere:?}");
}
