//! The links of a lab: made when their devices are on, cut and repaired.

use std::{net::Ipv4Addr, sync::PoisonError, time::Duration};

use anyhow::{Context, Result, bail};
use common::retry::{Failed, RetryPolicy};

use super::{
    Lab,
    wires::{self, Carrier},
};
use topology::format::{DeviceKind, Endpoint, Link, LinkDriver, TopologyNode};

/// How often an end host is told that an interface has come.
const TELLING: RetryPolicy = RetryPolicy::times(20, Duration::from_millis(100));

impl Lab {
    /// A link by docker-topo's name, its number, or one of its ends: `net-1`, `1`, `veos-b:eth2`.
    pub fn link(&self, which: &str) -> Result<&Link> {
        let is_end = |link: &Link| {
            link.endpoints
                .iter()
                .any(|end| which.split_once(':') == Some((end.device.as_str(), end.interface.as_str())))
        };
        let links = &self.topology.links;
        let by_number = which.parse().ok().and_then(|number: usize| links.get(number));
        let found = by_number.or_else(|| links.iter().find(|link| link.name == which || is_end(link)));
        found.with_context(|| {
            format!(
                "the topology {} has no link {which}; expected net-0 to net-{}, or an end such as veos-b:eth1",
                self.topology.prefix,
                links.len().saturating_sub(1)
            )
        })
    }

    /// Cuts a link: a cable's interfaces are switched off at both ends; a bridge's devices lose their carriers.
    pub fn cut_link(&self, which: &str) -> Result<()> {
        self.set_link(which, Carrier::Down)
    }

    /// Mends a link that was cut.
    pub fn restore_link(&self, which: &str) -> Result<()> {
        self.set_link(which, Carrier::Up)
    }

    fn set_link(&self, which: &str, carrier: Carrier) -> Result<()> {
        let link = self.link(which)?;
        for end in &link.endpoints {
            self.set_end(link, end, carrier)?;
        }
        Ok(())
    }

    /// A device that is off has no end to set.
    fn set_end(&self, link: &Link, end: &Endpoint, carrier: Carrier) -> Result<()> {
        let Some(container) = self.docker.find(&end.device)? else { return Ok(()) };
        let Some(process) = container.process() else { return Ok(()) };
        if link.driver == LinkDriver::Veth {
            return wires::set((process, &end.interface), carrier).with_context(|| format!("on {}", end.device));
        }
        let network = self.docker.name(&link.name);
        let attached = container.network_settings.networks.get(&network);
        let attached = attached.with_context(|| format!("{} is not on the network {network}", end.device))?;
        let mac: Option<Vec<u8>> = attached.mac.split(':').map(|octet| u8::from_str_radix(octet, 16).ok()).collect();
        let mac = mac.with_context(|| format!("{:?} is no MAC address", attached.mac))?;
        wires::set_other_end(process, &mac, carrier).with_context(|| format!("on {}'s {}", end.device, end.interface))
    }

    /// After a device has been started: without a way out of the lab, on all its networks, and wired to those that are
    /// on, too.
    pub(super) fn wire(&self, node: &TopologyNode) -> Result<()> {
        for link in self.topology.networks_of(&node.name).into_iter().skip(1) {
            self.docker.connect(&link.name, &node.name)?;
        }
        self.give_addresses(node)?;
        self.close(node)?;
        let _wiring = self.wiring.lock().unwrap_or_else(PoisonError::into_inner);
        for link in self.topology.links_of(&node.name).filter(|link| link.driver == LinkDriver::Veth) {
            let mut ends = Vec::new();
            for end in &link.endpoints {
                let process = self.docker.find(&end.device)?.and_then(|container| container.process());
                ends.extend(process.map(|process| (process, end.interface.as_str())));
            }
            let [one, other] = ends[..] else { continue };
            wires::connect(one, other).with_context(|| format!("cannot make the link {}", link.name))?;
            for end in self.topology.devices.iter().filter(|node| link.ends_at(&node.name)) {
                self.give_addresses(end)?;
            }
        }
        Ok(())
    }

    /// Takes away what leads out of the lab.
    pub(super) fn close(&self, node: &TopologyNode) -> Result<()> {
        let container = self.docker.find(&node.name)?.filter(|container| container.process().is_some());
        let Some(container) = container else {
            bail!("{} ended as soon as it was started: docker logs {}", node.name, self.docker.name(&node.name));
        };
        let cables = self.cables(&node.name);
        let gateways: Vec<Ipv4Addr> =
            container.network_settings.networks.values().filter_map(|network| network.gateway.parse().ok()).collect();
        // An end host's own network may be a bridge, with a gateway among the devices on it.
        let own = |interface: &str| node.addresses.iter().any(|(name, _)| name == interface);
        let kept = |interface: &str, gateway: Option<Ipv4Addr>| {
            let of_docker = gateway.is_some_and(|gateway| gateways.contains(&gateway));
            cables.contains(&interface) || own(interface) && !of_docker
        };
        let process = container.process().unwrap_or_default();
        wires::drop_default_routes(process, &kept).with_context(|| format!("on {}", node.name))
    }

    /// The interfaces of a device that cables end at.
    pub(super) fn cables(&self, device: &str) -> Vec<&str> {
        let links = self.topology.links_of(device).filter(|link| link.driver == LinkDriver::Veth);
        let ends = links.flat_map(|link| &link.endpoints).filter(|end| end.device == device);
        ends.map(|end| end.interface.as_str()).collect()
    }

    /// An end host has no startup-config that waits for interfaces: it is told that one has come.
    fn give_addresses(&self, node: &TopologyNode) -> Result<()> {
        if node.kind != DeviceKind::Host || node.addresses.is_empty() {
            return Ok(());
        }
        let host = self.device(&node.name)?;
        // docker-topo's own end host writes the program as it starts.
        TELLING.run(&format!("{} takes its addresses", node.name), || {
            host.exec_ok(["/set_ips.sh"]).map(drop).map_err(Failed::NotYet)
        })?;
        self.close(node)
    }
}
