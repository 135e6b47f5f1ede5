//! What nobody may do, whoever lets packets in: it stands in the table `mangle`, behind which EOS' chains and the operator's come.
//!
//! - Packets from outside, or from a pod, for 127.0.0.0/8 or from there: `route_localnet`, which kube-proxy and kubelet set, would
//!   let them in to what listens on the loopback interface.
//! - Pods at kubelet, enrolment, etcd, and what EOS has for who manages it, at this switch and at the others; not what a Service has
//!   led there.
//! - Node ports, for others than `nodeport_allow` has.
//!
//! Pods' TCP connections through VXLAN are told how much fits, by a chain of its own: not every kernel can.

use std::{collections::BTreeSet, fs};

use anyhow::Result;
use cluster::{BRIDGE, Cluster, NetworkOn, Node, VXLAN};
use contract::ports as numbers;

use super::{Chain, Family, chain, ports};
use crate::program;

pub const PREROUTING: Chain = chain(Family::V4, "mangle", &["PREROUTING"], "KOE-PREROUTING");
pub const INPUT: Chain = chain(Family::V4, "mangle", &["INPUT"], "KOE-GUARD-INPUT");
pub const FORWARD: Chain = chain(Family::V4, "mangle", &["FORWARD"], "KOE-GUARD-FORWARD");
/// What pods are kept from.
pub const KEPT: Chain = chain(Family::V4, "mangle", &[], "KOE-NOT-FOR-PODS");
pub const FITS: Chain = chain(Family::V4, "mangle", &["FORWARD"], "KOE-MSS");

const ANSWERS: &str = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN";

pub fn chains(cluster: &Cluster, node: &Node, network: &NetworkOn, inside: &[String]) -> Vec<Chain> {
    vec![
        Chain { rules: kept(network), ..KEPT },
        Chain { rules: prerouting(cluster, node, network, inside), ..PREROUTING },
        Chain { rules: input(), ..INPUT },
        Chain { rules: forward(cluster, node), ..FORWARD },
    ]
}

/// Where a kernel can do this.
pub fn fits() -> Chain {
    let rule = |way: &str| {
        format!(
            "{way} {VXLAN} -p tcp -m tcp --tcp-flags SYN,RST SYN -m comment --comment kubernetes-on-eos-mss -j TCPMSS --clamp-mss-to-pmtu"
        )
    };
    Chain { rules: ["-i", "-o"].map(rule).to_vec(), ..FITS }
}

/// By the kernel's list; where iptables is nft's, there may be none.
pub fn can_fit() -> bool {
    fs::read_to_string("/proc/net/ip_tables_targets").map_or(true, |known| known.lines().any(|one| one == "TCPMSS"))
}

/// Interfaces with an address in 127.0.0.0/8 beside the loopback one: the cards of a modular switch talk to each other so.
pub fn talking_inside() -> Result<Vec<String>> {
    let printed =
        program::new("ip", "see this switch's networks")?.args(["-4", "-oneline", "address", "show"]).read()?;
    Ok(inside(&printed))
}

/// `5: internal0    inet 127.1.0.1/16 scope host internal0`
fn inside(printed: &str) -> Vec<String> {
    let interface = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let name = words.get(1)?.split('@').next()?;
        let address = words.iter().position(|word| *word == "inet").and_then(|at| words.get(at + 1))?;
        (name != "lo" && address.starts_with("127.")).then(|| name.to_owned())
    };
    printed.lines().filter_map(interface).collect::<BTreeSet<_>>().into_iter().collect()
}

fn prerouting(cluster: &Cluster, node: &Node, network: &NetworkOn, inside: &[String]) -> Vec<String> {
    let comment = "-m comment --comment kubernetes-on-eos-loopback";
    // With what talks so inside the switch, the rules below have nothing to do either.
    let inside = inside.iter().map(|interface| format!("-i {interface} -j RETURN"));
    let loopback = ["-s", "-d"].map(|way| format!("{way} 127.0.0.0/8 ! -i lo {comment} -j DROP"));
    inside.chain(loopback).chain(ports::node_ports_before_services(cluster, node, network)).collect()
}

fn input() -> Vec<String> {
    let kept = [BRIDGE, VXLAN].map(|from| format!("-i {from} -j {}", KEPT.name));
    [ANSWERS.to_owned()].into_iter().chain(kept).collect()
}

fn forward(cluster: &Cluster, node: &Node) -> Vec<String> {
    let others = cluster.nodes.iter().filter(|other| other.name != node.name);
    let addresses = others.flat_map(|other| [other.address, other.gateway()]);
    let kept = addresses.map(|address| format!("-d {address}/32 -i {BRIDGE} -j {}", KEPT.name));
    [ANSWERS.to_owned()].into_iter().chain(kept).collect()
}

/// A cluster without `[network]` keeps pods from enrolment alone.
fn kept(network: &NetworkOn) -> Vec<String> {
    let allowed = |port: &u16| !network.written.pod_ports_allow.contains(port);
    let drop = |protocol: &str, port: u16| {
        format!("-p {protocol} -m {protocol} --dport {port} -m comment --comment kubernetes-on-eos-no-pod -j DROP")
    };
    let enrolment = drop("tcp", numbers::ENROLMENT);
    if network.open {
        return vec![enrolment];
    }
    let ours = [numbers::KUBELET, numbers::ETCD, numbers::ETCD_PEERS, numbers::METRICS_SERVER];
    let ours = ours.into_iter().filter(allowed).map(|port| drop("tcp", port));
    let services = "-m conntrack --ctstate DNAT -j RETURN".to_owned();
    let of_eos = numbers::OF_EOS.into_iter().filter(|(_, _, port)| allowed(port));
    let of_eos = of_eos.map(|(_, protocol, port)| drop(protocol, port));
    [enrolment].into_iter().chain(ours).chain([services]).chain(of_eos).collect()
}
