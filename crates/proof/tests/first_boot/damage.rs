//! State files that are damaged: what we made is made again, what cannot be made again is asked for.

use std::time::Duration;

use proof::{Cluster, Switch};

use crate::support::{LIMIT, MASTER, parts, raise, wait_until_ready};
use proof::state::State;

/// How soon the next attempt must have seen that a file was put back, or another is missing.
const NEXT_ATTEMPT: Duration = Duration::from_secs(90);

#[test]
#[ignore = "needs root, a Docker engine and the SWIX"]
fn damaged_leaves_are_made_again_and_what_cannot_be_is_asked_for_by_name() {
    let lab = raise(Cluster::OneSwitch, "test-damage", &parts().flash(Cluster::OneSwitch).unwrap());
    wait_until_ready(&lab);
    let switch = lab.switch(MASTER).unwrap();
    let authority = State::copy_of(&switch).unwrap().ca_fingerprint().unwrap();
    switch.kubectl(&["create", "secret", "generic", "hidden", "--from-literal=word=kept"]).unwrap();
    switch.sh("cp -a /mnt/flash/k8s /mnt/flash/backup").unwrap();
    for file in [
        "pki/ca-key.pem",
        "pki/kube-apiserver.pem",
        "pki/node-key.pem",
        "kubeconfigs/kube-scheduler.kubeconfig",
        "encryption-config.yaml",
    ] {
        let size: u32 = switch.exec_ok(["stat", "--format=%s", &on_flash(file)]).unwrap().trim().parse().unwrap();
        switch.exec_ok(["truncate", &format!("--size={}", size / 2), &on_flash(file)]).unwrap();
    }
    switch.reboot().unwrap();

    for (file, limit) in [("pki/ca-key.pem", LIMIT), ("encryption-config.yaml", NEXT_ATTEMPT)] {
        says_what_is_damaged(&switch, file, limit);
        let backup = on_flash(file).replace("/k8s/", "/backup/");
        switch.exec_ok(["cp", "-a", &backup, &on_flash(file)]).unwrap();
    }
    wait_until_ready(&lab);
    let state = State::copy_of(&switch).unwrap();
    state.check().unwrap();
    assert_eq!(state.ca_fingerprint().unwrap(), authority);
    let secret = switch.kubectl(&["get", "secret", "hidden", "--output=jsonpath={.data.word}"]).unwrap();
    assert_eq!(secret, "a2VwdA==");
}

fn on_flash(file: &str) -> String {
    format!("/mnt/flash/k8s/{file}")
}

fn says_what_is_damaged(switch: &Switch, file: &str, limit: Duration) {
    let named = |status: &proof::Status| status.state == "failed" && status.complaints().contains(file);
    let status = switch.wait_for(limit, &format!("asking for {file}"), named);
    let status = status.unwrap_or_else(|error| panic!("{error:#}"));
    let printed = switch.exec([proof::K8S_NODE, "status"]).unwrap();
    assert_eq!(printed.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&printed.stdout);
    assert!(printed.contains(file), "{printed}");
    let complaints = status.complaints();
    assert!(["put back", "restore", "backup"].iter().any(|way| complaints.contains(way)), "no way out: {complaints}");
}
