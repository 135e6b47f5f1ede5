//! Who reaches what of this switch, and how its pods' packets pass: the chains of ours, as a pure value of cluster.toml.
//!
//! Least first. In `INPUT`, before EOS' own chain, stand the ports that the cluster needs, for those who need them ([`ports`]), so that
//! no ACL has to be written for Kubernetes to work; with `firewall = "eos"` nothing of ours is there. In `FORWARD`, pods' packets are
//! known by the interface that they come from or go to, and what Services have redirected by conntrack's word: what only passes through
//! is neither let through nor dropped. In the table `mangle`, which EOS' ACL has no part in, stands what nobody may do: pods at the
//! ports of EOS ([`guard`]), and packets from outside at 127.0.0.0/8, as kubelet and kube-proxy open these to the routes.

mod acl;
mod answer;
mod guard;
mod ports;

use std::path::Path;

use cluster::{BRIDGE, Cluster, Firewall, KubeProxyImplementation, NetworkOn, Node};
use common::xtables::{Chain, Family};

pub use self::{
    acl::acl,
    answer::answer,
    guard::{can_fit, fits, talking_inside},
};

/// Every chain that a switch needs, each behind those that it leads to. One without rules for this switch is there and empty. `inside`
/// are the interfaces by which parts of this switch talk to each other: [`talking_inside`].
pub fn desired(cluster: &Cluster, node: &Node, network: &NetworkOn, inside: &[String]) -> Vec<Chain> {
    let mut chains = guard::chains(cluster, node, network, inside);
    chains.extend([
        Chain { rules: input(cluster, node, network), ..INPUT },
        Chain { rules: if node.worker { forward() } else { Vec::new() }, ..FORWARD },
        Chain { rules: postrouting(cluster, node, network), ..POSTROUTING },
    ]);
    chains
}

/// Pods have no addresses of IPv6, but each interface makes one of its own: that leads nowhere.
pub fn desired_ipv6(node: &Node) -> [Chain; 2] {
    let closed = |ways: &[&str]| {
        let closed = |way: &&str| format!("{way} {BRIDGE} -m comment --comment kubernetes-on-eos-no-ipv6 -j DROP");
        if node.worker { ways.iter().map(closed).collect() } else { Vec::new() }
    };
    [Chain { rules: closed(&["-i"]), ..INPUT_6 }, Chain { rules: closed(&["-i", "-o"]), ..FORWARD_6 }]
}

/// Pods of two other switches, passing through: conntrack would see but half of what they say to each other where paths differ. Our
/// kube-proxy sees to that itself, and to all others that pass through; upstream's does not.
pub fn transit(cluster: &Cluster, node: &Node) -> Chain {
    if !node.worker || cluster.kube_proxy.implementation != KubeProxyImplementation::Upstream {
        return TRANSIT;
    }
    let (own, pods) = (node.pod_cidr, cluster.pod_cidr);
    let passing = format!("-s {pods} -d {pods} -m comment --comment kubernetes-on-eos-transit -j CT --notrack");
    Chain { rules: vec![format!("-i {BRIDGE} -j RETURN"), format!("-d {own} -j RETURN"), passing], ..TRANSIT }
}

/// Whether there is any IPv6 to be closed.
pub fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

/// Every chain that this or an earlier release has made, those that lead to others first.
pub const ALL: [Chain; 11] = [
    TRANSIT,
    INPUT,
    FORWARD,
    POSTROUTING,
    INPUT_6,
    FORWARD_6,
    guard::PREROUTING,
    guard::INPUT,
    guard::FORWARD,
    guard::KEPT,
    guard::FITS,
];

const fn chain(family: Family, table: &'static str, systems: &'static [&'static str], name: &'static str) -> Chain {
    Chain { family, table, systems, name, first: false, rules: Vec::new() }
}

/// One that has to be the first that packets come to.
const fn leading(table: &'static str, systems: &'static [&'static str], name: &'static str) -> Chain {
    Chain { family: Family::V4, table, systems, name, first: true, rules: Vec::new() }
}

const TRANSIT: Chain = chain(Family::V4, "raw", &["PREROUTING"], "KOE-TRANSIT");
/// Before EOS' chain, which ends in a drop.
const INPUT: Chain = leading("filter", &["INPUT"], "KOE-INPUT");
const FORWARD: Chain = chain(Family::V4, "filter", &["FORWARD"], "KOE-FORWARD");
/// Before `KUBE-POSTROUTING`, which gives what kube-proxy has marked the address of the interface that it leaves by: what nodes ask of
/// nodes has to have theirs.
const POSTROUTING: Chain = leading("nat", &["POSTROUTING"], "KOE-POSTROUTING");
const INPUT_6: Chain = chain(Family::V6, "filter", &["INPUT"], "KOE-INPUT");
const FORWARD_6: Chain = chain(Family::V6, "filter", &["FORWARD"], "KOE-FORWARD");

/// What kube-proxy has redirected: to this switch itself, in userspace mode or where an endpoint is in the host's network, or on to
/// an endpoint elsewhere.
const SERVICES: &str = "-m conntrack --ctstate DNAT -m comment --comment kubernetes-on-eos-services -j ACCEPT";

fn input(cluster: &Cluster, node: &Node, network: &NetworkOn) -> Vec<String> {
    if network.written.firewall == Firewall::Eos {
        return Vec::new();
    }
    let mut rules: Vec<String> =
        ports::of(cluster, node, network).iter().flat_map(|port| port.rules(network.open)).collect();
    rules.extend(node.worker.then(|| SERVICES.to_owned()));
    rules
}

fn forward() -> Vec<String> {
    let pods = ["-i", "-o"].map(|way| format!("{way} {BRIDGE} -m comment --comment kubernetes-on-eos-pods -j ACCEPT"));
    pods.into_iter().chain([SERVICES.to_owned()]).collect()
}

fn postrouting(cluster: &Cluster, node: &Node, network: &NetworkOn) -> Vec<String> {
    let (own, pods, address) = (node.pod_cidr, cluster.pod_cidr, node.address);
    // Whatever a packet was marked with within, VXLAN's own goes from the node's address: others let in no other one.
    let tunnel = format!(
        "-s {address}/32 -p udp -m udp --dport {} -m comment --comment kubernetes-on-eos-vxlan -j ACCEPT",
        network.written.port
    );
    let mut rules = vec![tunnel];
    rules.extend(ports::in_the_nodes_name(cluster, node, network));
    if node.worker {
        // To other pods they go with their own addresses; nobody else knows the way back to these.
        rules.push(format!("-s {own} ! -d {pods} -m comment --comment kubernetes-on-eos-pods-outwards -j MASQUERADE"));
        // A pod of another switch that this one has led to an endpoint elsewhere: the answer would take its own way to the pod, or
        // pass through here as anybody's. What is led to pods of this switch comes back by itself, and keeps the pod's address.
        rules.push(format!("-s {own} -j RETURN"));
        let led_on = "-m conntrack --ctstate DNAT -m comment --comment kubernetes-on-eos-remote-pods -j MASQUERADE";
        rules.push(format!("-s {pods} ! -o {BRIDGE} {led_on}"));
    }
    rules
}

#[cfg(test)]
mod tests;
