//! What most cases are made of: one Service `a`, TCP port 80, whose endpoints listen on 8080.

use std::net::Ipv4Addr;

pub use crate::{
    addresses::{BRIDGE, NODE, NODE_2, OUTSIDE, PODS, REMOTE_PODS, Vantage},
    case::{
        Expected::{self, Nothing, OneEndpoint, Refused, Source},
        Plot, Step,
    },
    objects::{
        Object,
        ObjectChange::{Delete, Put},
        ServiceBuilder, Target, Transport,
        Transport::{Sctp, Tcp, Udp},
        endpoints, service,
    },
};

pub const WEB: (&str, Transport, u16) = ("web", Tcp, 8080);
pub const DNS: (&str, Transport, u16) = ("dns", Udp, 5353);

/// A pod that is an endpoint of most Services, and one that is of none.
pub const ENDPOINT: Vantage = Vantage::Pod(0);
pub const POD: Vantage = Vantage::Pod(3);
pub const REMOTE: Vantage = Vantage::RemotePod(0);
pub const OUT: Vantage = Vantage::Outside(0);
pub const OUT_2: Vantage = Vantage::Outside(1);
pub const ON_NODE: Vantage = Vantage::Node;

/// Two endpoints here, one on the other node.
pub const THREE: [Ipv4Addr; 3] = [PODS[0], PODS[1], REMOTE_PODS[0]];

/// The Service `a` without a port.
pub fn bare(plot: Plot) -> ServiceBuilder {
    service(&plot.name("a"), plot.cluster_ip(1))
}

/// The Service `a` with its port.
pub fn web(plot: Plot) -> ServiceBuilder {
    bare(plot).port("web", Tcp, 80)
}

pub fn dns(plot: Plot) -> ServiceBuilder {
    bare(plot).port("dns", Udp, 53)
}

/// Endpoints of the Service `a`.
pub fn behind(plot: Plot, ready: &[Ipv4Addr]) -> Object {
    endpoints(&plot.name("a")).subset(ready, &[], &[WEB]).build()
}

pub fn dns_behind(plot: Plot, ready: &[Ipv4Addr]) -> Object {
    endpoints(&plot.name("a")).subset(ready, &[], &[DNS]).build()
}

/// The cluster address of `a`, TCP port 80.
pub fn cluster(plot: Plot) -> Target {
    Target::new(Tcp, plot.cluster_ip(1), 80)
}

pub fn dns_cluster(plot: Plot) -> Target {
    Target::new(Udp, plot.cluster_ip(1), 53)
}

/// The node's first TCP port.
pub fn node_port(plot: Plot) -> Target {
    Target::new(Tcp, NODE, plot.node_port(1))
}

/// The first external address, TCP port 80.
pub fn external(plot: Plot) -> Target {
    Target::new(Tcp, plot.external_ip(1), 80)
}

/// Endpoints on their usual port.
pub fn reaches(addresses: &[Ipv4Addr]) -> Expected {
    Expected::endpoints(addresses, WEB.2)
}

pub fn reaches_dns(addresses: &[Ipv4Addr]) -> Expected {
    Expected::endpoints(addresses, DNS.2)
}

/// A step that puts a Service and its endpoints.
pub fn put(service: ServiceBuilder, endpoints: Object) -> Step {
    Step::new([Put(service.build()), Put(endpoints)])
}
