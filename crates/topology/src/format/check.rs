//! From the file as it is written to a topology that can be raised.

use std::{collections::BTreeMap, path::Path};

use super::{
    Driver, Endpoint, Error, Kind, Link, Node, Topology,
    endpoint::{self, Written, is_name},
    file::{self, File},
};

/// docker-topo's names for the images of its two kinds of device that are known here.
const SWITCH_IMAGE: &str = "veos:latest";
const HOST_IMAGE: &str = "alpine-host:latest";

pub(super) fn check(file: File, stem: &str, folder: &Path) -> Result<Topology, Error> {
    if file.version != 2 {
        return Err(Error::Version(file.version));
    }
    let prefix = file.prefix.clone().unwrap_or_else(|| stem.to_owned());
    if !is_name(&prefix) {
        return Err(Error::Prefix(prefix));
    }
    let config_folder = folder.join(&file.conf_dir);
    let config_prefix = prefix.clone();
    let mut topology = Topology { prefix, config_folder, config_prefix, devices: Vec::new(), links: Vec::new() };
    for (number, link) in file.links.iter().enumerate() {
        add_link(&mut topology, number, link, &file)?;
    }
    Ok(topology)
}

fn add_link(topology: &mut Topology, number: usize, link: &file::Link, file: &File) -> Result<(), Error> {
    let driver = match link.driver.as_deref().or(file.driver.as_deref()) {
        None | Some("bridge") => Driver::Bridge,
        Some("veth") => Driver::Veth,
        Some(other) => return Err(Error::Driver { link: number, driver: other.to_owned() }),
    };
    match link.endpoints.len() {
        0 => return Err(Error::NoEndpoints { link: number }),
        count if driver == Driver::Veth && count != 2 => return Err(Error::VethEndpoints { link: number, count }),
        _ => {}
    }
    topology.links.push(Link { name: format!("net-{number}"), driver, endpoints: Vec::new() });
    for text in &link.endpoints {
        let written = endpoint::parse(text).map_err(|problem| Error::Endpoint { link: number, problem })?;
        add_endpoint(topology, number, &written, &file.custom_image)?;
    }
    Ok(())
}

fn add_endpoint(
    topology: &mut Topology,
    number: usize,
    written: &Written,
    custom: &BTreeMap<String, String>,
) -> Result<(), Error> {
    let device = written.device.to_owned();
    let interface = written.interface.map_or_else(|| format!("eth{number}"), str::to_owned);
    let endpoint = Endpoint { device: device.clone(), interface: interface.clone() };
    let used = topology.links.iter().position(|link| link.endpoints.contains(&endpoint));
    if let Some(other) = used {
        return Err(Error::Used { link: number, device, interface, other });
    }
    let at = match topology.devices.iter().position(|known| known.name == device) {
        Some(at) => at,
        None => {
            let (kind, image) =
                what_is(&device, custom).ok_or_else(|| Error::Unknown { link: number, device: device.clone() })?;
            topology.devices.push(Node { name: device.clone(), kind, image, addresses: Vec::new() });
            topology.devices.len() - 1
        }
    };
    if let Some(address) = written.address {
        if topology.devices[at].kind == Kind::Switch {
            return Err(Error::SwitchAddress { link: number, device });
        }
        topology.devices[at].addresses.push((interface, address.to_owned()));
    }
    topology.links[number].endpoints.push(endpoint);
    Ok(())
}

/// In docker-topo's order: `veos`, then the file's own words, then `host`.
fn what_is(device: &str, custom: &BTreeMap<String, String>) -> Option<(Kind, String)> {
    let name = device.to_lowercase();
    if name.contains("veos") {
        return Some((Kind::Switch, SWITCH_IMAGE.to_owned()));
    }
    if let Some((_, image)) = custom.iter().find(|(word, _)| name.contains(word.as_str())) {
        return Some((Kind::Switch, image.clone()));
    }
    name.contains("host").then(|| (Kind::Host, HOST_IMAGE.to_owned()))
}
