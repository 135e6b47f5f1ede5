//! One endpoint, and the named port of an Endpoints or EndpointSlice object that endpoints belong to.

use std::net::{Ipv4Addr, SocketAddrV4};

/// An address and port that answers for a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub ip: Ipv4Addr,
    pub port: u16,
    pub place: Place,
    pub state: EndpointState,
}

impl Endpoint {
    pub fn socket(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.ip, self.port)
    }
}

/// Where an endpoint is, as its `nodeName` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    ThisNode,
    OtherNode,
    /// It has no `nodeName`: written by hand, most of the time. Never counts as local.
    Unknown,
}

/// Endpoints that are neither ready nor serving never become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointState {
    Ready,
    /// `serving` and `terminating`: used where no endpoint is ready.
    ServingTerminating,
}

/// A port of an Endpoints subset or EndpointSlice, with its endpoints. Service ports find theirs by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointPort {
    pub name: Box<str>,
    pub protocol: super::Protocol,
    pub endpoints: Box<[Endpoint]>,
}
