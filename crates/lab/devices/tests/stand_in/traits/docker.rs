//! Docker may come late, by an extension of its own, or never.

use devices::{Device, Flash};

use crate::support::{cli_ok, one_switch, swix_with};

const LOOK: &str =
    "{ command -v docker; systemctl list-unit-files --no-legend 'docker.*' 'containerd.*'; } >/run/docker 2>&1 || true";

/// An extension looked, and there was none.
fn was_not_there(switch: &Device) {
    assert_eq!(switch.exec_ok(["cat", "/run/docker"]).unwrap(), "");
}

fn is_there_and_does_not_run(switch: &Device) {
    let state = switch.exec(["systemctl", "is-active", "docker"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&state.stdout), "inactive\n");
    switch.exec_ok(["systemctl", "cat", "docker.service", "containerd.service"]).unwrap();
    switch.exec_ok(["docker", "--version"]).unwrap();
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn docker_comes_some_seconds_after_the_configuration_and_does_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let flash = Flash::new().with_boot_extension(&swix_with(directory.path(), "look", LOOK, "true")).unwrap();
    let lab = one_switch("test-t-late", &[("docker-late", true)], flash);
    let switch = lab.device("veos-b").unwrap();
    was_not_there(&switch);
    is_there_and_does_not_run(&switch);
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn docker_is_there_once_its_own_swix_is_installed() {
    let directory = tempfile::tempdir().unwrap();
    let docker = swix_with(directory.path(), "docker", "/usr/libexec/veos-stand-in/docker bring", "true");
    let flash = Flash::new()
        .with_boot_extension(&swix_with(directory.path(), "look", LOOK, "true"))
        .unwrap()
        .with_file(".extensions/docker.swix", &docker);
    let lab = one_switch("test-t-swix", &[("docker-by-swix", true)], flash);
    let switch = lab.device("veos-b").unwrap();
    was_not_there(&switch);
    switch.exec_ok(["sh", "-c", "! command -v docker"]).unwrap();
    cli_ok(&switch, "extension docker.swix");
    is_there_and_does_not_run(&switch);
}

#[test]
#[ignore = "needs root, a Docker engine and debootstrap"]
fn a_switch_may_be_without_docker_for_ever() {
    let lab = one_switch("test-t-none", &[("no-docker", true)], Flash::new());
    let switch = lab.device("veos-b").unwrap();
    switch.exec_ok(["sh", "-c", LOOK]).unwrap();
    was_not_there(&switch);
    assert!(!switch.exec(["systemctl", "start", "docker"]).unwrap().status.success());
}
