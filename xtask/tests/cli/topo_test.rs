//! What `topo-test` refuses before anything is made or brought up.

use std::{fs, path::Path};

use crate::support::{assert_says, refused, succeeds, xtask};

/// What it says of a file, given by a flag: it has to begin with the file's name.
#[track_caller]
fn refusal_of(flag: &str, contents: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("given");
    fs::write(&file, contents).unwrap();
    let said = refused(topo_test(directory.path()).arg(flag).arg(&file));
    let (_, why) = said.split_once(&file.display().to_string()).unwrap_or_else(|| panic!("it is not named: {said}"));
    why.to_owned()
}

fn topo_test(directory: &Path) -> assert_cmd::Command {
    let mut command = xtask(directory);
    command.arg("topo-test").env("DOCKER_HOST", "unix:///no/such/engine.sock");
    command
}

#[test]
fn a_file_that_is_no_topology_is_refused_by_name() {
    for contents in ["", "- a list", "VERSION: 2\nlinks: 5\n", "not: [closed"] {
        let why = refusal_of("--topology", contents);
        assert!(why.trim().len() > 20, "{contents:?}: {why}");
    }
}

#[test]
fn a_link_by_veth_has_two_ends() {
    let topology = |ends: &str| format!("VERSION: 2\ndriver: veth\nlinks:\n  - endpoints: [{ends}]\n");
    for ends in ["\"a:eth1\"", "\"a:eth1\", \"b:eth1\", \"c:eth1\""] {
        assert_says(&refusal_of("--topology", &topology(ends)), &["veth"]);
    }
}

#[test]
fn a_driver_that_docker_topo_has_not_is_refused() {
    let topology = "VERSION: 2\ndriver: teleport\nlinks:\n  - endpoints: [\"a:eth1\", \"b:eth1\"]\n";
    assert_says(&refusal_of("--topology", topology), &["teleport"]);
}

#[test]
fn a_file_that_is_no_swix_is_refused() {
    for flag in ["--swix", "--next-swix"] {
        assert_says(&refusal_of(flag, "PK, but no archive"), &[" is no SWIX to install"]);
    }
}

#[test]
fn an_empty_cluster_toml_is_refused() {
    assert_says(&refusal_of("--cluster", ""), &["the file is empty"]);
}

#[test]
fn a_scenario_that_is_not_there_is_refused_and_the_list_has_those_that_are() {
    let directory = tempfile::tempdir().unwrap();
    for flag in ["--scenario", "--skip"] {
        let said = refused(topo_test(directory.path()).args([flag, "no-such"]));
        assert_says(&said, &["there is no scenario no-such", "there are routing, "]);
    }
    let list = succeeds(topo_test(directory.path()).arg("--list")).out;
    assert_says(&list, &["routing", "bring-up", "transit", "master-away", "uninstall"]);
}

/// In a repository whose dist/ has no SWIX, so that one would have to be built.
#[test]
fn without_a_docker_engine_nothing_is_built_first() {
    let directory = tempfile::tempdir().unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../topo");
    let mut command = topo_test(directory.path());
    command.env("CARGO_MANIFEST_DIR", directory.path().join("xtask"));
    command.arg("--topology").arg(ours.join("k8s.yml")).arg("--cluster").arg(ours.join("cluster.toml"));
    let said = refused(&mut command);
    assert!(said.contains("no Docker engine answers") || said.contains("no `docker` on PATH"), "{said}");
    assert!(!said.contains("it is built first"), "{said}");
}
