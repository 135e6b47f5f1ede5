//! State files that are damaged: what we made is made again, what cannot be made again is asked for.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contract::{
    places::{K8S_NODE, STATE},
    services::BOOTSTRAP,
    status::{NodeState, Status},
};

use super::{NEXT_ATTEMPT, alone, ready_without_a_word};
use crate::{Scene, Switch, scene::BRING_UP, state::State};

const LOST: [&str; 2] = ["pki/ca-key.pem", "encryption-config.yaml"];
const MADE_AGAIN: [&str; 2] = ["pki/etcd.pem", "kubeconfigs/kube-scheduler.kubeconfig"];
const MADE_AGAIN_AT_ONCE: [&str; 3] = ["pki/kube-apiserver.pem", "pki/node-key.pem", "kubeconfigs/node.kubeconfig"];

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let switch = alone(scene, &scene.parts.flash()?)?;
    scene.step("it becomes ready, and complains of nothing", |_| ready_without_a_word(&switch))?;
    let authority = State::copy_of(&switch)?.ca_fingerprint()?;
    scene.step("make a Secret, cut files in half, and reboot", |_| {
        switch.kubectl(&["create", "secret", "generic", "hidden", "--from-literal=word=kept"])?;
        switch.sh(&format!("cp -a {STATE} /mnt/flash/backup"))?;
        LOST.iter().chain(&MADE_AGAIN).try_for_each(|file| cut_in_half(&switch, file))?;
        switch.reboot()
    })?;
    for (file, limit) in LOST.into_iter().zip([BRING_UP, NEXT_ATTEMPT]) {
        scene.step(format!("it asks for {file}, which is put back"), |_| {
            asks_for(&switch, file, limit)?;
            switch.exec_ok(["cp", "-a", &format!("/mnt/flash/backup/{file}"), &on_flash(file)]).map(drop)
        })?;
    }
    scene.step("it makes the others again, and becomes ready", |_| ready_without_a_word(&switch))?;
    scene.step("cut others in half, and bring it up again: it becomes ready", |_| {
        MADE_AGAIN_AT_ONCE.iter().try_for_each(|file| cut_in_half(&switch, file))?;
        switch.exec_ok(["systemctl", "restart", BOOTSTRAP])?;
        ready_without_a_word(&switch)
    })?;
    scene.step("all is whole, of the same authority, and the Secret is there", |_| {
        let state = State::copy_of(&switch)?;
        state.check()?;
        let now = state.ca_fingerprint()?;
        ensure!(now == authority, "the authority was {authority}, and is {now}");
        let secret = switch.kubectl(&["get", "secret", "hidden", "--output=jsonpath={.data.word}"])?;
        ensure!(secret == "a2VwdA==", "the Secret holds {secret:?}");
        Ok(())
    })
}

fn on_flash(file: &str) -> String {
    format!("{STATE}/{file}")
}

fn cut_in_half(switch: &Switch<'_>, file: &str) -> Result<()> {
    let size = switch.exec_ok(["stat", "--format=%s", &on_flash(file)])?;
    let size: u32 = size.trim().parse().with_context(|| format!("{file} has the size {size:?}"))?;
    switch.exec_ok(["truncate", &format!("--size={}", size / 2), &on_flash(file)]).map(drop)
}

fn asks_for(switch: &Switch<'_>, file: &str, limit: Duration) -> Result<()> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let named = |status: &Status| status.state == NodeState::Failed && status.complaints().contains(name);
    let complaints = switch.wait_for(limit, &format!("asking for {file}"), named)?.complaints();
    ensure!(complaints.contains("put "), "it does not say what to do: {complaints}");
    let said = switch.exec([K8S_NODE, "status"])?;
    let printed = String::from_utf8_lossy(&said.stdout);
    ensure!(said.status.code() == Some(1) && printed.contains(name), "with {}, `status` says: {printed}", said.status);
    Ok(())
}
