//! One device of a lab: commands, files and power.

use std::{
    ffi::OsStr,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::Lab;
use crate::format::{Kind, Node};

/// How often a device that boots is asked whether it has.
const BOOT_INTERVAL: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    pub(super) lab: &'a Lab,
    pub(super) node: &'a Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    On,
    Off,
}

impl Device<'_> {
    pub fn name(&self) -> &str {
        &self.node.name
    }

    pub fn kind(&self) -> Kind {
        self.node.kind
    }

    pub fn image(&self) -> &str {
        &self.node.image
    }

    /// The container's name, for those who want to use Docker themselves.
    pub fn container(&self) -> String {
        self.lab.docker.name(self.name())
    }

    pub fn power(&self) -> Result<Power> {
        Ok(if self.process()?.is_some() { Power::On } else { Power::Off })
    }

    /// The device's first process, as this machine numbers it: its namespaces are the device's.
    pub fn process(&self) -> Result<Option<u32>> {
        self.lab.docker.process(self.name())
    }

    /// Runs a command on the device and returns how it ended and what it printed.
    pub fn exec<A: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = A>) -> Result<Output> {
        self.lab.docker.exec_output(self.name(), argv)
    }

    /// Runs a command on the device that has to succeed, and returns what it printed.
    pub fn exec_ok<A: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = A>) -> Result<String> {
        self.lab.docker.exec(self.name(), argv)?.read()
    }

    pub fn copy_in(&self, from: &Path, to: &str) -> Result<()> {
        self.lab.docker.copy_in(self.name(), &from.display().to_string(), to)
    }

    pub fn copy_out(&self, from: &str, to: &Path) -> Result<()> {
        self.lab.docker.copy_out(self.name(), from, to.as_os_str())
    }

    /// What the device's journal says of this boot.
    pub fn logs(&self) -> Result<String> {
        self.exec_ok(["journalctl", "--boot", "--no-pager"])
    }

    /// Shuts the device down and switches it on again: a new root, the same flash. Two devices with a link between
    /// them must not be switched on at the same time: each would make it.
    pub fn reboot(&self) -> Result<()> {
        self.shut_down()?;
        self.power_on()
    }

    pub fn shut_down(&self) -> Result<()> {
        self.lab.docker.stop(self.name())
    }

    /// Ends everything on the device at once. What its programs had not handed to the kernel is lost; what
    /// they had, this machine's kernel still writes to the flash, which a real power cut may lose.
    pub fn cut_power(&self) -> Result<()> {
        self.lab.docker.kill(self.name())
    }

    /// Switches on a device that is off, with a new root.
    pub fn power_on(&self) -> Result<()> {
        if self.power()? == Power::On {
            bail!("{} is on already", self.name());
        }
        self.lab.docker.remove(self.name())?;
        self.lab.create(self.node)?;
        self.lab.start(self.node)
    }

    /// Waits until the device's systemd has nothing left to start, and returns its verdict: `running`, or
    /// `degraded` where a unit failed.
    pub fn wait_until_booted(&self, limit: Duration) -> Result<String> {
        let began = Instant::now();
        loop {
            let output = self.exec(["systemctl", "is-system-running"])?;
            let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if state == "running" || state == "degraded" {
                return Ok(state);
            }
            if began.elapsed() > limit {
                bail!(
                    "{} has not booted within {:.0} s: systemd says {state:?}{}",
                    self.name(),
                    limit.as_secs_f64(),
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            std::thread::sleep(BOOT_INTERVAL);
        }
    }
}
