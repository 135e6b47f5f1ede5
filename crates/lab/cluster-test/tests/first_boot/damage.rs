//! State files that are damaged: what we made is made again, what cannot be made again is asked for.

use std::time::Duration;

use cluster_test::{LabSize, Switch, state::State};
use contract::{
    places,
    status::{NodeState, Status},
};

use crate::support::{LIMIT, MASTER, parts, up, wait_until_ready};

/// How soon the next attempt must have seen that a file was put back, or another is missing.
const NEXT_ATTEMPT: Duration = Duration::from_secs(90);

#[test]
#[ignore = "needs root, a Docker engine and the SWIX"]
fn damaged_leaves_are_made_again_and_what_cannot_be_is_asked_for_by_name() {
    let lab = up(LabSize::OneSwitch, "test-damage", &parts().flash(LabSize::OneSwitch).unwrap());
    wait_until_ready(&lab);
    let switch = lab.switch(MASTER).unwrap();
    let authority = State::copy_of(&switch).unwrap().ca_fingerprint().unwrap();
    switch.kubectl(&["create", "secret", "generic", "hidden", "--from-literal=word=kept"]).unwrap();
    switch.sh(&format!("cp -a {} /mnt/flash/backup", places::STATE)).unwrap();
    let lost = ["pki/ca-key.pem", "encryption-config.yaml"];
    for file in lost.into_iter().chain(["pki/etcd.pem", "kubeconfigs/kube-scheduler.kubeconfig"]) {
        cut_in_half(&switch, file);
    }
    switch.reboot().unwrap();
    for (file, limit) in lost.into_iter().zip([LIMIT, NEXT_ATTEMPT]) {
        asks_for(&switch, file, limit);
        switch.exec_ok(["cp", "-a", &format!("/mnt/flash/backup/{file}"), &on_flash(file)]).unwrap();
    }
    wait_until_ready(&lab);

    for file in ["pki/kube-apiserver.pem", "pki/node-key.pem", "kubeconfigs/node.kubeconfig"] {
        cut_in_half(&switch, file);
    }
    switch.exec_ok(["systemctl", "restart", "kubernetes-on-eos"]).unwrap();
    wait_until_ready(&lab);
    let state = State::copy_of(&switch).unwrap();
    state.check().unwrap();
    assert_eq!(state.ca_fingerprint().unwrap(), authority);
    let secret = switch.kubectl(&["get", "secret", "hidden", "--output=jsonpath={.data.word}"]).unwrap();
    assert_eq!(secret, "a2VwdA==");
}

fn on_flash(file: &str) -> String {
    format!("{}/{file}", places::STATE)
}

fn cut_in_half(switch: &Switch, file: &str) {
    let size: u32 = switch.exec_ok(["stat", "--format=%s", &on_flash(file)]).unwrap().trim().parse().unwrap();
    switch.exec_ok(["truncate", &format!("--size={}", size / 2), &on_flash(file)]).unwrap();
}

fn asks_for(switch: &Switch, file: &str, limit: Duration) {
    let name = file.rsplit('/').next().unwrap();
    let named = |status: &Status| status.state == NodeState::Failed && status.complaints().contains(name);
    let status = switch.wait_for(limit, &format!("asking for {file}"), named);
    let complaints = status.unwrap_or_else(|error| panic!("{error:#}")).complaints();
    assert!(complaints.contains("put "), "it does not say what to do: {complaints}");
    let printed = switch.exec([places::K8S_NODE, "status"]).unwrap();
    assert_eq!(printed.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&printed.stdout);
    assert!(printed.contains(name), "{printed}");
}
