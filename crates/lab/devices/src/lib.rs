//! A topology in containers, on one Docker engine.
//!
//! 1. [`Lab::up`] makes a container of each device of a [`Topology`], fills the switches' flash, starts them and wires
//!    the links. [`Lab::attach`] finds a lab that is up, [`Lab::down`] takes it away.
//! 2. A [`Device`] is what a test holds on to: commands, files, reboot, power cut.
//! 3. [`Driver::capabilities`] says beforehand what can be done to them.
//! 4. [`images`] makes what they run where the real thing is not to be had; [`traits`] are the habits of EOS that it has then.
//!
//! A device is a container as docker-topo makes it, by docker-topo or by the built-in driver. The root of a stand-in and
//! of an end host is new at every power-on; a switch's flash is a volume that lasts until the lab is taken down. Bridges are
//! Docker networks, and no device keeps Docker's default route: the switches' loopback addresses exist on the internet
//! too, and nothing may get there. Cables are made over rtnetlink straight inside the containers' network namespaces, so
//! that nothing is left on the machine when a container ends.
//!
//! Everything bears docker-topo's label, whose name is the topology's prefix; what has no such label is not touched.

mod access;
mod built_in;
mod capability;
mod device;
mod docker;
mod docker_topo;
mod driver;
mod faults;
mod flash;
mod guard;
mod identity;
pub mod images;
mod links;
mod lock;
mod network;
mod spec;
pub mod traits;
mod up;
mod wires;

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use common::{Progress, errors, files, lock::Lock};
use topology::Topology;

pub use self::{
    access::{DeviceAccess, Ssh},
    capability::{Capabilities, Capability},
    device::{Device, Power},
    driver::{Driver, Options},
    flash::Flash,
    guard::LabGuard,
    identity::{Identity, What},
    traits::Traits,
};
use self::{
    docker::{Docker, Sort},
    images::Tags,
};

/// How long a real EOS may take to boot before files can be brought to its flash.
const BOOT: Duration = Duration::from_secs(900);

/// A topology that is up, or was.
#[derive(Debug)]
pub struct Lab {
    topology: Topology,
    docker: Docker,
    access: DeviceAccess,
    /// By which way each device is reached, as far as it has been found out.
    ways: Mutex<BTreeMap<String, device::Way>>,
    /// Held while a device's cables are made: two devices that are switched on at the same time would both make theirs.
    wiring: Mutex<()>,
    /// Held by whoever brought it up; none where it was found.
    lock: Option<Lock>,
}

impl Lab {
    /// Fails, with what to do, where no Docker engine answers.
    pub fn check_engine() -> Result<()> {
        Docker::check()
    }

    /// [`Lab::up_with`] the same on each switch's flash, until the guard is dropped.
    pub fn up_guarded(
        topology: &Topology,
        flash: &Flash,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<LabGuard> {
        let flash: BTreeMap<_, _> = topology.switches().map(|node| (node.name.clone(), flash.clone())).collect();
        Ok(Self::up_with(topology, &flash, options, progress)?.into())
    }

    /// The lab of that topology, which is up.
    pub fn attach(topology: &Topology) -> Result<Lab> {
        Docker::check()?;
        let lab = Lab::of(topology, DeviceAccess::default(), None);
        if !lab.docker.anything_there()? {
            bail!("no device of the topology {} is there; bring it up first", topology.prefix);
        }
        Ok(lab)
    }

    /// Takes away whatever there is of a topology, however it was brought up and however far that came. Says whether there
    /// was anything.
    pub fn ensure_down(topology: &Topology) -> Result<bool> {
        Docker::check()?;
        let lab = Lab::of(topology, DeviceAccess::default(), None);
        let there = lab.docker.anything_there()?;
        lab.down()?;
        Ok(there)
    }

    fn of(topology: &Topology, access: DeviceAccess, lock: Option<Lock>) -> Lab {
        let docker = Docker::new(&topology.prefix);
        Lab { topology: topology.clone(), docker, access, ways: Mutex::default(), wiring: Mutex::default(), lock }
    }

    /// The same lab, reached in another way.
    pub fn with_access(mut self, access: DeviceAccess) -> Lab {
        self.access = access;
        self.ways.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        self
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

    /// Takes the lab away: its containers, networks and flash, and what is left of its cables. Fails where another
    /// process is at work on it.
    pub fn down(mut self) -> Result<()> {
        if self.lock.is_none() {
            self.lock = Some(lock::of_prefix(&self.topology.prefix)?);
        }
        self.remove_everything()
    }

    /// Goes on where something cannot be taken away, and tells of all that stays.
    fn remove_everything(&self) -> Result<()> {
        let is_docker_topo_s = self.is_docker_topo_s();
        let by_docker_topo = |work: &dyn Fn(&Self) -> Result<()>| match is_docker_topo_s {
            Ok(true) => work(self),
            _ => Ok(()),
        };
        errors::all([
            by_docker_topo(&Self::remove_made_namespaces),
            self.docker.all(Sort::Container).and_then(|names| self.docker.remove_containers(&names)),
            self.docker.remove_networks(),
            wires::remove_left_over(&self.names_on_the_way()).context("cannot take away what is left of the cables"),
            by_docker_topo(&Self::close_bridges),
            lock::of_tags().and_then(|_alone| Tags::remove_left_over()),
            is_docker_topo_s.map(drop),
        ])?;
        // Only now: what is in it tells the next one to take the rest away that docker-topo was at work.
        files::remove_tree(&lock::directory(&self.topology.prefix))
    }
}
