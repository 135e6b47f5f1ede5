//! The file's links, one after the other: which devices there are, and what they are joined by.

use serde_json::Value;

use super::{
    DeviceKind, Endpoint, Link, LinkDriver, Topology, TopologyError, TopologyNode,
    endpoint::{self, Written},
    file::{FileLink, text},
    model::Images,
};

pub(super) struct Links<'a> {
    pub images: &'a Images,
    pub devices: Vec<TopologyNode>,
    pub links: Vec<Link>,
    pub addresses: Vec<WrittenAddress>,
    pub remarks: Vec<String>,
}

/// An end host's address, on the link of that number.
pub(super) struct WrittenAddress {
    device: String,
    link: usize,
    interface: String,
    address: String,
}

impl Links<'_> {
    /// `of_all` is the driver of the links that name none.
    pub(super) fn add(&mut self, number: usize, link: &FileLink, of_all: Option<&Value>) -> Result<(), TopologyError> {
        self.remarks.extend(link.unknown_keys(number)?);
        let driver = driver(number, link.driver.as_ref().or(of_all))?;
        let endpoints = link.endpoints.as_deref().unwrap_or_default();
        match endpoints.len() {
            0 => return Err(TopologyError::NoEndpoints { link: number }),
            count if driver == LinkDriver::Veth && count != 2 => {
                return Err(TopologyError::VethEndpoints { link: number, count });
            }
            _ => {}
        }
        let mut options = options(link)?;
        if driver == LinkDriver::Veth && !options.is_empty() {
            options.clear();
            self.remarks.push(format!("link {number}: driver_opts are passed over: a cable has none"));
        }
        let link = Link { name: format!("net-{number}"), driver, options, endpoints: Vec::new() };
        if link.is_dead_macvlan() {
            self.remarks
                .push(format!("link {number}: a macvlan without `parent` leads to nothing beside its own devices"));
        }
        self.links.push(link);
        for text in endpoints {
            let written = endpoint::parse(text).map_err(|problem| TopologyError::Endpoint { link: number, problem })?;
            self.add_endpoint(number, &written)?;
        }
        Ok(())
    }

    fn add_endpoint(&mut self, number: usize, written: &Written) -> Result<(), TopologyError> {
        let device = written.device.to_owned();
        let interface = written.interface.map_or_else(|| format!("eth{number}"), str::to_owned);
        let endpoint = Endpoint { device: device.clone(), interface: interface.clone() };
        self.take_from_earlier(number, &endpoint);
        let link = &self.links[number];
        if link.driver != LinkDriver::Veth && link.endpoints.iter().any(|end| end.device == device) {
            return Err(TopologyError::Twice { link: number, device });
        }
        let kind = self.ensure_device(&device);
        if let Some(address) = written.address {
            if kind != DeviceKind::Host {
                return Err(TopologyError::NoHost { link: number, device });
            }
            let address = address.to_owned();
            self.addresses.push(WrittenAddress { device, link: number, interface, address });
        }
        self.links[number].endpoints.push(endpoint);
        Ok(())
    }

    /// docker-topo's later link takes the interface from the earlier one, and so do files that people have. The network of
    /// a device's first link stays: the container is made on it.
    fn take_from_earlier(&mut self, number: usize, endpoint: &Endpoint) {
        let Endpoint { device, interface } = endpoint;
        let first = self.links.iter().position(|link| link.endpoints.iter().any(|end| end.device == *device));
        for other in 0..self.links.len() {
            let link = &mut self.links[other];
            if !link.endpoints.contains(endpoint) {
                continue;
            }
            let stays = other != number && first == Some(other) && link.driver != LinkDriver::Veth;
            if !stays {
                link.endpoints.retain(|end| end != endpoint);
            }
            let remark = match (other == number, stays) {
                (true, _) => format!("link {number} has {device}'s interface {interface} at two ends"),
                (false, false) => format!("link {number} takes {device}'s interface {interface} from link {other}"),
                (false, true) => {
                    format!("link {number} has {device}'s interface {interface} too, which stays on link {other}")
                }
            };
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
    }

    fn ensure_device(&mut self, name: &str) -> DeviceKind {
        if let Some(known) = self.devices.iter().find(|known| known.name == name) {
            return known.kind;
        }
        let (model, image) = self.images.of(name);
        let kind = model.kind();
        self.devices.push(TopologyNode { name: name.to_owned(), kind, model, image, addresses: vec![], ports: vec![] });
        kind
    }
}

impl Topology {
    /// Gives an end host an address of the file's, by the interface's name in its container.
    pub(super) fn give(&mut self, written: &WrittenAddress) {
        let WrittenAddress { device, link, interface, address } = written;
        let link = &self.links[*link];
        // A later link may have taken the interface.
        let here = link.endpoints.iter().any(|end| end.device == *device && end.interface == *interface);
        let inside = if here { self.interface_inside(device, link) } else { interface.clone() };
        let host = self.devices.iter_mut().find(|known| known.name == *device);
        host.into_iter().for_each(|host| host.addresses.push((inside.clone(), address.clone())));
    }
}

impl Link {
    /// Whether it is a macvlan on none of the machine's interfaces: Docker gives it one that leads nowhere.
    pub fn is_dead_macvlan(&self) -> bool {
        self.driver == LinkDriver::Macvlan && self.options.iter().all(|(key, _)| key != "parent")
    }
}

fn driver(link: usize, written: Option<&Value>) -> Result<LinkDriver, TopologyError> {
    match written {
        None | Some(Value::Null) => Ok(LinkDriver::Bridge),
        Some(Value::String(name)) => match name.as_str() {
            "" | "bridge" => Ok(LinkDriver::Bridge),
            "veth" => Ok(LinkDriver::Veth),
            "macvlan" => Ok(LinkDriver::Macvlan),
            other => Err(TopologyError::LinkDriver { link, driver: other.to_owned() }),
        },
        Some(other) => Err(TopologyError::LinkDriver { link, driver: other.to_string() }),
    }
}

fn options(link: &FileLink) -> Result<Vec<(String, String)>, TopologyError> {
    let options = link.driver_opts.clone().unwrap_or_default();
    options.into_iter().map(|(key, value)| Ok((key, text("driver_opts", value)?))).collect()
}
