//! The operator's word that who has a worker's name is that node no more: whatever certificates it has, the API server takes none of
//! them from the next second on, and the master signs no more. What was open before is ended: connections outlive the word
//! that they began with. What other ways are left is told.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Error, Result, anyhow, ensure};
use cluster::Cluster;
use common::{files, retry};
use contract::places;

use crate::{
    admit,
    enrolment_log::{Act, EnrolmentLog},
    exposure, health,
    node_keys::{NodeKeys, NodeKeysFile},
    release::Release,
    switch::Switch,
    systemd,
};

const API_SERVER: &str = "kube-apiserver";

/// How long the API server may take to be back.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(500);

pub fn run(name: &str, undo: bool) -> Result<()> {
    let switch = Switch::load()?;
    let master = &switch.cluster.master().name;
    ensure!(switch.node.master, "nodes are revoked on the master: say this on {master}");
    let (file, log, now) = (NodeKeysFile::on_switch(), EnrolmentLog::on_switch(), SystemTime::now());
    if undo {
        let (name, said) = pardon(&file, &switch.cluster, name)?;
        log.operator(Act::RevocationUndone, &[&name], &said, now);
        println!("{said}");
        return Ok(());
    }
    let (name, known) = revoke(&file, &switch.cluster, name, now)?;
    log.operator(Act::Revoked, &[&name], "every certificate that it has is revoked", now);
    println!("{name} is revoked: the master signs nothing for it any more");
    let refused = if knows_revoked_clients()? { end_connections() } else { Err(other_release(&name)) };
    if known.lacks_proxy_key(&name) {
        println!(
            "which key its kube-proxy has is not known, as it has not enrolled since there is a table of keys: with that it may go on \
             reading Services, Endpoints and Nodes, no Secret, until its certificate ends"
        );
    }
    print!("{}", exposure::told(&name));
    refused
}

/// Names it as the table does, and returns the table as it is then.
pub fn revoke(file: &NodeKeysFile, cluster: &Cluster, name: &str, now: SystemTime) -> Result<(String, NodeKeys)> {
    file.change(|known| {
        let name = worker(cluster, known, name)?;
        known.revoke(&name, now);
        Ok((name, known.clone()))
    })
}

/// For one that was revoked by mistake: the keys that this revoked are good again.
pub fn pardon(file: &NodeKeysFile, cluster: &Cluster, name: &str) -> Result<(String, String)> {
    file.change(|known| {
        let name = worker(cluster, known, name)?;
        if known.revoked_since(&name).is_none() {
            let said = format!("{name} is not revoked: nothing was changed");
            return Ok((name, said));
        }
        ensure!(
            known.is_away(&name),
            "{name} has been admitted with another key since: the keys that were revoked stay so, and there is nothing to undo"
        );
        known.pardon(&name);
        let before = "the keys that were revoked with the name before stay so";
        let said = if known.is_away(&name) {
            format!("that is undone, and {before}; who has had it since is not known: `k8s-node admit {name}`")
        } else {
            let before = known.revoked_since(&name).map_or_else(String::new, |_| format!("; {before}"));
            format!("{name} is revoked no more: its certificates are good again, and it comes back by itself{before}")
        };
        Ok((name, said))
    })
}

/// One of cluster.toml, or that was there once and that the table knows.
fn worker(cluster: &Cluster, known: &NodeKeys, name: &str) -> Result<String> {
    if cluster.node_of_host(name).is_none() && known.has(name) {
        return Ok(name.to_owned());
    }
    admit::worker(cluster, name)
}

/// Watches, logs and commands of before go on until the API server ends.
fn end_connections() -> Result<()> {
    let unit = format!("{API_SERVER}.service");
    if !systemd::is_active(&unit)? {
        println!("the API server does not run; when it does, it goes by this");
        return Ok(());
    }
    let began = Instant::now();
    systemd::restart_and_wait(&unit)
        .context("what was open before is not ended: `systemctl restart kube-apiserver`, or this command once more")?;
    retry::until("the API server is healthy", LIMIT, PAUSE, || Ok(health::service(API_SERVER)?)).with_context(
        || {
            format!(
                "it was restarted to end what was open before, and does not answer; see `k8s-node logs {API_SERVER}`"
            )
        },
    )?;
    println!(
        "the API server takes none of its certificates; it was restarted to end what was open, and answers again after {} s",
        began.elapsed().as_secs()
    );
    Ok(())
}

/// Whether the API server of this release has a list of those that it refuses.
fn knows_revoked_clients() -> Result<bool> {
    let unit = files::read_text(format!("{}/{API_SERVER}.service", places::UNIT_TEMPLATES).as_ref())?;
    Ok(unit.contains("--revoked-clients-file="))
}

fn other_release(name: &str) -> Error {
    let release = Release::read(places::RELEASE.as_ref());
    let of = release.map_or_else(|_| "this release".to_owned(), |release| format!("release {}", release.version));
    anyhow!(
        "the API server of {of} cannot refuse single certificates: those of {name} are good there until they end. Install release \
         1.20, or give the cluster another certificate authority"
    )
}
