//! Which packets are tracked, and that the others are not. A pure function of the model.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::iptables::{Feature, Features};
use crate::model::Model;

/// What belongs to this node and to the cluster's Services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// `--pod-bridge-interface`
    pub bridge: String,
    /// `--pod-cidr`: this node's pods.
    pub pods: Ipv4Net,
    /// `--service-cluster-ip-range`
    pub services: Ipv4Net,
}

/// The rules of the chain, in the language of iptables-restore. `containers` are the networks of Docker's bridges.
pub fn rules(local: &Local, features: Features, containers: &BTreeSet<Ipv4Net>, model: &Model) -> Vec<String> {
    let Local { bridge, pods, services } = local;
    let said = if features.has(Feature::Comment) {
        "-m comment --comment \"what only passes through this node is not tracked\" "
    } else {
        ""
    };
    let from = ["lo", bridge, "docker+", "br-+"].map(|interface| format!("-i {interface} -j RETURN"));
    // This node's own addresses, and whatever is no single host's.
    let not_for_hosts = "-m addrtype ! --dst-type UNICAST -j RETURN".to_owned();
    let ranges = [pods, services].into_iter().chain(containers);
    let ranges = ranges.map(|range| format!("-d {} -j RETURN", range.trunc()));
    let addresses = addresses(model).into_iter().filter(|address| !pods.contains(address));
    let addresses = addresses.map(|address| format!("-d {address}/32 -j RETURN"));
    from.into_iter()
        .chain([not_for_hosts])
        .chain(ranges)
        .chain(addresses)
        .chain([format!("{said}-j CT --notrack")])
        .collect()
}

/// The addresses of Services that lie in no range that is known beforehand.
fn addresses(model: &Model) -> BTreeSet<Ipv4Addr> {
    model
        .services()
        .flat_map(|(_, service)| service.external_ips.iter().chain(&service.load_balancer_ips).copied())
        .collect()
}
