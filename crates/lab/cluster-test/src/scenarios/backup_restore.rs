//! The master's hardware dies with its flash, and another switch becomes that master out of a backup. Then what was done to the
//! cluster is undone by a scheduled copy of etcd's data.

use anyhow::{Context, Result, ensure};
use contract::{
    places::{K8S_NODE, SNAPSHOTS},
    services::{BOOTSTRAP, SNAPSHOT},
};

use super::pods;
use crate::{Scene, Switch, scene::BRING_UP, workload};

const PASSPHRASE: &str = "for a backup of this lab alone";
const ON_FLASH: &str = "/mnt/flash/master.age";

/// A Secret of before the backup, and what comes after it.
const BEFORE: &str = "before";
const AFTER: &str = "after";
const WORD: &str = "d29yZA==";

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let kept = directory.path().join("master.age");
    let master = scene.master()?;
    scene.step("run pods, create a Secret, and back the master up", |scene| {
        pods::on_every_worker(scene)?;
        master.kubectl(&["create", "secret", "generic", BEFORE, "--from-literal=word=word"])?;
        let plain = master.exec([K8S_NODE, "backup", "/tmp/backup", "--plain"])?;
        ensure!(!plain.status.success(), "a plain backup was written where everybody may write");
        let said = with_passphrase(&master, &format!("backup {ON_FLASH}"))?;
        ensure!(said.contains("read back and whole"), "it says {said}");
        master.copy_out(ON_FLASH, &kept)
    })?;
    scene.step("do more, which the backup does not have", |_| master.kubectl(&["create", "configmap", AFTER]))?;
    scene.step(
        format!("another {} comes up in its place, with the SWIX and nothing else", master.name()),
        |scene| {
            master.cut_power()?;
            master.replace(&scene.parts.flash_without_cluster()?)?;
            master.wait_until_booted(BRING_UP)?;
            scene.eventually("the extension is installed", BRING_UP, || master.exec_ok([K8S_NODE, "--version"]))?;
            master.exec_ok([K8S_NODE, "down"]).map(drop)
        },
    )?;
    scene.step("half of the backup is refused, and the whole of it restored", |_| {
        master.copy_in(&kept, ON_FLASH)?;
        master.sh(&format!("head -c 20000 {ON_FLASH} >{ON_FLASH}.half"))?;
        ensure!(with_passphrase(&master, &format!("restore {ON_FLASH}.half")).is_err(), "half a backup was restored");
        let said = with_passphrase(&master, &format!("restore {ON_FLASH}"))?;
        ensure!(said.contains("restored: the master"), "it says {said}");
        master.exec_ok(["rm", ON_FLASH, &format!("{ON_FLASH}.half")]).map(drop)
    })?;
    scene.step("it is the master of the same cluster, with Secrets that can be read, as of the backup", |scene| {
        start(scene, &master)?;
        as_before(&master)
    })?;
    scene.step("pods run on every worker, and reach each other", |scene| {
        pods::on_every_worker(scene)?;
        pods::all_reached(scene)
    })?;
    scene.step("have the scheduled copy taken, do more, and put the copy back", |scene| {
        master.exec_ok(["systemctl", "start", SNAPSHOT])?;
        master.kubectl(&["create", "configmap", AFTER])?;
        let refused = master.exec([K8S_NODE, "restore", SNAPSHOTS, "--yes"])?;
        ensure!(!refused.status.success(), "a cluster that runs was replaced");
        master.exec_ok([K8S_NODE, "down"])?;
        master.sh(&format!("{K8S_NODE} restore \"$(ls {SNAPSHOTS}/etcd-*.snapshot | tail -n 1)\" --yes"))?;
        start(scene, &master)?;
        as_before(&master)?;
        workload::stop(&master)
    })
}

/// Workers know of changes that are undone, and are told to ask for everything.
fn start(scene: &Scene<'_>, master: &Switch<'_>) -> Result<()> {
    master.exec_ok(["systemctl", "start", BOOTSTRAP])?;
    master.wait_until_ready(BRING_UP)?;
    for worker in scene.workers_beside_master()? {
        worker.exec_ok(["systemctl", "restart", "kubelet", "kube-proxy"])?;
    }
    scene.wait_until_nodes_ready(BRING_UP)
}

fn as_before(master: &Switch<'_>) -> Result<()> {
    let read = master.kubectl_json(&["get", "secret", BEFORE])?;
    ensure!(read["data"]["word"] == WORD, "the Secret is another: {read}");
    let after = master.kubectl(&["get", "configmap", AFTER, "--ignore-not-found", "--output=name"])?;
    ensure!(after.is_empty(), "what came after is there: {after}");
    Ok(())
}

fn with_passphrase(master: &Switch<'_>, arguments: &str) -> Result<String> {
    master.sh(&format!("echo '{PASSPHRASE}' | {K8S_NODE} {arguments} --passphrase-file -"))
}
