//! Bringing a lab up: what stands in the way, the built-in driver, and what every power-on does again.

use std::{collections::BTreeMap, path::PathBuf};

use crate::images::{Choice, Image, StandIns, choose};
use anyhow::{Context, Result, bail, ensure};
use common::{Progress, errors, files, progress::Unit};

use super::{
    Driver, Flash, Lab, Options, built_in,
    docker::{Container, Docker, LABEL, Sort},
    lock,
    spec::{ContainerParts, FLASH, STARTUP_CONFIG},
    traits::ON_FLASH,
};
use topology::format::{self, DeviceKind, Topology, TopologyNode};

impl Lab {
    /// Makes, fills, starts and wires every device. `flash` is what each switch finds on its flash besides the
    /// startup-config from the topology's directory. Where something fails, what was made is taken away again.
    pub fn up_with(
        topology: &Topology,
        flash: &BTreeMap<String, Flash>,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Lab> {
        Docker::check()?;
        let lock = lock::of_prefix(&topology.prefix)?;
        let lab = Lab::of(topology, options.access.clone(), Some(lock));
        lab.can_come_up(flash, &options.driver)?;
        let images = lab.choose_images(&options.stand_ins)?;
        let mut own = topology.remarks_in_docker();
        if options.driver == Driver::BuiltIn {
            own.extend(built_in::remarks(topology));
        }
        topology.remarks.iter().chain(&own).for_each(|remark| progress.note(&format!("remark: {remark}")));
        if let Err(error) = lab.make(flash, &images, options, progress) {
            let gone = lab.remove_everything().context("cannot take away what was made before it failed");
            let interrupted = (options.interrupted)() && gone.is_ok();
            let error = if interrupted { error.context("interrupted; what was made is gone") } else { error };
            return errors::both(Err(error), gone);
        }
        Ok(lab)
    }

    fn can_come_up(&self, flash: &BTreeMap<String, Flash>, driver: &Driver) -> Result<()> {
        let topology = &self.topology;
        let prefix = &topology.prefix;
        if self.docker.anything_there()? {
            bail!("devices or networks of a topology {prefix} are there already; take that one down first");
        }
        if let Some(stranger) = flash.keys().find(|name| topology.switches().all(|node| node.name != **name)) {
            bail!("there are files for the flash of {stranger}, and the topology {prefix} has no such switch");
        }
        if *driver == Driver::BuiltIn {
            built_in::check(topology)?;
        }
        let devices = topology.devices.iter().map(|node| (Sort::Container, &node.name));
        let networks = topology.links.iter().filter(|link| link.driver != format::LinkDriver::Veth);
        for (sort, name) in devices.chain(networks.map(|link| (Sort::Network, &link.name))) {
            if self.docker.is_taken(sort, name)? {
                let what = if sort == Sort::Container { "container" } else { "network" };
                let name = self.docker.name(name);
                bail!("a {what} of others has the name {name}: remove it, or use another PREFIX than {prefix}");
            }
        }
        Ok(())
    }

    /// By what the topology calls them. They are chosen once: all devices of a lab run the same.
    fn choose_images(&self, stand_ins: &StandIns) -> Result<BTreeMap<String, Image>> {
        let mut chosen = BTreeMap::new();
        for node in &self.topology.devices {
            if chosen.contains_key(&node.image) {
                continue;
            }
            match choose(&node.image, stand_ins)? {
                Choice::Image(image) => drop(chosen.insert(node.image.clone(), image)),
                Choice::Missing { advice } => {
                    bail!("{} needs the image {}, which Docker has not got: {advice}", node.name, node.image)
                }
            }
        }
        Ok(chosen)
    }

    fn make(
        &self,
        flash: &BTreeMap<String, Flash>,
        images: &BTreeMap<String, Image>,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<()> {
        let task = progress.start(&format!("bring up {}", self.topology.prefix), Unit::Items, None);
        let mut flash = flash.clone();
        for node in self.topology.switches().filter(|_| !options.traits.is_empty()) {
            let files = flash.entry(node.name.clone()).or_default();
            if !files.has(ON_FLASH) {
                *files = files.clone().with_traits(&options.traits);
            }
        }
        for (name, files) in &mut flash {
            if let Some(config) = files.take("startup-config")? {
                files::write_atomically(&self.own_config(name), &config)?;
            }
        }
        let doing = |what: &str| {
            ensure!(!(options.interrupted)(), "this came before {what}");
            task.doing(what);
            Ok(())
        };
        match &options.driver {
            Driver::BuiltIn => self.make_built_in(&flash, images, doing)?,
            Driver::DockerTopo(program) => self.make_by_docker_topo(program, &flash, images, doing)?,
        }
        ensure!(!(options.interrupted)(), "this came at the end");
        Ok(())
    }

    /// `doing` is told of each step, and may refuse it.
    fn make_built_in(
        &self,
        flash: &BTreeMap<String, Flash>,
        images: &BTreeMap<String, Image>,
        doing: impl Fn(&str) -> Result<()>,
    ) -> Result<()> {
        for link in self.topology.links.iter().filter(|link| link.driver != format::LinkDriver::Veth) {
            // What is no bridge is a macvlan that leads nowhere, and its options are none of a bridge's.
            let options = if link.driver == format::LinkDriver::Bridge { &link.options[..] } else { &[] };
            self.docker.create_network(&link.name, options)?;
        }
        for node in &self.topology.devices {
            doing(&format!("making {}", node.name))?;
            let image = images.get(&node.image).with_context(|| format!("nobody chose {}'s image", node.name))?;
            let startup_config = if node.kind == DeviceKind::Switch { self.ensure_config(node)? } else { None };
            let parts = ContainerParts { image: image.id.clone(), flash: None, startup_config, own_label: true };
            self.docker.create(&self.topology, node, &node.name, &parts)?;
            if let Some(files) = flash.get(&node.name) {
                self.fill_flash(&node.name, files)?;
            }
        }
        for node in &self.topology.devices {
            doing(&format!("starting {}", node.name))?;
            self.start(node)?;
        }
        Ok(())
    }

    /// Starts a device that has been made, and wires it.
    fn start(&self, node: &TopologyNode) -> Result<()> {
        self.docker.start(&node.name)?;
        self.wire(node)
    }

    /// Switches a device on that is off: with a new root where its flash is a volume, or where it has nothing to keep.
    pub(super) fn start_again(&self, node: &TopologyNode) -> Result<()> {
        let next = format!("{}.new", node.name);
        // An earlier time ended between removing the old one and naming the new.
        if self.docker.find(&node.name)?.is_none() && self.docker.find(&next)?.is_some() {
            self.docker.rename(&next, &node.name)?;
        }
        let old = self.docker.find(&node.name)?.with_context(|| format!("{} is not there", node.name))?;
        let flash = old.mount(FLASH).filter(|mount| mount.kind == "volume").map(|mount| mount.name.clone());
        if flash.is_some() || node.kind == DeviceKind::Host {
            if self.docker.find(&next)?.is_some() {
                self.docker.remove(&next)?;
            }
            self.docker.create(&self.topology, node, &next, &parts_of(&old, flash))?;
            // The flash is the new one's by now, and stays.
            self.docker.remove(&node.name)?;
            self.docker.rename(&next, &node.name)?;
        }
        self.start(node)
    }

    /// Another device in place of one, on or off: a new root and a new flash with these files on it, then started.
    pub(super) fn start_another(&self, node: &TopologyNode, flash: &Flash) -> Result<()> {
        let old = self.docker.find(&node.name)?.with_context(|| format!("{} is not there", node.name))?;
        let parts = parts_of(&old, None);
        let flash = self.with_traits_of(node, flash)?;
        self.docker.remove_containers(&[self.docker.name(&node.name)])?;
        self.docker.create(&self.topology, node, &node.name, &parts)?;
        self.fill_flash(&node.name, &flash)?;
        self.start(node)
    }

    /// The traits are the lab's, whichever switch is in the place: they go over to the new flash, unless that says others.
    fn with_traits_of(&self, node: &TopologyNode, flash: &Flash) -> Result<Flash> {
        let directory = tempfile::tempdir().context("cannot make a directory for the traits")?;
        let traits = directory.path().join("traits");
        let place = format!("{FLASH}/{ON_FLASH}");
        let carried = !flash.has(ON_FLASH) && self.docker.copy_out_if_there(&node.name, &place, traits.as_os_str())?;
        let flash = flash.clone();
        Ok(if carried { flash.with_bytes(ON_FLASH, files::read(&traits)?) } else { flash })
    }

    pub(super) fn has_flash_volume(&self, device: &str) -> Result<bool> {
        let container = self.docker.find(device)?.with_context(|| format!("{device} is not there"))?;
        Ok(container.mount(FLASH).is_some_and(|mount| mount.kind == "volume"))
    }

    /// Puts files on the flash of a device that is off.
    pub(super) fn fill_flash(&self, device: &str, flash: &Flash) -> Result<()> {
        if flash.is_empty() {
            return Ok(());
        }
        let directory = tempfile::tempdir().context("cannot make a directory for the flash's files")?;
        flash.write_to(directory.path())?;
        self.docker.copy_in(device, &format!("{}/.", directory.path().display()), FLASH)
    }

    /// The startup-config that is mounted into a switch, if it has one. The file is the user's own, as docker-topo has it,
    /// so that what EOS saves is kept; a lab under another prefix has copies.
    fn ensure_config(&self, node: &TopologyNode) -> Result<Option<PathBuf>> {
        if self.own_config(&node.name).is_file() || self.topology.prefix != self.topology.config_prefix {
            return self.ensure_own_config(node);
        }
        Ok(Some(self.topology.startup_config(&node.name)).filter(|config| config.is_file()))
    }

    /// A switch's startup-config among this lab's own, copied from the topology's where it is not there.
    pub(super) fn ensure_own_config(&self, node: &TopologyNode) -> Result<Option<PathBuf>> {
        let own = self.own_config(&node.name);
        let given = self.topology.startup_config(&node.name);
        if !own.is_file() && given.is_file() {
            files::copy_atomically(&given, &own)?;
        }
        Ok(Some(own).filter(|own| own.is_file()))
    }

    pub(super) fn has_own_configs(&self) -> bool {
        self.own_configs().is_dir()
    }

    pub(super) fn own_configs(&self) -> PathBuf {
        lock::directory(&self.topology.prefix).join("config")
    }

    fn own_config(&self, device: &str) -> PathBuf {
        self.own_configs().join(self.docker.name(device))
    }
}

/// What a device's next container has of the one before.
fn parts_of(old: &Container, flash: Option<String>) -> ContainerParts {
    let startup_config = old.mount(STARTUP_CONFIG).map(|mount| mount.source.clone());
    let own_label = old.config.labels.contains_key(LABEL);
    ContainerParts { image: old.image_id.clone(), flash, startup_config, own_label }
}
