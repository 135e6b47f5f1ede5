//! The chains of the userspace mode, what leads to them, and how they are kept.

use ipnet::Ipv4Net;

use crate::iptables::{Feature, Features, Table};

/// A chain. Those that an upstream kube-proxy has in this mode, too, have its names, and are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// Services' addresses, from pods and from outside.
    Container,
    /// Services' addresses, from this node.
    Host,
    NodePortContainer,
    NodePortHost,
    /// Admits what was sent to our listening ports.
    Input,
    /// Refuses what is for addresses of Services that have no endpoint, or not for everyone.
    Refused,
    NodePortRefused,
}

impl Chain {
    pub const ALL: [Self; 7] = [
        Self::Container,
        Self::Host,
        Self::NodePortContainer,
        Self::NodePortHost,
        Self::Input,
        Self::Refused,
        Self::NodePortRefused,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Container => "KUBE-PORTALS-CONTAINER",
            Self::Host => "KUBE-PORTALS-HOST",
            Self::NodePortContainer => "KUBE-NODEPORT-CONTAINER",
            Self::NodePortHost => "KUBE-NODEPORT-HOST",
            Self::Input => "KUBE-PORTALS-INPUT",
            Self::Refused => "KUBE-PORTALS-REFUSED",
            Self::NodePortRefused => "KUBE-NODEPORT-NON-LOCAL",
        }
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|chain| chain.name() == name)
    }

    pub fn table(self) -> Table {
        match self {
            Self::Container | Self::Host | Self::NodePortContainer | Self::NodePortHost => Table::Nat,
            Self::Input | Self::Refused | Self::NodePortRefused => Table::Filter,
        }
    }

    /// The kernel's chains that lead to it.
    fn entrances(self) -> &'static [&'static str] {
        match self {
            Self::Container | Self::NodePortContainer => &["PREROUTING"],
            Self::Host | Self::NodePortHost => &["OUTPUT"],
            Self::Input | Self::NodePortRefused => &["INPUT"],
            Self::Refused => &["INPUT", "FORWARD", "OUTPUT"],
        }
    }

    /// Whether it is for this node's own addresses, and comes after every Service's address.
    fn is_for_node_ports(self) -> bool {
        matches!(self, Self::NodePortContainer | Self::NodePortHost | Self::NodePortRefused)
    }
}

/// A rule in a chain of the kernel's that leads to one of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserspaceJump {
    pub table: Table,
    /// As iptables-save prints it: the kernel's chain, then the rule.
    pub rule: String,
    /// Whether it stands behind everything else in its chain.
    pub last: bool,
}

/// Every jump that is desired. Node ports are served where addresses can be told to be local, on all of these or on those in `node_ports`.
pub fn jumps(features: Features, node_ports: &[Ipv4Net]) -> Vec<UserspaceJump> {
    let local = "-m addrtype --dst-type LOCAL ";
    let matches: Vec<String> = match (features.has(Feature::Addrtype), node_ports) {
        (false, _) => Vec::new(),
        (true, []) => vec![local.to_owned()],
        (true, nets) if nets.iter().any(|net| net.prefix_len() == 0) => vec![local.to_owned()],
        (true, nets) => nets.iter().map(|net| format!("-d {} {local}", net.trunc())).collect(),
    };
    let everything = [String::new()];
    let mut jumps = Vec::new();
    for chain in Chain::ALL {
        let last = chain.is_for_node_ports();
        for entrance in chain.entrances() {
            for matched in if last { matches.as_slice() } else { &everything } {
                let rule = format!("{entrance} {matched}-j {}", chain.name());
                jumps.push(UserspaceJump { table: chain.table(), rule, last });
            }
        }
    }
    jumps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node_port_jumps(features: Features, nets: &[&str]) -> Vec<String> {
        let nets: Vec<Ipv4Net> = nets.iter().map(|net| net.parse().unwrap()).collect();
        let jumps = jumps(features, &nets).into_iter();
        jumps.filter(|jump| jump.rule.contains("KUBE-NODEPORT-CONTAINER")).map(|jump| jump.rule).collect()
    }

    #[test]
    fn node_ports_are_served_on_the_addresses_that_were_asked_for() {
        let all = ["PREROUTING -m addrtype --dst-type LOCAL -j KUBE-NODEPORT-CONTAINER"];
        assert_eq!(node_port_jumps(Features::all(), &[]), all);
        assert_eq!(node_port_jumps(Features::all(), &["192.0.2.0/24", "0.0.0.0/0"]), all);
        assert_eq!(
            node_port_jumps(Features::all(), &["192.0.2.7/24", "10.0.0.0/8"]),
            [
                "PREROUTING -d 192.0.2.0/24 -m addrtype --dst-type LOCAL -j KUBE-NODEPORT-CONTAINER",
                "PREROUTING -d 10.0.0.0/8 -m addrtype --dst-type LOCAL -j KUBE-NODEPORT-CONTAINER",
            ]
        );
    }

    #[test]
    fn without_addrtype_nothing_is_taken_for_a_node_port_and_services_addresses_are_served() {
        let bare = Features::NONE.with(Feature::Redirect);
        assert!(node_port_jumps(bare, &[]).is_empty());
        assert!(jumps(bare, &[]).iter().any(|jump| jump.rule == "OUTPUT -j KUBE-PORTALS-HOST"));
    }
}
