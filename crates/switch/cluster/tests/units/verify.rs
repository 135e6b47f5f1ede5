//! The same units, as the systemd of this machine takes them: a later one, as EOS from 4.32 on has.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use common::command::Program;

use crate::support::{OnSwitch, every_unit};

/// What our units name, and what systemd adds to every unit.
const OTHERS: [&str; 7] = [
    "basic.target",
    "docker.service",
    "multi-user.target",
    "network.target",
    "shutdown.target",
    "sysinit.target",
    "timers.target",
];

#[test]
#[ignore = "needs systemd-analyze: run by cargo xtask test"]
fn the_systemd_of_this_machine_takes_every_unit_without_a_word() {
    let mut by_name: BTreeMap<String, Vec<OnSwitch>> = BTreeMap::new();
    for unit in every_unit(version()) {
        by_name.entry(unit.name.clone()).or_default().push(unit);
    }
    // As a switch has them, one of each name; the next round has the next one of those that differ.
    let rounds = by_name.values().map(Vec::len).max().unwrap();
    for round in 0..rounds {
        let units: Vec<&OnSwitch> = by_name.values().map(|units| units.get(round).unwrap_or(&units[0])).collect();
        let said = verify(&units);
        assert_eq!(said, "", "round {round}");
    }
    let unknown = "[Service]\nExecStart=/program\nNobodyKnows=this\n".to_owned();
    let unit = OnSwitch { name: "unknown.service".into(), source: PathBuf::new(), text: unknown };
    assert!(verify(&[&unit]).contains("NobodyKnows"), "it takes everything");
}

/// Of the systemd of this machine.
fn version() -> u32 {
    let printed = Program::new("systemd-analyze", "ask for its version").unwrap().arg("--version").read().unwrap();
    printed.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What `systemd-analyze verify` says of these units, in a root of their own.
fn verify(units: &[&OnSwitch]) -> String {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("usr/lib/systemd/system");
    fs::create_dir_all(&directory).unwrap();
    for other in OTHERS {
        let service = if other.ends_with(".service") { "[Service]\nExecStart=/program\n" } else { "" };
        fs::write(directory.join(other), format!("[Unit]\nDefaultDependencies=no\n{service}")).unwrap();
    }
    program(root.path(), "/program");
    for unit in units {
        fs::write(directory.join(&unit.name), &unit.text).unwrap();
        for command in unit.text.lines().filter(|line| line.starts_with("Exec")) {
            program(root.path(), command.split(['=', ' ']).nth(1).unwrap());
        }
    }
    let mut verify = Program::new("systemd-analyze", "verify units").unwrap().args(["verify", "--man=no"]);
    verify = verify.arg(format!("--root={}", root.path().display()));
    let output = verify.args(units.iter().map(|unit| directory.join(&unit.name))).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || !said.is_empty(), "systemd-analyze ended with {}", output.status);
    said
}

/// A program that there is.
fn program(root: &Path, path: &str) {
    let file = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}
