//! The addresses of every world, and the places that packets are sent from.

use std::{fmt, net::Ipv4Addr};

/// The node under test, on the uplink.
pub const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 1);
/// Another node, with pods of its own.
pub const NODE_2: Ipv4Addr = Ipv4Addr::new(192, 168, 50, 2);
/// Two hosts outside, so that source ranges can tell them apart.
pub const OUTSIDE: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 168, 50, 100), Ipv4Addr::new(192, 168, 50, 101)];
/// The node's address on the pods' bridge.
pub const BRIDGE: Ipv4Addr = Ipv4Addr::new(10, 16, 0, 1);
/// Pods on the node under test.
pub const PODS: [Ipv4Addr; 4] = [
    Ipv4Addr::new(10, 16, 0, 2),
    Ipv4Addr::new(10, 16, 0, 3),
    Ipv4Addr::new(10, 16, 0, 4),
    Ipv4Addr::new(10, 16, 0, 5),
];
/// Pods on the other node.
pub const REMOTE_PODS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 16, 1, 2), Ipv4Addr::new(10, 16, 1, 3)];

/// A host beyond the other node. The network leads there through the node under test, and back past it.
pub const BEYOND: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// The bridge that [`PODS`] are on, and the range of their addresses.
pub const POD_BRIDGE: &str = "kube0";
pub const NODE_POD_CIDR: &str = "10.16.0.0/24";
pub const POD_CIDR: &str = "10.16.0.0/16";
pub const SERVICE_CIDR: &str = "10.10.0.0/16";
/// Where external and load balancers' addresses are taken from; the network leads all of them to the node.
pub const EXTERNAL_CIDR: &str = "172.20.0.0/16";

pub const NODE_NAME: &str = "node-1";
pub const NODE_2_NAME: &str = "node-2";

/// The addresses that the node under test has itself.
pub const LOCAL: [Ipv4Addr; 3] = [NODE, BRIDGE, Ipv4Addr::LOCALHOST];

/// The node that an endpoint's address is on.
pub fn node_of(address: Ipv4Addr) -> &'static str {
    if address == NODE || address.octets()[..3] == BRIDGE.octets()[..3] { NODE_NAME } else { NODE_2_NAME }
}

/// Where a packet is sent from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vantage {
    /// The node under test itself.
    Node,
    /// One of [`PODS`].
    Pod(usize),
    /// One of [`REMOTE_PODS`].
    RemotePod(usize),
    /// One of [`OUTSIDE`].
    Outside(usize),
}

impl Vantage {
    /// Those that every Service is asked from: the node, a pod that is an endpoint of most Services, one that is of
    /// none, a pod of the other node, both hosts outside.
    pub const ALL: [Vantage; 6] = [
        Vantage::Node,
        Vantage::Pod(0),
        Vantage::Pod(3),
        Vantage::RemotePod(0),
        Vantage::Outside(0),
        Vantage::Outside(1),
    ];

    /// The source address, where it is not for the routing table to choose.
    pub fn source(self) -> Option<Ipv4Addr> {
        match self {
            Vantage::Node => None,
            Vantage::Pod(index) => PODS.get(index).copied(),
            Vantage::RemotePod(index) => REMOTE_PODS.get(index).copied(),
            Vantage::Outside(index) => OUTSIDE.get(index).copied(),
        }
    }
}

impl fmt::Display for Vantage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.source()) {
            (Vantage::Node, _) => f.write_str("the node"),
            (Vantage::Pod(_), Some(source)) => write!(f, "pod {source}"),
            (Vantage::RemotePod(_), Some(source)) => write!(f, "remote pod {source}"),
            (_, Some(source)) => write!(f, "outside host {source}"),
            (other, None) => write!(f, "{other:?}, which no world has"),
        }
    }
}
