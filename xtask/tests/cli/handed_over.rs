//! `cargo xtask` as it is typed: compiled for builds alone, it hands the verbs that need more over to an xtask that has it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use common::command::cargo_variables;

/// Cargo as from a shell, in this repository.
fn cargo(arguments: &[&str]) -> Output {
    let mut cargo = Command::new("cargo");
    for name in cargo_variables() {
        cargo.env_remove(name);
    }
    let ended = cargo.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).output();
    ended.unwrap()
}

#[test]
fn a_build_begins_without_a_crate_of_the_lab_or_of_the_formats() {
    let tree =
        cargo(&["tree", "--package", "xtask", "--no-default-features", "--edges", "normal,build", "--prefix", "none"]);
    let names = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = names.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"pipeline") && tree.status.success(), "{names:?}");
    let lab = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/lab")).unwrap();
    let lab: Vec<String> = lab.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(lab.len() > 4, "{lab:?}");
    for heavy in
        lab.iter().map(String::as_str).chain(["cluster", "enrolment", "k8s-openapi", "rsa", "backhand", "rpm", "zip"])
    {
        assert!(!names.contains(&heavy), "{heavy} is compiled before a build begins");
    }
}

#[test]
#[ignore = "compiles xtask without the lab: run by cargo xtask test"]
fn a_verb_of_the_lab_is_handed_over_with_its_words_and_its_exit_code_and_nothing_is_compiled_twice() {
    let _stays = crate::support::program_stays();
    let listed = cargo(&["xtask", "topo-test", "--list"]);
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains("bring-up "), "{listed:?}");
    for help in [["topo-test", "--help"], ["help", "topo-test"]] {
        let shown = cargo(&[&["xtask"], &help[..]].concat());
        assert!(String::from_utf8_lossy(&shown.stdout).contains("--master-away <SECONDS>"), "{shown:?}");
    }
    for help in [["inspect", "--help"], ["help", "inspect"]] {
        let shown = cargo(&[&["xtask"], &help[..]].concat());
        assert!(String::from_utf8_lossy(&shown.stdout).contains("--run"), "{shown:?}");
    }
    let wrong = cargo(&["xtask", "topo-test", "--no-such-flag"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--no-such-flag"), "{wrong:?}");
    for whole in [&["--no-default-features"][..], &["--no-default-features", "--features", "formats"], &[]] {
        let built = cargo(&[&["build", "--package", "xtask", "--message-format", "json"], whole].concat());
        let units = String::from_utf8(built.stdout).unwrap();
        let stale = units.lines().find(|unit| unit.contains("\"fresh\":false"));
        assert!(units.contains("\"fresh\":true") && stale.is_none(), "compiled again: {stale:?}");
    }
}
