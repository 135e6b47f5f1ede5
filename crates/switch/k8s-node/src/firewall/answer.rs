//! `k8s-node check --from ADDRESS`: who reaches which port of which node, as a cluster.toml has it, before any rule is there.

use std::net::Ipv4Addr;

use cluster::{Cluster, Firewall, NetworkOn};
use contract::ports as numbers;

use super::ports::{self, Port};

/// Who asks.
enum Who<'a> {
    Node(&'a str),
    Pod,
    Stranger,
}

/// A line for each port of each node.
pub fn answer(cluster: &Cluster, network: &NetworkOn, from: Ipv4Addr) -> String {
    let node = cluster.nodes.iter().find(|node| node.address == from);
    let who = match node {
        Some(node) => Who::Node(&node.name),
        None if cluster.pod_cidr.contains(&from) => Who::Pod,
        None => Who::Stranger,
    };
    let asked = match who {
        Who::Node(name) => format!("{from} is the node {name}"),
        Who::Pod => format!("{from} is a pod's, which reaches its own switch with it and others in its switch's name"),
        Who::Stranger => format!("{from} is neither a node's nor a pod's"),
    };
    let mut lines = vec![asked];
    for node in &cluster.nodes {
        for port in ports::of(cluster, node, network) {
            let (may, why) = decided(&port, &who, node.address, from);
            let may = if may { "yes" } else { "no" };
            lines.push(format!("{:<16} {:<17} {:<11} {may:<4} {why}", node.name, numbered(&port), port.name));
        }
    }
    if matches!(who, Who::Pod) {
        lines.push(not_for_pods(network));
    }
    if network.written.firewall == Firewall::Eos {
        lines.push(
            "firewall = \"eos\": this is what Kubernetes needs. What is let in says the control-plane ACL of each switch alone; \
             `k8s-node acl` prints what has to be in it"
                .into(),
        );
    }
    lines.join("\n")
}

fn decided(port: &Port, who: &Who, to: Ipv4Addr, from: Ipv4Addr) -> (bool, String) {
    let listed = || match port.key {
        Some(key) => format!("{key} in cluster.toml says for whom else it is"),
        None => "it is for nodes alone".into(),
    };
    match (who, &port.from) {
        (Who::Pod, _) if port.pods => (true, "pods are let in".into()),
        (Who::Pod, _) => (false, "pods are kept from it".into()),
        (_, None) if port.key.is_some_and(|key| key != "pod_ports_allow") => {
            (true, format!("everyone is, as there is no {}", port.key.unwrap_or_default()))
        }
        (_, None) => (true, "everyone is, in a cluster like this".into()),
        (Who::Node(_), _) if to == from && port.local => (true, "a switch asks itself".into()),
        (_, Some(_)) if port.lets_in(from) => (true, "it is listed, or a node that needs it".into()),
        _ => (false, listed()),
    }
}

fn not_for_pods(network: &NetworkOn) -> String {
    let kept = numbers::OF_EOS.iter().filter(|(_, _, port)| !network.written.pod_ports_allow.contains(port));
    let kept: Vec<String> = kept.map(|(name, protocol, port)| format!("{name} {port}/{protocol}")).collect();
    if network.open {
        "pods are not kept from EOS' own ports: as in clusters of before, cluster.toml has no [network]".into()
    } else {
        format!("pods are kept from EOS' own ports at the nodes' addresses: {}", kept.join(", "))
    }
}

fn numbered(port: &Port) -> String {
    let (first, last) = port.numbers;
    if first == last { format!("{first}/{}", port.protocol) } else { format!("{first}-{last}/{}", port.protocol) }
}
