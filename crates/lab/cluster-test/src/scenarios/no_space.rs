//! etcd's quota is filled until it takes nothing more: the master's status says so and what to do, and that cures it.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use contract::places::{ETCDCTL, K8S_NODE, PKI};

use crate::{Scene, Switch, scene::BRING_UP};

/// One key, written again and again, so that the history takes all of the quota.
const KEY: &str = "/no-space";

/// How often it is written by one call.
const WRITES: u32 = 100;

const FILLED: Duration = Duration::from_secs(8 * 60);
const SAID: Duration = Duration::from_secs(60);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    scene.step("write into etcd until its quota is full", |scene| {
        etcdctl(&master, "head -c 1000000 /dev/urandom | base64 -w 0 >/tmp/value")?;
        scene.eventually("etcd takes nothing more", FILLED, || fill(&master))
    })?;
    scene.step("the API server stores nothing, and the master's status says NOSPACE and what to do", |_| {
        let refused = master.kubectl(&["create", "configmap", "refused"]);
        ensure!(refused.is_err(), "a ConfigMap was stored");
        let says = |complaints: &str| complaints.contains("NOSPACE") && complaints.contains("`k8s-node etcd defrag`");
        master.wait_for(SAID, "saying NOSPACE", |status| !status.is_well() && says(&status.complaints())).map(drop)
    })?;
    scene.step("`k8s-node etcd defrag` makes room, and says how much", |_| {
        let said = master.exec_ok([K8S_NODE, "etcd", "defrag"])?;
        for word in ["before: the database has 5", "after: the database has", "took back the alarm NOSPACE"] {
            ensure!(said.contains(word), "it does not say {word:?}: {said}");
        }
        Ok(())
    })?;
    scene.step("the cluster takes what is new, and every worker is Ready", |scene| {
        scene.eventually("a ConfigMap is stored", BRING_UP, || master.kubectl(&["create", "configmap", "stored"]))?;
        etcdctl(&master, &format!("ctl del {KEY}"))?;
        scene.wait_until_nodes_ready(BRING_UP)?;
        let complaints = master.status()?.complaints();
        ensure!(!complaints.contains("NOSPACE"), "it says still: {complaints}");
        Ok(())
    })?;
    scene.step("said again, and on a worker", |scene| {
        let said = master.exec_ok([K8S_NODE, "etcd", "defrag"])?;
        ensure!(said.contains("after: the database has"), "it says {said}");
        if let Some(worker) = scene.workers_beside_master()?.first() {
            let refused = worker.exec([K8S_NODE, "etcd", "defrag"])?;
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            ensure!(!refused.status.success() && said.contains("etcd is on the master"), "a worker says {said:?}");
        }
        Ok(())
    })
}

fn fill(master: &Switch<'_>) -> Result<()> {
    let said = etcdctl(
        master,
        &format!(
            "n=0
             while [ $n -lt {WRITES} ] && ctl put {KEY} </tmp/value >/dev/null 2>/tmp/error; do n=$((n + 1)); done
             cat /tmp/error"
        ),
    )?;
    if said.contains("database space exceeded") { Ok(()) } else { bail!("the last word was {said:?}") }
}

/// Shell text in which `ctl` is etcdctl.
fn etcdctl(master: &Switch<'_>, script: &str) -> Result<String> {
    let ctl = format!(
        "ctl() {{ ETCDCTL_API=3 {ETCDCTL} --cacert={PKI}/etcd-ca.pem --cert={PKI}/etcd.pem --key={PKI}/etcd-key.pem \
         --endpoints=https://127.0.0.1:2379 \"$@\"; }}"
    );
    master.sh(&format!("{ctl}\n{script}"))
}
