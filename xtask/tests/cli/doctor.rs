//! `doctor` on a machine of which a test says what it has.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use common::command::find_on_path;

use crate::support::{assert_says, end, refused, succeeds, xtask};

/// With these programs of this machine on PATH and no other.
fn with(directory: &Path, programs: &[&str]) -> Command {
    let bin = directory.join("bin");
    fs::create_dir_all(&bin).unwrap();
    for name in programs {
        let program = find_on_path(name).unwrap_or_else(|| panic!("this test needs {name}"));
        symlink(program, bin.join(name)).unwrap();
    }
    let mut command = xtask(&directory.join("cache"));
    command.env("PATH", bin).arg("doctor");
    command
}

/// A docker that is a script in place of the client, on such a PATH.
fn docker(directory: &Path, script: &str) -> PathBuf {
    fs::create_dir_all(directory.join("bin")).unwrap();
    let file = directory.join("bin/docker");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}

/// The line on something.
#[track_caller]
fn line<'a>(said: &'a str, what: &str) -> &'a str {
    said.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no line on {what} in: {said}"))
}

#[test]
fn a_docker_client_without_an_engine_is_not_enough() {
    let directory = tempfile::tempdir().unwrap();
    docker(directory.path(), "echo 'Cannot connect to the Docker daemon' >&2; exit 1");
    for verb in ["topo-test", "device", "image", "test", "power-cuts", "build-swix --in-docker", "bench first-boot"] {
        let ended = end(with(directory.path(), &[]).args(verb.split(' ')));
        assert_eq!(ended.code, Some(1), "{verb}: {}", ended.out);
        let engine = line(&ended.out, "Docker engine");
        assert_says(engine, &["  MISSING ", "start dockerd", "(Cannot connect to the Docker daemon)"]);
        assert_says(&ended.out, &["something is missing"]);
        assert_says(&ended.err, &[&format!("error: {verb} does not work here before that is mended")]);
    }
}

#[test]
fn an_engine_that_answers_is_there() {
    let directory = tempfile::tempdir().unwrap();
    docker(directory.path(), "[ \"$1\" = version ] && echo 99.9");
    let said = end(with(directory.path(), &[]).arg("device")).out;
    assert!(line(&said, "Docker engine").starts_with("  ok "), "{said}");
    fs::remove_file(directory.path().join("bin/docker")).unwrap();
    let said = end(with(directory.path(), &[]).arg("device")).out;
    assert_says(line(&said, "Docker engine"), &["  MISSING ", "apt-get install docker.io"]);
}

#[test]
fn what_makes_the_images_is_named_for_every_verb_that_makes_them() {
    let directory = tempfile::tempdir().unwrap();
    for verb in ["image", "topo-test", "power-cuts", "test", "bench first-boot", "release-check"] {
        let said = end(with(directory.path(), &[]).args(verb.split(' '))).out;
        for (program, package) in [("debootstrap", "debootstrap"), ("tar", "tar"), ("gcc", "gcc")] {
            let missing = said.lines().find(|line| line.starts_with(&format!("  MISSING {program} ")));
            let missing = missing.unwrap_or_else(|| panic!("{verb}: no line on {program} in: {said}"));
            assert!(missing.ends_with(&format!("apt-get install {package}")), "{verb}: {missing}");
        }
    }
}

#[test]
fn what_a_verb_asked_for_lacks_fails_and_all_of_them_are_only_told() {
    let directory = tempfile::tempdir().unwrap();
    let lacking = end(with(directory.path(), &["git"]).arg("build-swix"));
    assert_eq!(lacking.code, Some(1), "{}", lacking.out);
    assert!(line(&lacking.out, " git ").starts_with("  ok "), "{}", lacking.out);
    assert_says(line(&lacking.out, " gcc "), &["  MISSING ", "apt-get install gcc"]);
    let all = succeeds(&mut with(directory.path(), &[])).out;
    assert_says(&all, &["build-swix, fetch, plan", "something is missing"]);
    let complete = line(&all, ": everything is there");
    assert_says(complete, &["inspect, ", "audit, ", "diff, sign, sign-dist, verify, cache, doctor, pki, topo"]);
    for verb in ["cache", "pki", "inspect"] {
        assert_says(&succeeds(with(directory.path(), &[]).arg(verb)).out, &["everything is there"]);
    }
    let unknown = refused(with(directory.path(), &[]).args(["bench", "nothing"]));
    assert_says(&unknown, &["there is no verb \"bench nothing\": there are build-swix, ", "bench first-boot"]);
}

#[test]
fn a_swix_is_looked_for_where_the_verbs_look_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let asked = |koe_dist: &Path| {
        let said = end(with(directory.path(), &[]).args(["bench", "kube-proxy"]).env("KOE_DIST", koe_dist)).out;
        line(&said, "a SWIX in ").trim_start().to_owned()
    };
    assert_says(&asked(directory.path()), &["MISSING ", "build-swix"]);
    fs::write(directory.path().join("given.swix"), "").unwrap();
    assert!(asked(directory.path()).starts_with("ok "));
}
