//! Names that are not what the file writes: the interfaces on Docker's networks, which Docker numbers itself, and the node
//! of a cluster that a switch is.

use super::{Link, LinkDriver, Topology, TopologyNode};

impl Topology {
    /// The Docker networks that a device is on, in the order in which Docker comes to know of them: that of the device's
    /// first link, which its container is made on, and then by the interfaces' names. Docker calls them eth0, eth1, ...,
    /// whatever the file does.
    pub fn networks_of(&self, device: &str) -> Vec<&Link> {
        let is_network = |link: &&Link| link.driver != LinkDriver::Veth;
        let mut all: Vec<&Link> = self.links_of(device).filter(is_network).collect();
        if let Some(further) = all.get_mut(1..) {
            further.sort_by_key(|link| link.interface_of(device));
        }
        all
    }

    /// What a device's interface on one of its links is called in its container.
    pub fn interface_inside(&self, device: &str, link: &Link) -> String {
        let at = self.networks_of(device).iter().position(|network| network.name == link.name);
        at.map_or_else(|| link.interface_of(device).to_owned(), |at| format!("eth{at}"))
    }

    /// A device by its name, or by that in other letters, capital or small, where only one has it.
    pub fn node(&self, name: &str) -> Option<&TopologyNode> {
        let exact = self.devices.iter().find(|device| device.name == name);
        exact.or_else(|| only(self.devices.iter().filter(|device| device.name.eq_ignore_ascii_case(name))))
    }

    /// The switch that is a node of cluster.toml; none where several would be.
    pub fn switch_of_node(&self, node: &str) -> Option<&TopologyNode> {
        let exact = self.switches().find(|switch| switch.name == node);
        exact.or_else(|| only(self.switches().filter(|switch| switch.node_name() == node)))
    }

    /// What is otherwise in Docker than the file has it, and what of it docker-topo does not do.
    pub fn remarks_in_docker(&self) -> Vec<String> {
        self.devices.iter().flat_map(|device| self.renamed(device).into_iter().chain(self.given_here(device))).collect()
    }

    fn renamed(&self, device: &TopologyNode) -> Option<String> {
        let networks = self.networks_of(&device.name);
        let written: Vec<&str> = networks.iter().map(|link| link.interface_of(&device.name)).collect();
        let inside: Vec<String> = (0..networks.len()).map(|at| format!("eth{at}")).collect();
        (written != inside).then(|| {
            format!(
                "Docker numbers interfaces on its networks itself: {}'s {} {} {} in its container",
                device.name,
                written.join(", "),
                if written.len() == 1 { "is" } else { "are" },
                inside.join(", ")
            )
        })
    }

    fn given_here(&self, device: &TopologyNode) -> Vec<String> {
        let by_us = |address: &str, why: String| {
            format!("{} has {address} by the built-in driver alone: docker-topo {why}", device.name)
        };
        let mut remarks = Vec::new();
        for (inside, address) in &device.addresses {
            let networks = self.networks_of(&device.name);
            let network = networks.iter().find(|link| self.interface_inside(&device.name, link) == *inside);
            let written = network.map_or(inside.as_str(), |link| link.interface_of(&device.name));
            if written != inside {
                remarks.push(by_us(address, format!("gives it to {written}, which is not there")));
            }
            if address.ends_with("/32") {
                remarks.push(by_us(address, "gives no /32".to_owned()));
            }
        }
        remarks
    }

    /// Two switches that would be the same node.
    pub(super) fn remarks_on_nodes(&self) -> Vec<String> {
        let switches: Vec<&TopologyNode> = self.switches().collect();
        let mut remarks = Vec::new();
        for (at, one) in switches.iter().enumerate() {
            let same = |other: &&&TopologyNode| other.node_name() == one.node_name();
            if let Some(other) = switches[at + 1..].iter().find(same) {
                remarks.push(format!("{} and {} would be the same node of a cluster", one.name, other.name));
            }
        }
        remarks
    }
}

impl TopologyNode {
    /// What cluster.toml and Kubernetes call it: its hostname's first label, in small letters.
    pub fn node_name(&self) -> String {
        self.name.split('.').next().unwrap_or_default().to_ascii_lowercase()
    }
}

impl Link {
    pub fn ends_at(&self, device: &str) -> bool {
        self.endpoints.iter().any(|end| end.device == device)
    }

    /// What the file calls a device's interface on it.
    pub fn interface_of(&self, device: &str) -> &str {
        self.endpoints.iter().find(|end| end.device == device).map_or("", |end| end.interface.as_str())
    }
}

/// The one that there is; none where there are more.
fn only<'a>(mut all: impl Iterator<Item = &'a TopologyNode>) -> Option<&'a TopologyNode> {
    let first = all.next();
    first.filter(|_| all.next().is_none())
}
