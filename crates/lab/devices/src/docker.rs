//! What the lab asks of the Docker engine, through its command line. Names are given without the prefix.

use std::{collections::BTreeMap, ffi::OsStr};

use anyhow::{Context, Result, bail};
use common::{
    command::{Program, find_on_path},
    errors,
};
use serde::Deserialize;

use super::{faults::explain, spec::FLASH};

/// On everything that the built-in driver makes; its value is the topology's prefix.
pub(super) const LABEL: &str = "org.kubernetes-on-eos.lab";

/// How long a device may take to shut down, in seconds.
const SHUTDOWN: &str = "60";

/// What `docker cp` says where the file is not there, in its old words and its new ones; where the container is not, it is
/// said in others.
const NO_SUCH_FILE: [&str; 2] = ["No such container:path:", "Could not find the file "];

/// The engine, for one topology.
#[derive(Debug)]
pub(super) struct Docker {
    prefix: String,
}

/// What can bear the labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Container,
    Network,
}

/// What the engine knows of a container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    /// The image's.
    #[serde(rename = "Image")]
    pub image_id: String,
    pub config: Config,
    pub state: ContainerState,
    pub mounts: Vec<ContainerMount>,
    pub network_settings: NetworkSettings,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Config {
    pub image: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContainerState {
    pub pid: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContainerMount {
    #[serde(rename = "Type")]
    pub kind: String,
    /// A volume's.
    #[serde(default)]
    pub name: String,
    pub source: std::path::PathBuf,
    pub destination: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkSettings {
    /// Where the engine keeps the network namespace.
    #[serde(default)]
    pub sandbox_key: String,
    pub networks: BTreeMap<String, Attachment>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Attachment {
    #[serde(rename = "MacAddress")]
    pub mac: String,
    #[serde(rename = "IPAddress")]
    pub address: String,
    /// This machine on that network.
    #[serde(rename = "Gateway", default)]
    pub gateway: String,
}

impl Container {
    pub(super) fn mount(&self, at: &str) -> Option<&ContainerMount> {
        self.mounts.iter().find(|mount| mount.destination == at)
    }

    pub(super) fn process(&self) -> Option<u32> {
        (self.state.pid != 0).then_some(self.state.pid)
    }
}

impl Docker {
    pub(super) fn new(prefix: &str) -> Self {
        Docker { prefix: prefix.to_owned() }
    }

    /// docker-topo's name for something of this topology.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix)
    }

    /// docker-topo's label for something of this topology: its prefix, and as the value the name.
    pub(super) fn label(&self, name: &str) -> String {
        format!("{}={}", self.prefix, self.name(name))
    }

    pub(super) fn own_label(&self) -> String {
        format!("{LABEL}={}", self.prefix)
    }

    /// Whether an engine answers.
    pub(super) fn check() -> Result<()> {
        if find_on_path("docker").is_none() {
            bail!("there is no `docker` on PATH: apt-get install docker.io");
        }
        let answer = docker("ask the Docker engine")?.args(["version", "--format", "{{.Server.Version}}"]).read();
        answer.map(drop).map_err(explain).context("no Docker engine answers; devices are containers")
    }

    pub(super) fn create_network(&self, name: &str, options: &[(String, String)]) -> Result<()> {
        let labels = [self.label(name), self.own_label()];
        let labels = labels.iter().flat_map(|label| ["--label", label]);
        let options: Vec<String> = options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let options = options.iter().flat_map(|option| ["--opt", option]);
        let docker = docker("make the network")?.args(["network", "create"]).args(labels).args(options);
        docker.arg(self.name(name)).read().map(drop).map_err(explain)
    }

    pub(super) fn connect(&self, network: &str, device: &str) -> Result<()> {
        let docker = docker("put the device on the network")?.args(["network", "connect"]);
        docker.args([self.name(network), self.name(device)]).read().map(drop)
    }

    pub(super) fn start(&self, device: &str) -> Result<()> {
        docker("start the device")?.args(["start", &self.name(device)]).read().map(drop).map_err(explain)
    }

    /// Lets the device shut down.
    pub(super) fn stop(&self, device: &str) -> Result<()> {
        docker("shut the device down")?.args(["stop", "--time", SHUTDOWN, &self.name(device)]).read().map(drop)
    }

    /// Ends all of the device's processes at once.
    pub(super) fn kill(&self, device: &str) -> Result<()> {
        docker("cut the device's power")?.args(["kill", "--signal", "KILL", &self.name(device)]).read().map(drop)
    }

    /// Removes the container with its root and those nameless volumes that no other container has.
    pub(super) fn remove(&self, device: &str) -> Result<()> {
        docker("remove the device's root")?.args(["rm", "--force", "--volumes", &self.name(device)]).read().map(drop)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> Result<()> {
        docker("name the device")?.args(["rename", &self.name(from), &self.name(to)]).read().map(drop)
    }

    /// What the engine knows of a device; none where there is no such container of this topology.
    pub(super) fn find(&self, device: &str) -> Result<Option<Container>> {
        self.find_whole(&self.name(device))
    }

    /// The same by the container's whole name.
    pub(super) fn find_whole(&self, name: &str) -> Result<Option<Container>> {
        let output = docker("find the device")?.args(["container", "inspect", name]).output()?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            if words.contains("No such container") {
                return Ok(None);
            }
            return Err(explain(anyhow::anyhow!("cannot find the device {name}: {}", words.trim())));
        }
        let [container]: [Container; 1] = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("what Docker says of {name} cannot be read"))?;
        Ok(Some(container).filter(|container| self.owns(&container.config.labels)))
    }

    fn owns(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get(&self.prefix).is_some_and(|value| value.starts_with(&format!("{}_", self.prefix)))
    }

    /// `from` in `docker cp`'s terms: what ends with `/.` is a directory's contents.
    pub(super) fn copy_in(&self, device: &str, from: &str, to: &str) -> Result<()> {
        let to = format!("{}:{to}", self.name(device));
        docker("copy files to the device")?.args(["cp", "--follow-link", from, &to]).read().map(drop)
    }

    pub(super) fn copy_out(&self, device: &str, from: &str, to: &OsStr) -> Result<()> {
        let from = format!("{}:{from}", self.name(device));
        docker("copy files from the device")?.args(["cp", &from]).arg(to).read().map(drop)
    }

    /// Says whether there was such a file.
    pub(super) fn copy_out_if_there(&self, device: &str, from: &str, to: &OsStr) -> Result<bool> {
        let there = format!("{}:{from}", self.name(device));
        let output = docker("copy files from the device")?.args(["cp", &there]).arg(to).output()?;
        if output.status.success() {
            return Ok(true);
        }
        let words = String::from_utf8_lossy(&output.stderr);
        if NO_SUCH_FILE.iter().any(|piece| words.contains(piece)) {
            return Ok(false);
        }
        bail!("cannot copy {there} to {}: {}", to.display(), words.trim())
    }

    /// The names of all that is this topology's.
    pub(super) fn all(&self, sort: Sort) -> Result<Vec<String>> {
        let name = if sort == Sort::Container { "{{.Names}}" } else { "{{.Name}}" };
        let format = format!("{name}\t{{{{.Label \"{}\"}}}}", self.prefix);
        let listed = list(sort, &["--filter", &format!("label={}", self.prefix), "--format", &format])?;
        let ours = format!("{}_", self.prefix);
        let named = listed.lines().filter_map(|line| line.split_once('\t'));
        Ok(named.filter(|(_, label)| label.starts_with(&ours)).map(|(name, _)| name.to_owned()).collect())
    }

    /// Whether something has that name, this topology's or not.
    pub(super) fn is_taken(&self, sort: Sort, name: &str) -> Result<bool> {
        let name = self.name(name);
        let format = if sort == Sort::Container { "{{.Names}}" } else { "{{.Name}}" };
        let listed = list(sort, &["--filter", &format!("name={name}"), "--format", format])?;
        Ok(listed.lines().any(|known| known == name))
    }

    pub(super) fn anything_there(&self) -> Result<bool> {
        Ok(!self.all(Sort::Container)?.is_empty() || !self.all(Sort::Network)?.is_empty())
    }

    /// Removes containers by their whole names, with their flash.
    pub(super) fn remove_containers(&self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        let known = docker("look at the devices")?.args(["container", "inspect"]).args(names).read();
        let removed =
            docker("take the devices away")?.args(["container", "rm", "--force", "--volumes"]).args(names).read();
        let remove_flash = |known: String| {
            let known: Vec<Container> = serde_json::from_str(&known).context("what Docker says cannot be read")?;
            // Docker leaves those that were once named, as the flash is after a reboot.
            let flash = known.iter().flat_map(|container| &container.mounts);
            let flash = flash.filter(|mount| mount.kind == "volume" && mount.destination == FLASH);
            errors::all(flash.map(|mount| {
                docker("remove the flash")?.args(["volume", "rm", "--force", &mount.name]).read().map(drop)
            }))
        };
        errors::both(removed.map(drop), known.and_then(remove_flash))
    }

    pub(super) fn remove_networks(&self) -> Result<()> {
        let found = self.all(Sort::Network)?;
        if !found.is_empty() {
            docker("take the networks away")?.args(["network", "rm"]).args(&found).read()?;
        }
        Ok(())
    }
}

fn list(sort: Sort, arguments: &[&str]) -> Result<String> {
    let command: &[&str] = match sort {
        Sort::Container => &["container", "ls", "--all"],
        Sort::Network => &["network", "ls"],
    };
    docker("list what the topology has")?.args(command).args(arguments).read().map_err(explain)
}

pub(super) fn docker(purpose: &str) -> Result<Program> {
    Program::new("docker", purpose)
}
