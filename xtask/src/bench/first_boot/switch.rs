//! The one switch of `bench first-boot`: topo/one.yml under a prefix of its own, up for a measurement and taken away
//! after it.

use std::{collections::BTreeMap, net::IpAddr, path::Path, time::Duration};

use anyhow::{Context, Result};
use devices::{Device, Flash, Lab};
use topology::Topology;

use crate::{progress, workspace::workspace};

const PREFIX: &str = "bench";
const SCRIPT: &str = include_str!("switch.sh");
const BOOT: Duration = Duration::from_secs(120);

/// Where the script and the SWIX are, on the flash.
const SCRIPT_FILE: &str = "switch.sh";
const SWIX_FILE: &str = "bench.swix";

pub struct Switch {
    lab: Option<Lab>,
    name: String,
}

impl Drop for Switch {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.lab.take().map(Lab::down) {
            eprintln!("warning: the lab {PREFIX} is still there: {error:#}");
        }
    }
}

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

impl Switch {
    /// A switch with an empty flash but for `cluster` and the SWIX, which is installed and has started nothing.
    pub fn up(swix: &Path, cluster: &Path) -> Result<Self> {
        let topology = Topology::load(&workspace().join("topo/one.yml"))?.under_prefix(PREFIX);
        let name = topology.switches().next().context("topo/one.yml has no switch")?.name.clone();
        Lab::ensure_down(&topology).context("cannot take away what an earlier run has left")?;
        let flash = Flash::new()
            .with_file(SWIX_FILE, swix)
            .with_file("cluster.toml", cluster)
            .with_bytes(SCRIPT_FILE, SCRIPT.as_bytes());
        let lab = Lab::up(&topology, &BTreeMap::from([(name.clone(), flash)]), &*progress::for_stderr())?;
        let switch = Switch { lab: Some(lab), name };
        switch.install()?;
        Ok(switch)
    }

    pub fn device(&self) -> Result<Device<'_>> {
        self.lab.as_ref().context("the lab is gone")?.device(&self.name)
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

    /// Where this machine reaches it.
    pub fn management_address(&self) -> Result<IpAddr> {
        let printed = self.device()?.exec_ok(["ip", "-4", "-oneline", "address", "show", "dev", "eth0"])?;
        let network = printed.split_whitespace().skip_while(|word| *word != "inet").nth(1);
        let address = network.and_then(|network| network.split('/').next()?.parse().ok());
        address.with_context(|| format!("{} has no address on eth0: {printed}", self.name))
    }

    /// A verb of switch.sh.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let script = format!("/mnt/flash/{SCRIPT_FILE}");
        self.device()?.exec_ok([&["sh", script.as_str()], words].concat())
    }
}
