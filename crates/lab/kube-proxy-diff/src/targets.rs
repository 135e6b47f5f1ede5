//! What of a Service can be asked, read off the object itself.

use std::{collections::BTreeMap, net::Ipv4Addr};

use k8s_openapi::api::core::v1::ServicePort;

use crate::{
    addresses::{LOCAL, Vantage},
    objects::{Object, Target, Transport},
};

/// How a target is opened by its Service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opening {
    /// Every client stays with one endpoint, and which one is left to chance.
    pub sticky: bool,
    /// Of an external IP: the same port of the Service at its cluster IP.
    pub at_cluster_ip: Option<Target>,
}

/// All addresses and ports of an object, each once; Endpoints have none.
pub fn of(object: &Object) -> BTreeMap<Target, Opening> {
    opened(object).into_iter().collect()
}

/// What is both a load balancer's address and an external IP comes last as such.
fn opened(object: &Object) -> Vec<(Target, Opening)> {
    let Object::Service(service) = object else { return vec![] };
    let Some(spec) = &service.spec else { return vec![] };
    let cluster_ip: Option<Ipv4Addr> = spec.cluster_ip.as_ref().and_then(|ip| ip.parse().ok());
    let external_ips = spec.external_ips.iter().flatten().filter_map(|ip| ip.parse().ok());
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    let ingress = ingress.filter_map(|ingress| ingress.ip.as_ref()?.parse().ok());
    let addresses: Vec<Ipv4Addr> = cluster_ip.into_iter().chain(ingress).collect();
    let external_ips: Vec<Ipv4Addr> = external_ips.collect();
    let sticky = is_sticky(object);
    let of_port = |port: &ServicePort| {
        let (protocol, number) = (protocol(port), |number: i32| u16::try_from(number).ok());
        let (at, node_port) = (number(port.port), port.node_port.and_then(number));
        let target = |ip: &Ipv4Addr, port| Target::new(protocol, *ip, port);
        let plain = Opening { sticky, at_cluster_ip: None };
        let external = Opening { at_cluster_ip: cluster_ip.as_ref().zip(at).map(|(ip, at)| target(ip, at)), ..plain };
        let all = addresses.iter().map(|ip| (ip, plain)).chain(external_ips.iter().map(|ip| (ip, external)));
        let by_address = at.into_iter().flat_map(|at| all.clone().map(move |(ip, opening)| (target(ip, at), opening)));
        let by_node = node_port.into_iter().flat_map(|port| LOCAL.map(|ip| (target(&ip, port), plain)));
        by_address.chain(by_node).collect::<Vec<_>>()
    };
    spec.ports.iter().flatten().flat_map(of_port).collect()
}

/// Whether every client is to stay with one endpoint.
pub fn is_sticky(object: &Object) -> bool {
    let Object::Service(service) = object else { return false };
    service.spec.as_ref().is_some_and(|spec| spec.session_affinity.as_deref() == Some("ClientIP"))
}

/// Whether it makes sense to ask that from there: everybody has a loopback of its own.
pub fn is_reachable(from: Vantage, to: Target) -> bool {
    from == Vantage::Node || !to.address.ip().is_loopback()
}

fn protocol(port: &ServicePort) -> Transport {
    match port.protocol.as_deref() {
        Some("UDP") => Transport::Udp,
        Some("SCTP") => Transport::Sctp,
        _ => Transport::Tcp,
    }
}
