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

    /// The switch that is a node of cluster.toml, which knows a switch by its hostname in small letters: the whole of it,
    /// or its first label.
    pub fn switch_of_node(&self, node: &str) -> Option<&TopologyNode> {
        let label = |switch: &TopologyNode| switch.name.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let whole = only(self.switches().filter(|switch| switch.name.to_ascii_lowercase() == node));
        let exact = self.switches().find(|switch| switch.name == node);
        exact.or(whole).or_else(|| only(self.switches().filter(|switch| label(switch) == node)))
    }

    /// Says where an interface's name is not the file's, and where two switches would be the same node.
    pub(super) fn remarks_on_names(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        for device in &self.devices {
            let networks = self.networks_of(&device.name);
            let written: Vec<&str> = networks.iter().map(|link| link.interface_of(&device.name)).collect();
            let inside: Vec<String> = (0..networks.len()).map(|at| format!("eth{at}")).collect();
            if written != inside {
                remarks.push(format!(
                    "Docker numbers interfaces on its networks itself: {}'s {} {} {} in its container",
                    device.name,
                    written.join(", "),
                    if written.len() == 1 { "is" } else { "are" },
                    inside.join(", ")
                ));
            }
        }
        let switches: Vec<&TopologyNode> = self.switches().collect();
        for (at, one) in switches.iter().enumerate() {
            let same = |other: &&&TopologyNode| other.name.eq_ignore_ascii_case(&one.name);
            if let Some(other) = switches[at + 1..].iter().find(same) {
                remarks.push(format!("{} and {} would be the same node of a cluster", one.name, other.name));
            }
        }
        remarks
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
