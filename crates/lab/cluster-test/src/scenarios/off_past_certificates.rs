//! A worker was off for so long that its certificates have ended, and the token has been taken out of cluster.toml: it comes back by
//! itself. The containers have the machine's clock, which no test may set; what the worker had been given 200 days ago is made here
//! by the same code, told that time, for the worker's own keys and with the key of the cluster's own authority.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use cluster::pki::{self, Credential};
use common::files;
use contract::{
    places::{CLUSTER_TOML, PKI},
    services::BOOTSTRAP,
    status::CertificateState,
};

use crate::{Scene, Switch, scene::BRING_UP, switch::put};

const AWAY: Duration = Duration::from_secs(200 * 24 * 3600);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let master = scene.master()?;
    let worker = scene.workers_beside_master()?.pop().context("cluster.toml has no worker beside the master")?;
    let cluster_toml = worker.exec(["cat", CLUSTER_TOML])?.stdout;
    scene.step("take the token out of cluster.toml: the master says that nobody new can join", |_| {
        for switch in [&master, &worker] {
            switch.sh(&format!("sed -i '/^token/d' {CLUSTER_TOML}"))?;
        }
        begin_anew(&master)?;
        let said = |remark: &String| remark.contains("no node can join that has not yet");
        master.wait_for(BRING_UP, "without a token", |status| status.is_ready() && status.remarks.iter().any(said))?;
        Ok(())
    })?;
    scene.step(format!("switch {} off, with the certificates of 200 days ago", worker.name()), |scene| {
        let made = tempfile::tempdir().context("cannot make a directory")?;
        let (masters, own) = (made.path().join("master"), made.path().join("own"));
        copy_pki(&master, &masters)?;
        copy_pki(&worker, &own)?;
        give_of(SystemTime::now() - AWAY, scene, &worker, &masters, &own)?;
        for credential in Credential::WORKER {
            let file = credential.certificate_file();
            put(&worker, files::read(&own.join(&file))?, &format!("{PKI}/{file}"))?;
        }
        worker.shut_down()
    })?;
    scene.step("switched on, it is ready by itself, with certificates that are good", |scene| {
        worker.power_on()?;
        let status = worker.wait_until_ready(BRING_UP)?;
        for certificate in &status.certificates {
            let is_good = certificate.state == CertificateState::Ok && certificate.days_left > Some(0);
            ensure!(
                is_good,
                "{}: {}, {:?} days left",
                certificate.credential,
                certificate.state,
                certificate.days_left
            );
        }
        scene.wait_until_nodes_ready(BRING_UP)
    })?;
    scene.step("put the token back", |scene| {
        for switch in [&master, &worker] {
            put(switch, &cluster_toml, CLUSTER_TOML)?;
            begin_anew(switch)?;
        }
        scene.wait_until_all_ready(BRING_UP)
    })
}

/// Has the bring-up go by the cluster.toml that is there now.
fn begin_anew(switch: &Switch<'_>) -> Result<()> {
    switch.sh(&format!("systemctl --no-block restart {BOOTSTRAP}")).map(drop)
}

/// Everything that a switch has in its PKI.
fn copy_pki(switch: &Switch<'_>, into: &Path) -> Result<()> {
    for name in switch.sh(&format!("ls {PKI}"))?.lines() {
        let contents = switch.exec(["cat", &format!("{PKI}/{name}")])?.stdout;
        files::write_for_owner(&into.join(name), &contents)?;
    }
    Ok(())
}

/// Has a worker take, in a directory, what the authority in another one would have given it then.
fn give_of(then: SystemTime, scene: &Scene<'_>, worker: &Switch<'_>, masters: &Path, own: &Path) -> Result<()> {
    let node = scene.cluster.node(worker.name()).context("cluster.toml does not name the worker")?;
    // An authority that was there then, with the same key.
    pki::ensure_master(masters, scene.cluster, scene.cluster.master(), then)?;
    let requests = pki::requests(own, scene.cluster, node, then)?.context("it has nothing to ask for")?;
    let requests: Vec<String> = requests.into_iter().map(|request| request.pem).collect();
    let issued = pki::sign(masters, scene.cluster, &node.name, &requests, then)?;
    pki::accept(own, scene.cluster, node, &issued, then)?;
    Ok(())
}
