//! From the file as it is written to a topology that can be brought up.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    DeviceKind, LinkDriver, Topology, TopologyError, TopologyNode,
    endpoint::is_name,
    file::{Environment, File, FileLink, Version, text},
    links::Links,
    model::Images,
    ports,
};

pub(super) struct Place<'a> {
    /// The file's name, which is the prefix where nothing else says one.
    pub name: &'a str,
    /// The directory that it is in.
    pub directory: &'a Path,
    pub environment: Environment<'a>,
}

pub(super) fn check(version: Version, file: &File<FileLink>, place: &Place) -> Result<Topology, TopologyError> {
    let mut remarks = file.unknown_keys()?;
    let value = |key: &str| file.value(key, place.environment);
    let text_or = |key: &str, default: &str| value(key).map_or(Ok(default.to_owned()), |value| text(key, value));
    // docker-topo's prefix ends at the first dot.
    let prefix = text_or("PREFIX", place.name.split('.').next().unwrap_or_default())?;
    if !is_name(&prefix) {
        return Err(TopologyError::Prefix(prefix));
    }
    let images = Images {
        ceos: text_or("CEOS_IMAGE", "ceos:latest")?,
        vmx: text_or("VMX_VERSION", "vrnetlab/vr-vmx:17.2R1.13")?,
        csr: text_or("CSR_VERSION", "vrnetlab/vr-csr:16.04.01")?,
        xrv: text_or("XRV_VERSION", "vrnetlab/vr-xrv:6.1.2")?,
        cvp: text_or("CVP_VERSION", "cvp:latest")?,
        custom: file.custom_image(place.environment)?,
    };
    remarks.extend(images.remarks());
    let mut of_all = file.driver();
    if version == Version::One && of_all.take().is_some() {
        remarks.push("driver is passed over: in version 1 each link is a bridge".to_owned());
    }
    let links = file.links.as_deref().unwrap_or_default();
    if links.is_empty() {
        return Err(TopologyError::NoLinks);
    }
    let mut all = Links { images: &images, devices: vec![], links: vec![], addresses: vec![], remarks };
    for (number, link) in links.iter().enumerate() {
        all.add(number, link, of_all)?;
    }
    let Links { devices, links, addresses, remarks, .. } = all;
    let mut topology = Topology {
        file: None,
        config_directory: config_directory(place.directory, &text_or("CONF_DIR", "./config")?),
        config_prefix: prefix.clone(),
        prefix,
        devices,
        links,
        remarks,
    };
    topology.remarks.extend(topology.remarks_on_nodes());
    for written in addresses {
        topology.give(&written);
    }
    publish(&mut topology, &value("PUBLISH_BASE"))?;
    Ok(topology)
}

/// Beside the file where there is such a directory, else where the program was started.
fn config_directory(directory: &Path, conf_dir: &str) -> PathBuf {
    let beside = directory.join(conf_dir);
    let chosen = if beside.is_dir() { beside } else { PathBuf::from(conf_dir) };
    std::path::absolute(&chosen).unwrap_or(chosen)
}

/// Ports are for the switches, in the order of their names.
fn publish(topology: &mut Topology, written: &Option<Value>) -> Result<(), TopologyError> {
    let base = written.clone().unwrap_or(Value::from(8000));
    topology.remarks.extend(ports::remarks(&base));
    let mut switches: Vec<&mut TopologyNode> =
        topology.devices.iter_mut().filter(|device| device.kind == DeviceKind::Switch).collect();
    switches.sort_by(|one, other| one.name.cmp(&other.name));
    for (place, switch) in (0..).zip(switches) {
        switch.ports = ports::published(&base, place)?;
    }
    // What nobody asked for is missed by nobody.
    let unreachable = topology.switches().filter(|switch| written.is_some() && !switch.ports.is_empty());
    let unreachable = unreachable.filter(|switch| topology.first_network(&switch.name).is_none());
    let names: Vec<String> = unreachable.map(|switch| switch.name.clone()).collect();
    if !names.is_empty() {
        let names = names.join(", ");
        topology.remarks.push(format!("no port of {names} is published: for that the first link has to be a bridge"));
    }
    Ok(())
}

impl Topology {
    /// The network that a device's container is made on: that of the first link, unless that is a cable.
    pub fn first_network(&self, device: &str) -> Option<&super::Link> {
        self.links_of(device).next().filter(|link| link.driver != LinkDriver::Veth)
    }
}
