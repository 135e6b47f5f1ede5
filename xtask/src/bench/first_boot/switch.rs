//! The one switch of `bench first-boot`: topo/one.yml under a prefix of its own, up for a measurement and taken away
//! after it.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use cluster_test::Switch;
use devices::{Flash, Lab, LabGuard, Options};
use topology::{Topology, format::DeviceKind};

use crate::{progress, workspace::workspace};

const PREFIX: &str = "bench";
const SCRIPT: &str = include_str!("switch.sh");
const BOOT: Duration = Duration::from_secs(120);

/// Where the script and the SWIX are, on the flash.
const SCRIPT_FILE: &str = "switch.sh";
const SWIX_FILE: &str = "bench.swix";

pub struct BenchSwitch(LabGuard);

/// What became healthy, after what time.
pub struct Healthy {
    pub steps: Vec<(String, Duration)>,
}

impl Healthy {
    /// Until the last of them was.
    pub fn all(&self) -> Duration {
        self.steps.last().map_or(Duration::ZERO, |(_, after)| *after)
    }
}

impl BenchSwitch {
    /// A switch with an empty flash but for `cluster` and the SWIX, which is installed and has started nothing.
    pub fn up(swix: &Path, cluster: &Path) -> Result<Self> {
        let flash = Flash::new()
            .with_file(SWIX_FILE, swix)
            .with_file("cluster.toml", cluster)
            .with_bytes(SCRIPT_FILE, SCRIPT.as_bytes());
        let topology = Topology::load(&workspace().join("topo/one.yml"))?.under_prefix(PREFIX);
        Lab::ensure_down(&topology)?;
        let switch = BenchSwitch(Lab::up_guarded(&topology, &flash, &Options::default(), &*progress::for_stderr())?);
        switch.install()?;
        Ok(switch)
    }

    pub fn device(&self) -> Result<Switch<'_>> {
        let switch = self.0.devices().find(|device| device.kind() == DeviceKind::Switch);
        Ok(Switch::from(switch.context("topo/one.yml has no switch")?))
    }

    /// A new root, the same flash, and the SWIX installed again.
    pub fn reboot(&self) -> Result<()> {
        self.device()?.reboot()?;
        self.install()
    }

    fn install(&self) -> Result<()> {
        self.device()?.wait_until_booted(BOOT)?;
        self.run(&["install", &format!("/mnt/flash/{SWIX_FILE}")]).map(drop)
    }

    /// Starts Kubernetes by the extension's unit, or by hand, and waits until all of it is healthy and the node is Ready.
    pub fn time(&self, start: &[&str]) -> Result<Healthy> {
        let printed = self.run(&[&["time"], start].concat())?;
        let steps = printed.lines().map(|line| {
            let (what, after) = line.split_once(' ').with_context(|| format!("{line:?} is no time"))?;
            Ok((what.replace('_', " "), Duration::from_millis(after.parse()?)))
        });
        Ok(Healthy { steps: steps.collect::<Result<_>>()? })
    }

    pub fn time_first_boot(&self) -> Result<Healthy> {
        self.time(&["systemctl", "start", "kubernetes-on-eos"])
    }

    pub fn time_by_hand(&self) -> Result<Healthy> {
        self.time(&["sh", &format!("/mnt/flash/{SCRIPT_FILE}"), "by-hand"])
    }

    /// A verb of switch.sh.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let script = format!("/mnt/flash/{SCRIPT_FILE}");
        self.device()?.exec_ok([&["sh", script.as_str()], words].concat())
    }
}
