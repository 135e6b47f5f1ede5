//! A lab that cannot be taken away whole. No engine can be had that refuses in these ways, so a fake `docker` is on PATH.

#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use common::{
    lock::{After, Lock},
    stop,
};
use devices::Lab;
use topology::Topology;

const PREFIX: &str = "not-taken-away";

/// A switch and a network, which it does not remove. It writes down what it is asked.
const DOCKER: &str = r#"#!/bin/sh
echo "$*" >>"${0%/*}/asked"
case "$1 $2" in
    "container ls") printf '%s_veos-1\t%s_veos-1\n' not-taken-away not-taken-away ;;
    "network ls") printf '%s_net-0\t%s_net-0\n' not-taken-away not-taken-away ;;
    "container inspect") cat "${0%/*}/veos-1.json" ;;
    "image inspect") echo '[]'; echo 'Error: No such image' >&2; exit 1 ;;
    "container rm") echo 'the device is busy' >&2; exit 1 ;;
    "volume rm") echo 'the volume is in use' >&2; exit 1 ;;
    "network rm") echo 'the network has endpoints' >&2; exit 1 ;;
esac
"#;

const VEOS_1: &str = r#"[{"Image": "i", "State": {"Pid": 0}, "NetworkSettings": {"Networks": {}},
    "Config": {"Image": "i", "Labels": {"org.kubernetes-on-eos.lab": "not-taken-away", "not-taken-away": "not-taken-away_veos-1"}},
    "Mounts": [{"Type": "volume", "Name": "v", "Source": "/v", "Destination": "/mnt/flash"}]}]"#;

#[test]
#[ignore = "needs root, for the locks of labs"]
fn what_cannot_be_taken_away_keeps_nothing_else_and_all_of_it_is_told() {
    let name = "what_cannot_be_taken_away_keeps_nothing_else_and_all_of_it_is_told";
    let Some(directory) = env::var_os("FAKE_DOCKER") else { return again(name) };
    let directory = Path::new(&directory);
    let (_, lab) = lab_s_own();
    let told = format!("{:#}", down().unwrap_err());
    for part in ["the device is busy", "the volume is in use", "the network has endpoints"] {
        assert!(told.contains(part), "{part:?} is not in: {told}");
    }
    let asked = fs::read_to_string(directory.join("asked")).unwrap();
    assert!(asked.contains("image inspect"), "docker-topo's names were not looked for: {asked}");
    assert!(lab.exists(), "whoever goes on needs what is known of the lab");
    fs::remove_dir_all(lab).unwrap();
}

#[test]
#[ignore = "needs root, for the locks of labs"]
fn after_ctrl_c_nobody_who_has_the_lock_is_waited_for_and_the_rest_is_taken_away() {
    let name = "after_ctrl_c_nobody_who_has_the_lock_is_waited_for_and_the_rest_is_taken_away";
    let Some(directory) = env::var_os("FAKE_DOCKER") else { return again(name) };
    let (root, lab) = lab_s_own();
    let _lock = Lock::acquire(&root.join("image-tags.lock"), After::Removed, |_| {}).unwrap();
    stop::interrupt();
    let began = Instant::now();
    let told = format!("{:#}", down().unwrap_err());
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    assert!(told.contains(&format!("image-tags.lock is locked by process {}", std::process::id())), "{told}");
    assert!(fs::read_to_string(Path::new(&directory).join("asked")).unwrap().contains("network rm"));
    fs::remove_dir_all(lab).unwrap();
}

fn down() -> anyhow::Result<bool> {
    let text = format!("VERSION: 2\nPREFIX: {PREFIX}\nlinks:\n  - endpoints: [\"veos-1:eth0\", \"host-1:eth0\"]\n");
    Lab::ensure_down(&Topology::parse(&text, "t.yml", Path::new("/"), &|_| None).unwrap())
}

/// Where what is known of labs is, and that of this one, as while it is up.
fn lab_s_own() -> (PathBuf, PathBuf) {
    let root = Path::new("/run/kubernetes-on-eos-lab");
    let lab = root.join("labs").join(PREFIX);
    fs::create_dir_all(&lab).unwrap();
    (root.to_owned(), lab)
}

/// Runs that one test in a process of its own, with the fake first on PATH. One at a time: the lab is the same.
fn again(test: &str) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let docker = directory.path().join("docker");
    fs::write(&docker, DOCKER).unwrap();
    fs::set_permissions(&docker, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(directory.path().join("veos-1.json"), VEOS_1).unwrap();
    let path = format!("{}:{}", directory.path().display(), env::var("PATH").unwrap());
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env("PATH", path);
    let output = command.env("FAKE_DOCKER", directory.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("test result: ok. 1 passed;"), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
