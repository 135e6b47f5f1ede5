//! The chains that belong to one Service port alone.

use std::fmt::Write;

use super::port::RenderedPort;
use super::rule::{comment, one_of};
use crate::iptables::Feature;
use crate::iptables::chain::{ChainId, Kind};
use crate::model::{Endpoint, Place, TrafficPolicy};

/// Chains with their rules, a line each; what jumps comes after where it jumps to.
pub fn chains(port: &RenderedPort<'_>) -> Vec<(ChainId, String)> {
    let mut chains = Vec::new();
    let (everywhere, here) = (port.everywhere(), port.here());
    let mut of_their_own: Vec<_> =
        [everywhere, here].into_iter().flatten().flatten().filter(|e| needs_chain(port, e)).collect();
    of_their_own.sort_unstable();
    of_their_own.dedup();
    chains.extend(of_their_own.into_iter().map(|endpoint| endpoint_chain(port, endpoint)));
    chains.extend(everywhere.map(|endpoints| balancing_chain(port, Kind::Service, endpoints)));
    chains.extend(here.map(|endpoints| balancing_chain(port, Kind::Local, endpoints)));
    if port.has_endpoints() && port.is_external() {
        chains.push(external_chain(port));
        if port.is_firewalled() {
            chains.push(firewall_chain(port));
        }
    }
    chains
}

/// For an endpoint that never asks its own Service here one rule is enough, if nothing is to be remembered.
fn needs_chain(port: &RenderedPort<'_>, endpoint: &Endpoint) -> bool {
    port.affinity().is_some() || may_ask(port, endpoint)
}

/// Whether an endpoint may be who asks. One on another node asks the kube-proxy there for cluster IPs; here it asks node ports, and
/// what leads it back to itself without being masqueraded is the policy Local.
fn may_ask(port: &RenderedPort<'_>, endpoint: &Endpoint) -> bool {
    let from_other_nodes = port.is_external() && port.external_is_local() && port.settings.pods().is_some();
    endpoint.place != Place::OtherNode || from_other_nodes
}

fn endpoint_chain(port: &RenderedPort<'_>, endpoint: &Endpoint) -> (ChainId, String) {
    let id = port.name.endpoint_chain(endpoint);
    let mut rules = String::new();
    if may_ask(port, endpoint) {
        let comment = comment(port.settings, port.name);
        line(&mut rules, format_args!("-A {id} -s {}/32 {comment}-j KUBE-MARK-MASQ", endpoint.ip));
    }
    let remembered = match port.affinity() {
        Some(_) => format!("-m recent --set --name {id} --mask 255.255.255.255 --rsource "),
        None => String::new(),
    };
    let (protocol, socket) = (port.name.protocol, endpoint.socket());
    line(&mut rules, format_args!("-A {id} -p {protocol} {remembered}-j DNAT --to-destination {socket}"));
    (id, rules)
}

fn balancing_chain(port: &RenderedPort<'_>, kind: Kind, endpoints: &[Endpoint]) -> (ChainId, String) {
    let id = port.name.chain(kind);
    let mut rules = String::with_capacity(endpoints.len() * 128);
    if id == port.internal_chain() {
        masquerade_from_outside(port, id, &mut rules);
    }
    if let Some(seconds) = port.affinity() {
        for endpoint in endpoints {
            let chain = port.name.endpoint_chain(endpoint);
            let recent = format_args!("-m recent --rcheck --seconds {seconds} --reap --name {chain}");
            line(&mut rules, format_args!("-A {id} {recent} --mask 255.255.255.255 --rsource -j {chain}"));
        }
    }
    for (index, endpoint) in endpoints.iter().enumerate() {
        let chance = one_of(endpoints.len() - index);
        if needs_chain(port, endpoint) {
            let chain = port.name.endpoint_chain(endpoint);
            line(&mut rules, format_args!("-A {id} {chance}-j {chain}"));
        } else {
            let (protocol, socket) = (port.name.protocol, endpoint.socket());
            line(&mut rules, format_args!("-A {id} -p {protocol} {chance}-j DNAT --to-destination {socket}"));
        }
    }
    (id, rules)
}

/// Answers to clients that are no pods have to come back this way, as these do not know the way to pods.
fn masquerade_from_outside(port: &RenderedPort<'_>, id: ChainId, rules: &mut String) {
    let from = match port.settings.pods() {
        _ if port.settings.masquerade_all => String::new(),
        Some(pods) => format!("! -s {pods} "),
        None => return,
    };
    let comment = comment(port.settings, format_args!("{} cluster IP", port.name));
    line(rules, format_args!("-A {id} {from}-d {}/32 {comment}-j KUBE-MARK-MASQ", port.service.cluster_ip));
}

fn external_chain(port: &RenderedPort<'_>) -> (ChainId, String) {
    let (id, everywhere) = (port.name.chain(Kind::External), port.name.chain(Kind::Service));
    let said =
        |what: &str| comment(port.settings, format_args!("{what} traffic for {} external destinations", port.name));
    let mut rules = String::new();
    if port.service.external_traffic_policy == TrafficPolicy::Cluster {
        line(&mut rules, format_args!("-A {id} {}-j KUBE-MARK-MASQ", said("masquerade")));
        line(&mut rules, format_args!("-A {id} -j {everywhere}"));
        return (id, rules);
    }
    if let Some(pods) = port.settings.pods() {
        line(&mut rules, format_args!("-A {id} -s {pods} {}-j {everywhere}", said("pod")));
    }
    if port.settings.features.has(Feature::Addrtype) {
        let local = "-m addrtype --src-type LOCAL";
        line(&mut rules, format_args!("-A {id} {}{local} -j KUBE-MARK-MASQ", said("masquerade LOCAL")));
        line(&mut rules, format_args!("-A {id} {}{local} -j {everywhere}", said("route LOCAL")));
    }
    if port.here().is_some() {
        line(&mut rules, format_args!("-A {id} -j {}", port.name.chain(Kind::Local)));
    }
    (id, rules)
}

fn firewall_chain(port: &RenderedPort<'_>) -> (ChainId, String) {
    let (id, external) = (port.name.chain(Kind::Firewall), port.name.chain(Kind::External));
    let comment = comment(port.settings, format_args!("{} loadbalancer IP", port.name));
    let mut rules = String::new();
    let ranges = &port.service.load_balancer_source_ranges;
    for range in ranges {
        line(&mut rules, format_args!("-A {id} -s {} {comment}-j {external}", range.trunc()));
    }
    // Where this node asks, the address may be on an interface of its own, and the source then as well.
    if port.node_ip.is_some_and(|node| ranges.iter().any(|range| range.contains(&node))) {
        for address in &port.service.load_balancer_ips {
            line(&mut rules, format_args!("-A {id} -s {address}/32 {comment}-j {external}"));
        }
    }
    (id, rules)
}

fn line(rules: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = rules.write_fmt(line);
    rules.push('\n');
}
