//! What a scenario acts on: the lab, the cluster, the parts that are installed, and the record of its steps.

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use cluster::Cluster;
use devices::{Device, Lab};
use proof::Switch;
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
    pub interrupted: &'a (dyn Fn() -> bool + Sync),
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
        let outcome = match &done {
            Ok(_) => PlayOutcome::Passed,
            Err(error) => PlayOutcome::Failed(format!("{error:#}")),
        };
        self.recorder.end_step(number, outcome);
        done.with_context(|| text.to_owned())
    }

    pub fn figure(&self, name: &str, value: f64, unit: &str, how: &str) {
        self.recorder.figure(Figure { name: name.to_owned(), value, unit: unit.to_owned(), how: how.to_owned() });
    }

    /// Tries again until `attempt` gives something; its last word is in the error.
    pub fn eventually<T>(
        &self,
        what: &str,
        limit: Duration,
        mut attempt: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let began = Instant::now();
        loop {
            let last = match attempt() {
                Ok(Some(got)) => return Ok(got),
                Ok(None) => None,
                Err(error) => Some(error),
            };
            if (self.interrupted)() {
                bail!("interrupted while waiting: {what}");
            }
            if began.elapsed() > limit {
                let error = last.unwrap_or_else(|| anyhow!("it is still not so"));
                return Err(error.context(format!("{what}: not within {:.0} s", limit.as_secs_f64())));
            }
            thread::sleep(INTERVAL);
        }
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

    pub fn host(&self, name: &str) -> Result<Device<'a>> {
        self.lab.device(name)
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
            match ready == self.cluster.nodes.len() {
                true => Ok(Some(())),
                false => bail!("not all are:\n{nodes}"),
            }
        })
    }
}
