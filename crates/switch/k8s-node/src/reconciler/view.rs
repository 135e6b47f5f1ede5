//! What is to be kept: this switch's part of the cluster.toml that the stages have been run with, which of them are done, and whether
//! the operator wants it to be left alone.

use std::{fs, sync::Arc, time::SystemTime};

use anyhow::Result;
use cluster::{Backend, Cluster, NetworkOn, Node};
use common::xtables::Family;
use contract::{
    Stage, places,
    status::{Kept, StageState},
};

use crate::{
    bridge::Bridge,
    desired::Desired,
    firewall,
    forwarding::Forwarding,
    iptables::Firewall,
    kept_units::KeptUnits,
    mounted::Mounted,
    overlay::{self, Overlay},
    record,
    routes::{self, EosRoutes, ServiceRange},
    storage::StateMounted,
    switch::{self, Switch},
};

use super::pause;

#[derive(Default)]
pub struct View {
    pub switch: Option<Arc<Switch>>,
    /// The digest of the cluster.toml that `switch` is of.
    pub digest: String,
    pub done: Vec<Stage>,
    pub paused_until: Option<u64>,
}

impl View {
    /// A cluster.toml that was edited counts once a bring-up or a renewal has taken it.
    pub fn now(before: &View) -> View {
        let digest = fs::read_to_string(places::CLUSTER_TOML_DIGEST).unwrap_or_default();
        let known = before.switch.clone().filter(|_| digest == before.digest || switch::has_another_cluster_toml());
        let (switch, digest) = match known {
            Some(switch) => (Some(switch), before.digest.clone()),
            None if switch::has_another_cluster_toml() => (None, String::new()),
            None => (Switch::load().ok().map(Arc::new), digest),
        };
        let is_done = |stage: &Stage| record::read(*stage).state == StageState::Done;
        let done = Stage::ALL.iter().copied().filter(is_done).collect();
        View { switch, digest, done, paused_until: pause::until(SystemTime::now()) }
    }

    pub fn is_same(&self, other: &View) -> bool {
        let switch = |view: &View| view.switch.as_ref().map(Arc::as_ptr);
        switch(self) == switch(other) && self.done == other.done && self.paused_until == other.paused_until
    }

    fn is_done(&self, stage: Stage) -> bool {
        self.done.contains(&stage)
    }

    /// What is to be kept of one kind: what its stage has made.
    pub fn desired(&self, kind: Kept) -> Result<Vec<Box<dyn Desired>>> {
        let Some(switch) = &self.switch else { return Ok(Vec::new()) };
        let Switch { cluster, node } = switch.as_ref();
        Ok(match kind {
            Kept::Firewall if self.is_done(Stage::Firewall) => chains(cluster, node, &cluster.network())?,
            Kept::Sysctls if self.is_done(Stage::Prepare) => vec![Box::new(Forwarding)],
            Kept::Bridge if self.is_done(Stage::Cni) && node.worker => vec![Box::new(Bridge::new(node))],
            Kept::Routes if self.is_done(Stage::Routes) => ways(cluster, node, &cluster.network())?,
            Kept::ServiceRoute if self.is_done(Stage::Routes) => vec![Box::new(ServiceRange::new(cluster))],
            Kept::Mounts if self.is_done(Stage::Prepare) => vec![Box::new(Mounted), Box::new(StateMounted)],
            Kept::Mounts => vec![Box::new(Mounted)],
            Kept::Units => vec![Box::new(KeptUnits::new(switch, |stage| self.is_done(stage)))],
            _ => Vec::new(),
        })
    }
}

fn chains(cluster: &Cluster, node: &Node, network: &NetworkOn) -> Result<Vec<Box<dyn Desired>>> {
    let chains = firewall::desired(cluster, node, network, &firewall::talking_inside()?);
    let mut desired: Vec<Box<dyn Desired>> = vec![Box::new(Firewall::new(Family::V4, chains)?)];
    if firewall::can_fit() {
        desired.push(Box::new(Firewall::new(Family::V4, [firewall::fits()])?));
    }
    let transit = firewall::transit(cluster, node);
    if !transit.is_empty() {
        desired.push(Box::new(Firewall::new(Family::V4, [transit])?));
    }
    if firewall::has_ipv6() {
        // Where the stage could not make them either, it has said so.
        let closed = Firewall::new(Family::V6, firewall::desired_ipv6(node));
        desired.extend(closed.ok().filter(|_| Family::V6.save("filter").is_ok()).map(|closed| Box::new(closed) as _));
    }
    Ok(desired)
}

/// To the pods on the other switches.
fn ways(cluster: &Cluster, node: &Node, network: &NetworkOn) -> Result<Vec<Box<dyn Desired>>> {
    let mut desired: Vec<Box<dyn Desired>> = Vec::new();
    if network.backend == Backend::Routes {
        desired.push(Box::new(EosRoutes { routes: routes::desired(cluster, node) }));
    }
    // What another node sends so is received, where this kernel can.
    if network.backend == Backend::Vxlan || overlay::is_there()? {
        let mtu = overlay::mtu(cluster, node, network)?;
        desired.push(Box::new(Overlay::desired(cluster, node, network, mtu)));
    }
    Ok(desired)
}
