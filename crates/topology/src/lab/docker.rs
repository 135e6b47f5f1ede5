//! What the lab asks of the Docker engine, through its command line. Names are given without the prefix.

use std::{ffi::OsStr, process::Output};

use anyhow::{Context, Result};
use base::command::Program;

use crate::format::{Kind, Node};

/// On everything that a lab makes; its value is the topology's prefix.
const LABEL: &str = "org.kubernetes-on-eos.lab";

/// How long a device may take to shut down, in seconds.
const SHUTDOWN: &str = "60";

/// The engine, for one topology.
#[derive(Debug)]
pub(super) struct Docker {
    prefix: String,
}

/// What can bear the label.
#[derive(Debug, Clone, Copy)]
enum Sort {
    Container,
    Network,
    Volume,
}

impl Docker {
    pub(super) fn new(prefix: &str) -> Self {
        Docker { prefix: prefix.to_owned() }
    }

    /// docker-topo's name for something of this topology.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }

    fn flash(&self, device: &str) -> String {
        format!("{}-flash", self.name(device))
    }

    fn label(&self) -> String {
        format!("{LABEL}={}", self.prefix)
    }

    /// A network without a way out.
    pub(super) fn create_network(&self, name: &str) -> Result<()> {
        let docker = docker("make the network")?.args(["network", "create", "--internal", "--label", &self.label()]);
        docker.arg(self.name(name)).read().map(drop)
    }

    pub(super) fn create_volume(&self, device: &str) -> Result<()> {
        let docker = docker("make the flash")?.args(["volume", "create", "--label", &self.label()]);
        docker.arg(self.flash(device)).read().map(drop)
    }

    /// A container, not yet started.
    pub(super) fn create(&self, node: &Node, network: Option<&str>) -> Result<()> {
        let mut docker = docker("make the device")?
            .args(["create", "--name", &self.name(&node.name), "--hostname", &node.name, "--label", &self.label()])
            .args(["--privileged", "--cgroupns", "private"])
            // Docker's resolver would pass questions on to the machine's own.
            .args(["--dns", "127.0.0.1", "--network", network.unwrap_or("none")]);
        if node.kind == Kind::Switch {
            docker = docker.arg("--volume").arg(format!("{}:/mnt/flash", self.flash(&node.name)));
        }
        let addresses = node.addresses.iter().map(|(interface, address)| format!("{interface}:{address}"));
        docker.arg(&node.image).args(addresses).read().map(drop)
    }

    pub(super) fn start(&self, device: &str) -> Result<()> {
        docker("start the device")?.args(["start", &self.name(device)]).read().map(drop)
    }

    /// Lets the device shut down.
    pub(super) fn stop(&self, device: &str) -> Result<()> {
        docker("shut the device down")?.args(["stop", "--time", SHUTDOWN, &self.name(device)]).read().map(drop)
    }

    /// Ends all of the device's processes at once.
    pub(super) fn kill(&self, device: &str) -> Result<()> {
        docker("cut the device's power")?.args(["kill", "--signal", "KILL", &self.name(device)]).read().map(drop)
    }

    /// Removes the container with its root and its nameless volumes.
    pub(super) fn remove(&self, device: &str) -> Result<()> {
        docker("remove the device's root")?.args(["rm", "--force", "--volumes", &self.name(device)]).read().map(drop)
    }

    /// The first process of a device, as the machine numbers it; none where the device is not running.
    pub(super) fn process(&self, device: &str) -> Result<Option<u32>> {
        if !self.exists(device)? {
            return Ok(None);
        }
        let docker = docker("find the device's process")?;
        let number = docker.args(["container", "inspect", "--format", "{{.State.Pid}}", &self.name(device)]).read()?;
        let number: u32 =
            number.trim().parse().with_context(|| format!("{:?} is no process's number", number.trim()))?;
        Ok((number != 0).then_some(number))
    }

    pub(super) fn exists(&self, device: &str) -> Result<bool> {
        let name = self.name(device);
        let names = docker("list the devices")?
            .args([
                "container",
                "ls",
                "--all",
                "--format",
                "{{.Names}}",
                "--filter",
                &format!("label={}", self.label()),
            ])
            .read()?;
        Ok(names.lines().any(|known| known == name))
    }

    pub(super) fn has_image(&self, image: &str) -> Result<bool> {
        let found = docker("look for an image")?.args(["image", "ls", "--quiet", image]).read()?;
        Ok(!found.trim().is_empty())
    }

    pub(super) fn exec<A: AsRef<OsStr>>(&self, device: &str, argv: impl IntoIterator<Item = A>) -> Result<Program> {
        Ok(docker("run a command on the device")?.args(["exec", &self.name(device)]).args(argv))
    }

    pub(super) fn exec_output<A: AsRef<OsStr>>(
        &self,
        device: &str,
        argv: impl IntoIterator<Item = A>,
    ) -> Result<Output> {
        self.exec(device, argv)?.output()
    }

    /// `from` in `docker cp`'s terms: what ends with `/.` is a folder's contents.
    pub(super) fn copy_in(&self, device: &str, from: &str, to: &str) -> Result<()> {
        let to = format!("{}:{to}", self.name(device));
        docker("copy files to the device")?.args(["cp", from, &to]).read().map(drop)
    }

    pub(super) fn copy_out(&self, device: &str, from: &str, to: &OsStr) -> Result<()> {
        let from = format!("{}:{from}", self.name(device));
        docker("copy files from the device")?.args(["cp", &from]).arg(to).read().map(drop)
    }

    pub(super) fn anything_there(&self) -> Result<bool> {
        for sort in [Sort::Container, Sort::Network, Sort::Volume] {
            if !self.all(sort)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn remove_everything(&self) -> Result<()> {
        for (sort, how) in [
            (Sort::Container, &["container", "rm", "--force", "--volumes"][..]),
            (Sort::Network, &["network", "rm"]),
            (Sort::Volume, &["volume", "rm"]),
        ] {
            let found = self.all(sort)?;
            if !found.is_empty() {
                docker("take the topology away")?.args(how).args(&found).read()?;
            }
        }
        Ok(())
    }

    fn all(&self, sort: Sort) -> Result<Vec<String>> {
        let command: &[&str] = match sort {
            Sort::Container => &["container", "ls", "--all"],
            Sort::Network => &["network", "ls"],
            Sort::Volume => &["volume", "ls"],
        };
        let filter = format!("label={}", self.label());
        let found =
            docker("list what the topology has")?.args(command).args(["--quiet", "--filter", &filter]).read()?;
        Ok(found.lines().map(str::to_owned).collect())
    }
}

fn docker(purpose: &str) -> Result<Program> {
    Program::new("docker", purpose)
}
