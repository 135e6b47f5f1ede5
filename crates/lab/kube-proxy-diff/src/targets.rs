//! What of a Service can be asked, read off the object itself.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::ServicePort;

use crate::{
    addresses::{LOCAL, Vantage},
    objects::{Object, Target, Transport},
};

/// All addresses and ports of an object; Endpoints have none.
pub fn of(object: &Object) -> Vec<Target> {
    let Object::Service(service) = object else { return vec![] };
    let Some(spec) = &service.spec else { return vec![] };
    let cluster_ip = spec.cluster_ip.iter().filter_map(|ip| ip.parse().ok());
    let external_ips = spec.external_ips.iter().flatten().filter_map(|ip| ip.parse().ok());
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = balancer.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    let ingress = ingress.filter_map(|ingress| ingress.ip.as_ref()?.parse().ok());
    let addresses: Vec<Ipv4Addr> = cluster_ip.chain(external_ips).chain(ingress).collect();
    spec.ports.iter().flatten().flat_map(|port| of_port(port, &addresses)).collect()
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

fn of_port(port: &ServicePort, addresses: &[Ipv4Addr]) -> Vec<Target> {
    let protocol = match port.protocol.as_deref() {
        Some("UDP") => Transport::Udp,
        Some("SCTP") => Transport::Sctp,
        _ => Transport::Tcp,
    };
    let number = |number: i32| u16::try_from(number).ok();
    let ports = number(port.port).into_iter();
    let mut targets: Vec<Target> =
        ports.flat_map(|port| addresses.iter().map(move |ip| Target::new(protocol, *ip, port))).collect();
    if let Some(node_port) = port.node_port.and_then(number) {
        targets.extend(LOCAL.map(|ip| Target::new(protocol, ip, node_port)));
    }
    targets
}
