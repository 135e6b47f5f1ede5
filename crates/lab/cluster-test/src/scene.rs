//! What a scenario acts on: the lab, the cluster, the parts that are installed, and the record of its steps.

use std::{collections::BTreeMap, net::Ipv4Addr, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use cluster::{Cluster, Node};
use common::{retry, stop};
use devices::{Device, Flash, Lab};
use topology::format::DeviceKind;

use crate::{
    Recorder, Switch, limited, manifest, neighbours,
    passing::Passing,
    record::{Figure, PlayOutcome},
    scenarios::Sizes,
};

/// How long a bring-up may take where the machine is busy.
pub const BRING_UP: Duration = Duration::from_secs(240);

const INTERVAL: Duration = Duration::from_millis(500);

/// How long it may take until a namespace is there, or gone.
const NAMESPACE: Duration = Duration::from_secs(120);

/// Where the archive of the test pods' image is, below /mnt/flash.
pub const ON_FLASH: &str = "k8s/images/probe.tar";

/// What comes from this machine.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The SWIX to prove.
    pub swix: PathBuf,
    /// cluster.toml, as it goes to every switch.
    pub cluster_toml: PathBuf,
    /// The archive of the test pods' image.
    pub probe_image: PathBuf,
    /// The SWIX to upgrade to; none for one that is made of the first.
    pub next_swix: Option<PathBuf>,
    /// flanneld for linux/386; none for the SWIX' own.
    pub flanneld: Option<PathBuf>,
    /// The SWIX of the first release; none where it is not to be had.
    pub first_swix: Option<PathBuf>,
    /// What that release left on the flash of its switches.
    pub recording: PathBuf,
}

impl Parts {
    /// What an operator puts on every switch's flash: cluster.toml, the SWIX as a boot extension, and images.
    pub fn flash(&self) -> Result<Flash> {
        Ok(self.flash_without_cluster()?.with_file("cluster.toml", &self.cluster_toml))
    }

    /// The same for a switch that is to get its cluster by other means.
    pub fn flash_without_cluster(&self) -> Result<Flash> {
        Ok(Flash::new().with_boot_extension(&self.swix)?.with_file(ON_FLASH, &self.probe_image))
    }
}

pub struct Scene<'a> {
    pub lab: &'a Lab,
    pub cluster: &'a Cluster,
    pub parts: &'a Parts,
    pub recorder: &'a Recorder<'a>,
    /// Where every random choice of the run comes from.
    pub seed: u64,
    /// The scenario's own, so that its choices do not depend on which others are played.
    pub random: fastrand::Rng,
    /// How long the master's control plane is away.
    pub master_away: Duration,
    /// The sizes of each switch's conntrack before anything was installed.
    pub conntrack: BTreeMap<String, Sizes>,
    /// Traffic between hosts that began before anything was installed.
    pub long_lived: Vec<Passing>,
    /// Where the scenario's objects are; none for Kubernetes' own `default`.
    pub namespace: Option<&'static str>,
}

impl<'a> Scene<'a> {
    /// Does a part of the scenario, under a name that people read.
    pub fn step<T>(&mut self, text: impl AsRef<str>, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let text = text.as_ref();
        let done = match stop::wanted() {
            Some(why) => limited::part(|| Err(anyhow!("{why} before it began"))),
            None => {
                let number = self.recorder.begin_step(text);
                let done = limited::part(|| work(self));
                self.recorder.end_step(number, PlayOutcome::of(&done));
                done
            }
        };
        done.with_context(|| text.to_owned())
    }

    pub fn figure(&self, name: &str, value: f64, unit: &str, how: &str) {
        self.recorder.figure(Figure { name: name.to_owned(), value, unit: unit.to_owned(), how: how.to_owned() });
    }

    /// Tries again until `attempt` works; its last word is in the error.
    pub fn eventually<T>(&self, what: &str, limit: Duration, attempt: impl FnMut() -> Result<T>) -> Result<T> {
        eventually(what, limit, attempt)
    }

    /// Waits, unless the user wants it to end.
    pub fn pause(&self, time: Duration) -> Result<()> {
        stop::pause(time)
    }

    pub fn master(&self) -> Result<Switch<'a>> {
        self.switch(&self.cluster.master().name)
    }

    /// What a switch is reached at, whatever link is down.
    pub fn address_of(&self, switch: &str) -> Result<Ipv4Addr> {
        let node = self.cluster.node(switch).with_context(|| format!("cluster.toml names no {switch}"))?;
        Ok(node.address)
    }

    pub fn switch(&self, name: &str) -> Result<Switch<'a>> {
        Ok(Switch { namespace: self.namespace, ..self.lab.device(name)?.into() })
    }

    /// Has the scenario's objects made in a namespace of its own.
    pub(crate) fn begin_namespace(&mut self, name: &'static str) -> Result<()> {
        self.namespace = Some(name);
        let master = self.master()?;
        self.step(format!("make the namespace {name}"), |scene| {
            scene.eventually("the API server makes it, with its service account", NAMESPACE, || {
                manifest::apply(&master, "namespace", &[manifest::namespace(name)])?;
                // No pod is made before.
                master.kubectl(&["get", "serviceaccount", "default"])
            })
        })?;
        Ok(())
    }

    /// Takes the scenario's objects away, and waits until they are gone. The pods by force, as kubelet takes 10 s and more to
    /// say that they are gone.
    pub(crate) fn end_namespace(&mut self) -> Result<()> {
        let Some(name) = self.namespace else { return Ok(()) };
        let master = self.master()?;
        self.step(format!("take the namespace {name} away, with all that is in it"), |scene| {
            scene.eventually("it is gone", NAMESPACE, || {
                master.kubectl(&["delete", "namespace", name, "--ignore-not-found", "--wait=false"])?;
                master.kubectl(&["delete", "pods", "--all", "--force", "--grace-period=0", "--wait=false"])?;
                let left = master.kubectl(&["get", "namespace", name, "--ignore-not-found", "--output=name"])?;
                ensure!(left.is_empty(), "it is there");
                Ok(())
            })
        })
    }

    /// The switches of the cluster, in cluster.toml's order.
    pub fn switches(&self) -> Result<Vec<Switch<'a>>> {
        self.cluster.nodes.iter().map(|node| self.switch(&node.name)).collect()
    }

    /// The nodes that the API server knows: a master that is no worker is none of them.
    pub fn worker_nodes(&self) -> Vec<&'a Node> {
        self.cluster.nodes.iter().filter(|node| node.worker).collect()
    }

    /// The switches that pods run on.
    pub fn workers(&self) -> Result<Vec<Switch<'a>>> {
        self.worker_nodes().into_iter().map(|node| self.switch(&node.name)).collect()
    }

    /// Those of them that are not the master.
    pub fn workers_beside_master(&self) -> Result<Vec<Switch<'a>>> {
        let beside = self.worker_nodes().into_iter().filter(|node| !node.master);
        beside.map(|node| self.switch(&node.name)).collect()
    }

    /// The host beside a switch.
    pub fn host_of(&self, switch: &str) -> Result<Device<'a>> {
        let host = neighbours::host_of(self.lab.topology(), switch);
        self.lab.device(host.with_context(|| format!("the topology has no host beside {switch}"))?)
    }

    pub fn hosts(&self) -> Vec<Device<'a>> {
        self.lab.devices().filter(|device| device.kind() == DeviceKind::Host).collect()
    }

    /// Does the same on every switch at once; what came of it, by the switch's name.
    pub fn on_each_switch<T: Send>(
        &self,
        work: impl Fn(&Switch<'_>) -> Result<T> + Sync,
    ) -> Result<BTreeMap<String, T>> {
        let switches = self.switches()?;
        thread::scope(|scope| {
            let works: Vec<_> = switches.iter().map(|switch| (switch.name(), scope.spawn(|| work(switch)))).collect();
            let each = works.into_iter().map(|(name, work)| {
                let done = work.join().map_err(|_| anyhow!("a thread panicked"));
                Ok((name.to_owned(), done.and_then(|done| done).with_context(|| format!("on {name}"))?))
            });
            each.collect()
        })
    }

    /// Waits until every switch says that it is ready.
    pub fn wait_until_all_ready(&self, limit: Duration) -> Result<()> {
        self.switches()?.iter().try_for_each(|switch| switch.wait_until_ready(limit).map(drop))
    }

    /// Waits until every switch says that it is ready, and the API server says it of every worker.
    pub fn wait_until_nodes_ready(&self, limit: Duration) -> Result<()> {
        self.wait_until_all_ready(limit)?;
        let master = self.master()?;
        self.eventually("the API server lists every worker as Ready, and nobody else", limit, || {
            are_ready(&master.kubectl(&["get", "nodes", "--no-headers"])?, self.cluster)
        })
    }
}

/// Fails where `kubectl get nodes` lists other nodes than the workers, or one that is not Ready. Devices may have capitals.
fn are_ready(listed: &str, cluster: &Cluster) -> Result<()> {
    let state = |line: &'_ str| -> Option<(String, bool)> {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()? == "Ready"))
    };
    let nodes: BTreeMap<String, bool> = listed.lines().filter_map(state).collect();
    let workers = cluster.nodes.iter().filter(|node| node.worker);
    ensure!(nodes == workers.map(|node| (node.name.to_lowercase(), true)).collect(), "they are:\n{listed}");
    Ok(())
}

/// The same where there is no scene: on another thread.
pub fn eventually<T>(what: &str, limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    retry::until(what, limit, INTERVAL, || Ok(attempt()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_has_to_be_ready_and_a_master_that_is_none_is_no_node() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../topo/cluster.toml")).unwrap();
        let parse = |text: &str| Cluster::parse(text, "cluster.toml").unwrap();
        let (both, alone) = (parse(&text), parse(&text.replace(r#"["master", "worker"]"#, r#"["master"]"#)));
        let master = "veos-b    Ready      <none>   2m   v1.20.2\n";
        let workers = "veos-l1   Ready      <none>   2m   v1.20.2\nveos-l2   Ready      <none>   1m   v1.20.2\n";
        let all = format!("{master}{workers}");
        are_ready(&all, &both).unwrap();
        let mut capitals = both.clone();
        capitals.nodes[0].name = "vEOS-b".to_owned();
        are_ready(&all, &capitals).unwrap();
        are_ready(workers, &alone).unwrap();
        assert!(are_ready(workers, &both).is_err(), "a worker is not there");
        assert!(are_ready(&all, &alone).is_err(), "a master that is no worker is there");
        let error = are_ready(&workers.replace("l2   Ready   ", "l2   NotReady"), &alone).unwrap_err().to_string();
        assert!(error.contains("veos-l2   NotReady"), "{error}");
        assert!(are_ready(&all.replace("Ready  ", "Ready,SchedulingDisabled"), &both).is_err());
    }
}
