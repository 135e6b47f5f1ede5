//! The operator's word that a worker may enrol with another key: once, and within the hour.

use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use cluster::{Cluster, pki::KeyDigest};

use crate::{
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
    println!("{}", admit(&NodeKeysFile::on_switch(), &switch.cluster, who, key, SystemTime::now())?);
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
    let names = match who {
        Who::One(name) => vec![worker(cluster, name)?],
        Who::All => cluster.nodes.iter().filter(|node| !node.master).map(|node| node.name.clone()).collect(),
    };
    let with = key.as_ref().map_or_else(|| "any key".to_owned(), |key| format!("the key {key}"));
    let admission = Admission::from(now, key);
    file.change(|known| {
        names.iter().for_each(|name| known.admit(name, admission.clone()));
        Ok(())
    })?;
    let until = humantime::format_rfc3339_seconds(admission.until());
    Ok(format!("{} may enrol once with {with}, until {until}", names.join(", ")))
}

/// As cluster.toml spells it.
fn worker(cluster: &Cluster, name: &str) -> Result<String> {
    let node = cluster.node_of_host(name).with_context(|| {
        let workers = cluster.nodes.iter().filter(|node| !node.master).map(|node| node.name.as_str());
        format!("cluster.toml names no {name:?}: its workers are {}", workers.collect::<Vec<_>>().join(", "))
    })?;
    if node.master {
        bail!("{} is the master, which makes its own certificates", node.name);
    }
    Ok(node.name.clone())
}
