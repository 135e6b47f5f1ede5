//! The operator's word that a worker may enrol with another key: once, and within the hour.

use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use cluster::{Cluster, pki::KeyDigest};

use crate::{
    enrolment_log::{Act, EnrolmentLog},
    node_keys::{Admission, NodeKeysFile},
    switch::Switch,
};

/// Whom the word is for.
#[derive(Debug, PartialEq, Eq)]
pub enum Who {
    One(String),
    /// Every worker, each once.
    All,
}

pub fn run(who: &Who, key: Option<KeyDigest>) -> Result<()> {
    let switch = Switch::load()?;
    let master = &switch.cluster.master().name;
    ensure!(switch.node.master, "workers are admitted on the master: say this on {master}");
    let now = SystemTime::now();
    let said = admit(&NodeKeysFile::on_switch(), &switch.cluster, who, key, now)?;
    let names = match who {
        Who::One(name) => vec![name.as_str()],
        Who::All => workers(&switch.cluster).collect(),
    };
    EnrolmentLog::on_switch().operator(Act::Admitted, &names, &said, now);
    println!("{said}");
    Ok(())
}

/// Says who may come, with what, until when.
pub fn admit(
    file: &NodeKeysFile,
    cluster: &Cluster,
    who: &Who,
    key: Option<KeyDigest>,
    now: SystemTime,
) -> Result<String> {
    let asked: Vec<String> = match who {
        Who::One(name) => vec![worker(cluster, name)?],
        Who::All => workers(cluster).map(str::to_owned).collect(),
    };
    let with = key.as_ref().map_or_else(|| "any key".to_owned(), |key| format!("the key {key}"));
    let admission = Admission::from(now, key.clone());
    let (names, away) = file.change(|known| {
        let away: Vec<String> = asked.iter().filter(|name| known.is_away(name)).cloned().collect();
        // `--all` is no word for those that were taken out of the cluster.
        let names: Vec<String> = asked.into_iter().filter(|name| *who != Who::All || !away.contains(name)).collect();
        ensure!(!names.is_empty(), "{} revoked: name the one that is to be admitted", are(&away));
        for name in &names {
            if key.as_ref().is_some_and(|key| known.was_revoked_with(name, key)) {
                bail!("{name} is revoked, and this key with it: `k8s-node revoke {name} --undo` is for a mistake");
            }
            known.admit(name, admission.clone());
        }
        Ok((names, away))
    })?;
    let until = humantime::format_rfc3339_seconds(admission.until());
    let said = format!("{} may enrol once with {with}, until {until}", names.join(", "));
    Ok(match who {
        _ if away.is_empty() => said,
        Who::All => format!("{said}; {} revoked, and to be admitted by name", are(&away)),
        Who::One(name) => format!("{said}; the keys that {name} was revoked with stay revoked"),
    })
}

fn are(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

fn workers(cluster: &Cluster) -> impl Iterator<Item = &str> {
    cluster.nodes.iter().filter(|node| !node.master).map(|node| node.name.as_str())
}

/// As cluster.toml spells it.
pub fn worker(cluster: &Cluster, name: &str) -> Result<String> {
    let node = cluster.node_of_host(name).with_context(|| {
        let workers = workers(cluster).collect::<Vec<_>>().join(", ");
        format!("cluster.toml names no {name:?}: its workers are {workers}")
    })?;
    if node.master {
        bail!("{} is the master, which makes its own certificates", node.name);
    }
    Ok(node.name.clone())
}
