//! One entry of the kernel's table of connections, as ctnetlink describes it.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::model::Protocol;

use super::message::{Attributes, u16_of};

/// A connection as seen from one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    pub source: SocketAddrV4,
    pub destination: SocketAddrV4,
}

/// A connection, or for UDP what counts as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub protocol: u8,
    /// As the one who began it sent it.
    pub original: Tuple,
    /// As the answers come.
    pub reply: Tuple,
    /// `original` in the kernel's own encoding, which names the entry.
    pub tuple: Box<[u8]>,
    /// The zone, likewise, for entries that are in one.
    pub zone: Option<Box<[u8]>>,
}

// From linux/netfilter/nfnetlink_conntrack.h.
const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_ZONE: u16 = 18;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;

impl Flow {
    const UDP: u8 = 17;
    const SCTP: u8 = 132;

    /// The number of a protocol whose flows are judged.
    pub fn number(protocol: Protocol) -> Option<u8> {
        match protocol {
            Protocol::Tcp => None,
            Protocol::Udp => Some(Self::UDP),
            Protocol::Sctp => Some(Self::SCTP),
        }
    }

    /// The protocol, if its flows are judged.
    pub fn judged_protocol(&self) -> Option<Protocol> {
        [Protocol::Udp, Protocol::Sctp].into_iter().find(|&protocol| Self::number(protocol) == Some(self.protocol))
    }

    /// From the attributes of a message; `None` where it is no IPv4 flow with ports.
    pub fn parse(attributes: Attributes<'_>) -> Option<Self> {
        let tuple = attributes.get(CTA_TUPLE_ORIG)?;
        let (protocol, original) = parse_tuple(Attributes(tuple))?;
        let (_, reply) = parse_tuple(Attributes(attributes.get(CTA_TUPLE_REPLY)?))?;
        let zone = attributes.get(CTA_ZONE).map(Box::from);
        Some(Self { protocol, original, reply, tuple: tuple.into(), zone })
    }

    /// The attributes that name this entry.
    pub fn name(&self) -> impl Iterator<Item = (u16, &[u8])> {
        let zone = self.zone.as_deref().map(|zone| (CTA_ZONE, zone));
        std::iter::once((CTA_TUPLE_ORIG | super::message::NESTED, &*self.tuple)).chain(zone)
    }
}

fn parse_tuple(tuple: Attributes<'_>) -> Option<(u8, Tuple)> {
    let ip = Attributes(tuple.get(CTA_TUPLE_IP)?);
    let of = Attributes(tuple.get(CTA_TUPLE_PROTO)?);
    let address = |kind| Some(Ipv4Addr::from(<[u8; 4]>::try_from(ip.get(kind)?).ok()?));
    let port = |kind| Some(u16::from_be(u16_of(of.get(kind)?, 0)?));
    let source = SocketAddrV4::new(address(CTA_IP_V4_SRC)?, port(CTA_PROTO_SRC_PORT)?);
    let destination = SocketAddrV4::new(address(CTA_IP_V4_DST)?, port(CTA_PROTO_DST_PORT)?);
    Some((*of.get(CTA_PROTO_NUM)?.first()?, Tuple { source, destination }))
}
