//! One device of a lab: commands, files and power.

use std::{ffi::OsStr, path::Path, process::Output, sync::PoisonError, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use common::retry;

use super::{
    Flash, Lab,
    access::{self, DeviceAccess, Ssh},
    docker::docker,
};
use topology::format::{DeviceKind, Model, TopologyNode};

/// How often a device that boots is asked whether it has.
const BOOT_INTERVAL: Duration = Duration::from_millis(200);

/// How long a command on a device may take.
pub(super) const COMMAND: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Clone, Copy)]
pub struct Device<'a> {
    pub(super) lab: &'a Lab,
    pub(super) node: &'a TopologyNode,
}

/// By which way a device is reached.
#[derive(Debug, Clone)]
pub(super) enum Way {
    Docker,
    Ssh(Ssh),
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

    /// What the switch is called as a node of a cluster.
    pub fn node_name(&self) -> String {
        self.node.node_name()
    }

    pub fn kind(&self) -> DeviceKind {
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
        Ok(self.lab.docker.find(self.name())?.and_then(|container| container.process()))
    }

    /// Where this machine reaches it: its address on its first network.
    pub fn management_address(&self) -> Result<String> {
        let container = self.lab.docker.find(self.name())?.with_context(|| format!("{} is not there", self.name()))?;
        let network = self.lab.topology.first_network(self.name()).map(|link| self.lab.docker.name(&link.name));
        let attached = network.and_then(|network| container.network_settings.networks.get(&network));
        let address = attached.map(|attached| attached.address.clone()).filter(|address| !address.is_empty());
        address.with_context(|| format!("{} is on no bridge, or off, and has no address", self.name()))
    }

    /// Runs a command on the device, as root, and returns how it ended and what it printed.
    pub fn exec<A: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = A>) -> Result<Output> {
        match self.way()? {
            Way::Docker => self.docker_exec(argv)?.output(),
            Way::Ssh(ssh) => ssh.exec(&self.management_address()?, &words(argv)?),
        }
    }

    /// Runs a command on the device that has to succeed, and returns what it printed.
    pub fn exec_ok<A: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = A>) -> Result<String> {
        match self.way()? {
            Way::Docker => self.docker_exec(argv)?.read(),
            Way::Ssh(ssh) => {
                let argv = words(argv)?;
                let output = ssh.exec(&self.management_address()?, &argv)?;
                access::read(&argv, output).with_context(|| format!("on {}", self.name()))
            }
        }
    }

    /// The program and arguments by which a person runs a command on the device, or with none opens its command line
    /// (a container's: bash).
    pub fn command_line(&self, argv: &[String], terminal: bool) -> Result<Vec<String>> {
        if let Way::Ssh(ssh) = self.way()? {
            return Ok(ssh.interactive(&self.management_address()?, argv, terminal));
        }
        let user = if argv.is_empty() && self.kind() == DeviceKind::Switch { "admin" } else { "root" };
        let mut all: Vec<String> = ["docker", "exec", "--interactive", "--user", user].map(str::to_owned).into();
        if terminal {
            all.push("--tty".to_owned());
        }
        all.push(self.container());
        if argv.is_empty() {
            all.extend(["bash".to_owned(), "--login".to_owned()]);
        }
        all.extend_from_slice(argv);
        Ok(all)
    }

    pub fn copy_in(&self, from: &Path, to: &str) -> Result<()> {
        match self.way()? {
            Way::Docker => self.lab.docker.copy_in(self.name(), &from.display().to_string(), to),
            Way::Ssh(ssh) => ssh.copy_in(&self.management_address()?, from, to),
        }
    }

    /// A program, which can be run there.
    pub fn copy_program_in(&self, from: &Path, to: &str) -> Result<()> {
        self.copy_in(from, to)?;
        self.exec_ok(["chmod", "0755", to]).map(drop)
    }

    /// A device whose root or flash is a container's gives its files also when it is off.
    pub fn copy_out(&self, from: &str, to: &Path) -> Result<()> {
        match self.way()? {
            Way::Docker => self.lab.docker.copy_out(self.name(), from, to.as_os_str()),
            Way::Ssh(ssh) => ssh.copy_out(&self.management_address()?, from, to),
        }
    }

    /// Says whether there was such a file; anything else that goes wrong is an error.
    pub fn copy_out_if_there(&self, from: &str, to: &Path) -> Result<bool> {
        match self.way()? {
            Way::Docker => self.lab.docker.copy_out_if_there(self.name(), from, to.as_os_str()),
            Way::Ssh(_) => {
                let output = self.exec(["test", "-e", from])?;
                match output.status.code() {
                    Some(0) => self.copy_out(from, to).map(|()| true),
                    Some(1) => Ok(false),
                    _ => bail!(
                        "cannot tell whether {} has {from}: {}",
                        self.name(),
                        String::from_utf8_lossy(&output.stderr).trim()
                    ),
                }
            }
        }
    }

    fn docker_exec<A: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = A>) -> Result<common::command::Program> {
        let docker = docker("run a command on the device")?.limit(COMMAND);
        Ok(docker.args(["exec", &self.container()]).args(argv))
    }

    /// How the lab's access says that this device is reached.
    fn way(&self) -> Result<Way> {
        let mut ways = self.lab.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = ways.get(self.name()) {
            return Ok(way.clone());
        }
        let way = match &self.lab.access {
            DeviceAccess::Ssh(ssh) if self.kind() == DeviceKind::Switch => Way::Ssh(ssh.clone()),
            DeviceAccess::Automatic(ssh) if self.is_machine_inside()? => Way::Ssh(ssh.clone()),
            DeviceAccess::Automatic(_) | DeviceAccess::Docker | DeviceAccess::Ssh(_) => Way::Docker,
        };
        ways.insert(self.name().to_owned(), way.clone());
        Ok(way)
    }

    /// Whether the device is a virtual machine that its container runs: docker-topo's vEOS, unless it is a stand-in.
    fn is_machine_inside(&self) -> Result<bool> {
        if self.node.model != Model::Veos {
            return Ok(false);
        }
        let container = self.lab.docker.find(self.name())?.with_context(|| format!("{} is not there", self.name()))?;
        Ok(crate::images::stands_in_for(&container.image_id)?.is_none())
    }

    /// What the device's journal says of this boot.
    pub fn logs(&self) -> Result<String> {
        self.exec_ok(["journalctl", "--boot", "--no-pager"])
    }

    /// Shuts the device down and switches it on again: a new root, the same flash.
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

    /// Switches on a device that is off: with a new root where its flash is a volume.
    pub fn power_on(&self) -> Result<()> {
        if self.power()? == Power::On {
            bail!("{} is on already", self.name());
        }
        self.lab.start_again(self.node)
    }

    /// Puts another switch of the same name and place in its stead: new hardware, switched on for the first time with
    /// these files on its flash. The startup-config is the same.
    pub fn replace(&self, flash: &Flash) -> Result<()> {
        if self.kind() != DeviceKind::Switch || matches!(self.way()?, Way::Ssh(_)) {
            bail!(
                "{} cannot be replaced: only a switch that is a container has a flash that can be filled",
                self.name()
            );
        }
        self.lab.start_another(self.node, flash).with_context(|| format!("cannot replace {}", self.name()))
    }

    /// Waits until the device's systemd has nothing left to start, and returns its verdict: `running`, or
    /// `degraded` where a unit failed.
    pub fn wait_until_booted(&self, limit: Duration) -> Result<String> {
        retry::until(&format!("{} boots", self.name()), limit, BOOT_INTERVAL, || {
            // Over ssh there is no answer before sshd is up.
            let output = self.exec(["systemctl", "is-system-running"])?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
            let state = text(&output.stdout);
            match state.as_str() {
                "running" | "degraded" => Ok(state),
                _ => Err(anyhow!("systemd says {state:?} {}", text(&output.stderr)).into()),
            }
        })
    }
}

fn words<A: AsRef<OsStr>>(argv: impl IntoIterator<Item = A>) -> Result<Vec<String>> {
    let text = |word: A| word.as_ref().to_str().map(str::to_owned).context("over ssh a command has to be UTF-8");
    argv.into_iter().map(text).collect()
}
