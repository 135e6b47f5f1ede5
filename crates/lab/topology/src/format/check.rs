//! From the file as it is written to a topology that can be brought up.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    DeviceKind, Endpoint, Link, LinkDriver, Topology, TopologyError, TopologyNode,
    endpoint::{self, Written, is_name},
    file::{self, File, text},
    model::Images,
    ports,
};

pub(super) struct Place<'a> {
    /// The file's name, which is the prefix where nothing else says one.
    pub name: &'a str,
    /// The directory that it is in.
    pub directory: &'a Path,
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

pub(super) fn check(file: &File, place: &Place) -> Result<Topology, TopologyError> {
    file.check_keys()?;
    let value = |key: &str| file.value(key, place.environment);
    let text_or = |key: &str, default: &str| value(key).map_or(Ok(default.to_owned()), |value| text(key, value));
    let version = text_or("VERSION", "1")?;
    if version != "2" {
        return Err(TopologyError::Version(version));
    }
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
    let config_directory = config_directory(place.directory, &text_or("CONF_DIR", "./config")?);
    let config_prefix = prefix.clone();
    let mut topology = Topology {
        file: None,
        prefix,
        config_directory,
        config_prefix,
        devices: Vec::new(),
        links: Vec::new(),
        remarks: vec![],
    };
    let driver = file.driver()?;
    let links = file.links.as_deref().unwrap_or_default();
    if links.is_empty() {
        return Err(TopologyError::NoLinks);
    }
    for (number, link) in links.iter().enumerate() {
        add_link(&mut topology, number, link, driver.as_deref(), &images)?;
    }
    publish(&mut topology, &value("PUBLISH_BASE").unwrap_or(Value::from(8000)))?;
    Ok(topology)
}

/// Beside the file where there is such a directory, else where the program was started.
fn config_directory(directory: &Path, conf_dir: &str) -> PathBuf {
    let beside = directory.join(conf_dir);
    let chosen = if beside.is_dir() { beside } else { PathBuf::from(conf_dir) };
    std::path::absolute(&chosen).unwrap_or(chosen)
}

fn add_link(
    topology: &mut Topology,
    number: usize,
    link: &file::FileLink,
    of_all: Option<&str>,
    images: &Images,
) -> Result<(), TopologyError> {
    let driver = match link.driver.as_deref().or(of_all) {
        None | Some("" | "bridge") => LinkDriver::Bridge,
        Some("veth") => LinkDriver::Veth,
        Some("macvlan") => LinkDriver::Macvlan,
        Some(other) => return Err(TopologyError::LinkDriver { link: number, driver: other.to_owned() }),
    };
    let endpoints = link.endpoints.as_deref().unwrap_or_default();
    match endpoints.len() {
        0 => return Err(TopologyError::NoEndpoints { link: number }),
        count if driver == LinkDriver::Veth && count != 2 => {
            return Err(TopologyError::VethEndpoints { link: number, count });
        }
        _ => {}
    }
    let options = link.driver_opts.clone().unwrap_or_default();
    let options: Vec<(String, String)> =
        options.into_iter().map(|(key, value)| Ok((key, text("driver_opts", value)?))).collect::<Result<_, _>>()?;
    if driver == LinkDriver::Macvlan && !options.iter().any(|(key, _)| key == "parent") {
        return Err(TopologyError::Parent { link: number });
    }
    topology.links.push(Link { name: format!("net-{number}"), driver, options, endpoints: Vec::new() });
    for text in endpoints {
        let written = endpoint::parse(text).map_err(|problem| TopologyError::Endpoint { link: number, problem })?;
        add_endpoint(topology, number, &written, images)?;
    }
    Ok(())
}

fn add_endpoint(
    topology: &mut Topology,
    number: usize,
    written: &Written,
    images: &Images,
) -> Result<(), TopologyError> {
    let device = written.device.to_owned();
    let interface = written.interface.map_or_else(|| format!("eth{number}"), str::to_owned);
    let endpoint = Endpoint { device: device.clone(), interface: interface.clone() };
    let used = topology.links.iter().position(|link| link.endpoints.contains(&endpoint));
    if let Some(other) = used {
        // docker-topo's later link takes the interface from the earlier one, and so do files that people have.
        topology.links[other].endpoints.retain(|end| *end != endpoint);
        topology.remarks.push(match other == number {
            true => format!("link {number} has {device}'s interface {interface} at two ends"),
            false => format!("link {number} takes {device}'s interface {interface} from link {other}"),
        });
    }
    let at = match topology.devices.iter().position(|known| known.name == device) {
        Some(at) => at,
        None => {
            let (model, image) = images.of(&device);
            let node = TopologyNode {
                name: device.clone(),
                kind: model.kind(),
                model,
                image,
                addresses: vec![],
                ports: vec![],
            };
            topology.devices.push(node);
            topology.devices.len() - 1
        }
    };
    if let Some(address) = written.address {
        if topology.devices[at].kind != DeviceKind::Host {
            return Err(TopologyError::NoHost { link: number, device });
        }
        topology.devices[at].addresses.push((interface, address.to_owned()));
    }
    topology.links[number].endpoints.push(endpoint);
    Ok(())
}

/// Ports are for the switches, in the order of their names.
fn publish(topology: &mut Topology, base: &Value) -> Result<(), TopologyError> {
    let mut switches: Vec<&mut TopologyNode> =
        topology.devices.iter_mut().filter(|device| device.kind == DeviceKind::Switch).collect();
    switches.sort_by(|one, other| one.name.cmp(&other.name));
    for (place, switch) in (0..).zip(switches) {
        switch.ports = ports::published(base, place)?;
    }
    Ok(())
}
