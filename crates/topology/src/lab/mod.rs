//! A topology in containers, on one Docker engine.
//!
//! A device is a container from the image that the topology names. Its root is new at every power-on; a
//! switch's flash is a volume that lasts until the lab is destroyed. Bridges are Docker networks without a
//! way out: the switches' loopback addresses exist on the internet too, and nothing may get there. Veth
//! links are made by `ip` straight inside the containers' network namespaces, so that nothing is left on
//! the machine when a container ends.
//!
//! Everything bears a label with the topology's prefix; what has no such label is not touched.

mod device;
mod docker;
mod flash;
mod wires;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use base::{Progress, files, progress::Unit};

use self::docker::Docker;
pub use self::{
    device::{Device, Power},
    flash::Flash,
};
use crate::format::{Driver, Kind, Link, Node, Topology};

/// Where EOS, and the stand-in, look for what they are told to be.
const STARTUP_CONFIG: &str = "startup-config";

/// A topology that is up, or was.
#[derive(Debug)]
pub struct Lab {
    topology: Topology,
    docker: Docker,
}

impl Lab {
    /// Makes, fills, starts and wires every device. `flash` is what each switch finds on its flash besides the
    /// startup-config from the topology's folder. Where something fails, what was made is taken away again.
    pub fn raise(topology: &Topology, flash: &BTreeMap<String, Flash>, progress: &dyn Progress) -> Result<Lab> {
        let lab = Lab { topology: topology.clone(), docker: Docker::new(&topology.prefix) };
        lab.can_be_raised(flash)?;
        if let Err(error) = lab.make(flash, progress) {
            lab.docker.remove_everything().context("cannot take away what was made before it failed")?;
            return Err(error);
        }
        Ok(lab)
    }

    /// The lab of that topology, which is up.
    pub fn attach(topology: &Topology) -> Result<Lab> {
        let lab = Lab { topology: topology.clone(), docker: Docker::new(&topology.prefix) };
        if !lab.docker.anything_there()? {
            bail!("no device of the topology {} is there; raise it first", topology.prefix);
        }
        Ok(lab)
    }

    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    pub fn device(&self, name: &str) -> Result<Device<'_>> {
        match self.topology.node(name) {
            Some(node) => Ok(Device { lab: self, node }),
            None => {
                let names: Vec<_> = self.topology.devices.iter().map(|device| device.name.as_str()).collect();
                bail!("the topology {} has no device {name}; it has {}", self.topology.prefix, names.join(", "))
            }
        }
    }

    pub fn devices(&self) -> impl Iterator<Item = Device<'_>> {
        self.topology.devices.iter().map(|node| Device { lab: self, node })
    }

    /// Takes the lab away: its containers, networks and volumes, flash too.
    pub fn destroy(self) -> Result<()> {
        self.docker.remove_everything()
    }

    fn can_be_raised(&self, flash: &BTreeMap<String, Flash>) -> Result<()> {
        let prefix = &self.topology.prefix;
        if self.docker.anything_there()? {
            bail!("devices or flash of a topology {prefix} are there already; destroy that one first");
        }
        if let Some(stranger) = flash.keys().find(|name| self.topology.switches().all(|node| node.name != **name)) {
            bail!("there are files for the flash of {stranger}, and the topology {prefix} has no such switch");
        }
        for link in self.topology.links.iter().filter(|link| link.driver == Driver::Bridge) {
            if let Some(end) = link.endpoints.iter().find(|end| end.interface != "eth0") {
                bail!(
                    "{}'s {} is on a bridge, and Docker calls a container's first network eth0: use eth0, once a device",
                    end.device,
                    end.interface
                );
            }
        }
        for node in &self.topology.devices {
            if !self.docker.has_image(&node.image)? {
                bail!(
                    "{} needs the image {}, which Docker has not got; for a stand-in: cargo xtask image veos|host",
                    node.name,
                    node.image
                );
            }
        }
        Ok(())
    }

    fn make(&self, flash: &BTreeMap<String, Flash>, progress: &dyn Progress) -> Result<()> {
        let prefix = &self.topology.prefix;
        let total = self.topology.devices.len() as u64;
        let task = progress.start(&format!("raise {prefix}"), Unit::Items, Some(total));
        for link in self.topology.links.iter().filter(|link| link.driver == Driver::Bridge) {
            self.docker.create_network(&link.name)?;
        }
        for node in &self.topology.devices {
            task.doing(&format!("making {}", node.name));
            if node.kind == Kind::Switch {
                self.docker.create_volume(&node.name)?;
            }
            self.create(node)?;
            let files = flash.get(&node.name).cloned().unwrap_or_default();
            self.fill_flash(node, files)?;
        }
        for node in &self.topology.devices {
            task.doing(&format!("starting {}", node.name));
            self.start(node)?;
            task.advance(1);
        }
        Ok(())
    }

    /// A container with a new root.
    fn create(&self, node: &Node) -> Result<()> {
        let network = self
            .topology
            .links_of(&node.name)
            .find(|link| link.driver == Driver::Bridge)
            .map(|link| self.docker.name(&link.name));
        self.docker.create(node, network.as_deref())
    }

    fn fill_flash(&self, node: &Node, flash: Flash) -> Result<()> {
        if node.kind != Kind::Switch {
            return Ok(());
        }
        let config = self.topology.startup_config(&node.name);
        let flash = match config.is_file() {
            true => flash.with_bytes(STARTUP_CONFIG, files::read(&config)?),
            false => flash,
        };
        let folder = tempfile::tempdir().context("cannot make a folder for the flash's files")?;
        flash.write_to(folder.path())?;
        self.docker.copy_in(&node.name, &format!("{}/.", folder.path().display()), "/mnt/flash")
    }

    /// Starts a device that has been made, without a way out, and wires it.
    fn start(&self, node: &Node) -> Result<()> {
        self.docker.start(&node.name)?;
        if let Some(process) = self.docker.process(&node.name)? {
            wires::drop_default_route(process)?;
        }
        self.wire(node)
    }

    /// Makes those veth links of a device that has just been started whose other end is running.
    fn wire(&self, node: &Node) -> Result<()> {
        let links: Vec<&Link> = self.topology.links_of(&node.name).filter(|link| link.driver == Driver::Veth).collect();
        for link in links {
            let mut ends = Vec::new();
            for end in &link.endpoints {
                ends.extend(self.docker.process(&end.device)?.map(|process| (process, end.interface.as_str())));
            }
            let [one, other] = ends[..] else { continue };
            wires::connect(one, other).with_context(|| format!("cannot make the link {}", link.name))?;
            for end in &link.endpoints {
                self.give_address(&end.device)?;
            }
        }
        Ok(())
    }

    /// An end host has no startup-config that waits for interfaces: it is told that one has come.
    fn give_address(&self, device: &str) -> Result<()> {
        let host = self.topology.node(device).is_some_and(|node| node.kind == Kind::Host);
        if !host {
            return Ok(());
        }
        self.device(device)?.exec_ok(["/set_ips.sh"]).map(drop)
    }
}
