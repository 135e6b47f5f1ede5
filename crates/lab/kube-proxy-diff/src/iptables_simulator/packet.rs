//! The first packet of a connection, as it reaches the node or leaves it.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};

use crate::{
    addresses::{BRIDGE, LOCAL, NODE, Vantage},
    objects::{Target, Transport},
};

const UPLINK: &str = "uplink";
const PODS: &str = "kube0";
const LOOPBACK: &str = "lo";

/// A packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    pub source: SocketAddrV4,
    pub destination: SocketAddrV4,
    pub protocol: Transport,
    /// Where it came in; packets of the node itself came in nowhere.
    pub in_interface: Option<&'static str>,
    /// It came in by a port of the pods' bridge, and the kernel says so (`bridge-nf-call-iptables`).
    pub by_bridge_port: bool,
    pub mark: u32,
}

impl Packet {
    /// What is sent from somewhere in a world.
    pub fn new(from: Vantage, to: Target) -> Result<Packet> {
        let in_interface = match from {
            Vantage::Node => None,
            Vantage::Pod(_) => Some(PODS),
            Vantage::RemotePod(_) | Vantage::Outside(_) => Some(UPLINK),
        };
        let source = match from {
            Vantage::Node => own_address(*to.address.ip()),
            other => other.source().with_context(|| format!("there is no {other}"))?,
        };
        Ok(Packet {
            source: SocketAddrV4::new(source, 40000),
            destination: to.address,
            protocol: to.protocol,
            in_interface,
            by_bridge_port: in_interface == Some(PODS),
            mark: 0,
        })
    }
}

/// Whether an address is the node's own.
pub fn is_local(address: Ipv4Addr) -> bool {
    LOCAL.contains(&address) || address.is_loopback()
}

/// Where the node sends what is for an address.
pub fn out_interface(to: Ipv4Addr) -> &'static str {
    if is_local(to) {
        LOOPBACK
    } else if to.octets()[..3] == BRIDGE.octets()[..3] {
        PODS
    } else {
        UPLINK
    }
}

/// The source that the node itself uses for an address.
fn own_address(to: Ipv4Addr) -> Ipv4Addr {
    match out_interface(to) {
        LOOPBACK => to,
        PODS => BRIDGE,
        _ => NODE,
    }
}
