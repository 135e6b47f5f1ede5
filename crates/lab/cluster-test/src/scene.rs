//! What a scenario acts on: the lab, the cluster, the parts that are installed, and the record of its steps.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use crate::Switch;
use anyhow::{Context, Result, anyhow, bail, ensure};
use cluster::Cluster;
use common::retry::{self, Failed};
use devices::{Device, Lab};
use topology::format::DeviceKind;

use crate::{
    Recorder,
    passing::Passing,
    record::{Figure, PlayOutcome},
};

/// How long a bring-up may take where the machine is busy.
pub const BRING_UP: Duration = Duration::from_secs(240);

const INTERVAL: Duration = Duration::from_millis(500);

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
}

/// Whether the user wants it to end.
pub type Interrupted = dyn Fn() -> bool + Sync;

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
    /// Traffic between hosts that began before anything was installed.
    pub long_lived: Vec<Passing>,
    /// Whether the user wants it to end.
    pub interrupted: &'a Interrupted,
}

impl<'a> Scene<'a> {
    /// Does a part of the scenario, under a name that people read.
    pub fn step<T>(&mut self, text: impl AsRef<str>, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let text = text.as_ref();
        if (self.interrupted)() {
            bail!("interrupted before: {text}");
        }
        let number = self.recorder.begin_step(text);
        let done = work(self);
        self.recorder.end_step(number, PlayOutcome::of(&done));
        done.with_context(|| text.to_owned())
    }

    pub fn figure(&self, name: &str, value: f64, unit: &str, how: &str) {
        self.recorder.figure(Figure { name: name.to_owned(), value, unit: unit.to_owned(), how: how.to_owned() });
    }

    /// Tries again until `attempt` works; its last word is in the error.
    pub fn eventually<T>(&self, what: &str, limit: Duration, attempt: impl FnMut() -> Result<T>) -> Result<T> {
        eventually(self.interrupted, what, limit, attempt)
    }

    /// Waits, unless the user wants it to end.
    pub fn pause(&self, time: Duration) -> Result<()> {
        let began = Instant::now();
        while let Some(left) = time.checked_sub(began.elapsed()) {
            if (self.interrupted)() {
                bail!("interrupted");
            }
            thread::sleep(left.min(INTERVAL));
        }
        Ok(())
    }

    pub fn master(&self) -> Result<Switch<'a>> {
        self.switch(&self.cluster.master().name)
    }

    pub fn switch(&self, name: &str) -> Result<Switch<'a>> {
        Ok(Switch::from(self.lab.device(name)?))
    }

    /// The switches of the cluster, in cluster.toml's order.
    pub fn switches(&self) -> Result<Vec<Switch<'a>>> {
        self.cluster.nodes.iter().map(|node| self.switch(&node.name)).collect()
    }

    /// The switches beside the master.
    pub fn workers(&self) -> Result<Vec<Switch<'a>>> {
        let master = &self.cluster.master().name;
        Ok(self.switches()?.into_iter().filter(|switch| switch.name() != master).collect())
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

    /// Waits until every switch says that it is ready, and the API server says it of every node.
    pub fn wait_until_nodes_ready(&self, limit: Duration) -> Result<()> {
        self.wait_until_all_ready(limit)?;
        let master = self.master()?;
        self.eventually("the API server lists every node as Ready", limit, || {
            let nodes = master.kubectl(&["get", "nodes", "--no-headers"])?;
            let ready = nodes.lines().filter(|line| line.contains(" Ready ")).count();
            ensure!(ready == self.cluster.nodes.len(), "not all are:\n{nodes}");
            Ok(())
        })
    }
}

/// The same where there is no scene: on another thread.
pub fn eventually<T>(
    interrupted: &Interrupted,
    what: &str,
    limit: Duration,
    mut attempt: impl FnMut() -> Result<T>,
) -> Result<T> {
    retry::until(what, limit, INTERVAL, || match attempt() {
        Err(_) if interrupted() => Err(Failed::Stop(anyhow!("interrupted while waiting: {what}"))),
        tried => Ok(tried?),
    })
}
