//! The ports of a node that others need, and who they are. Rules, the answer to who reaches what, and the operator's ACL are all made
//! of this.

use std::{collections::BTreeSet, net::Ipv4Addr};

use cluster::{BRIDGE, Cluster, NetworkOn, Node, VXLAN};
use contract::ports as numbers;
use ipnet::Ipv4Net;

/// One, or some in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub name: &'static str,
    pub protocol: &'static str,
    pub numbers: (u16, u16),
    /// None for everyone.
    pub from: Option<BTreeSet<Ipv4Net>>,
    /// Whether pods of this switch are let in.
    pub pods: bool,
    /// Whether this switch's own processes use it.
    pub local: bool,
    /// What cluster.toml has for who else shall be let in.
    pub key: Option<&'static str>,
}

/// Of one node.
pub fn of(cluster: &Cluster, node: &Node, network: &NetworkOn) -> Vec<Port> {
    let written = &network.written;
    let nodes = addresses(cluster.nodes.iter());
    let masters = addresses(cluster.nodes.iter().filter(|node| node.master));
    // Where addresses are translated, or other nodes may be of before, they come from anywhere.
    let unless_open = |from: BTreeSet<Ipv4Net>| (!network.open && !cluster.nat).then_some(from);
    let and = |listed: &Option<Vec<Ipv4Net>>| {
        listed.as_ref().map(|listed| listed.iter().copied().chain(nodes.iter().copied()).collect::<BTreeSet<_>>())
    };
    let pods_ask_kubelet = written.pod_ports_allow.contains(&numbers::KUBELET);
    let tcp = |name, number| Port {
        name,
        protocol: "tcp",
        numbers: (number, number),
        from: None,
        pods: false,
        local: true,
        key: None,
    };
    let mut ports = Vec::new();
    if node.master {
        let from = and(&written.api_allow);
        ports.push(Port { from, pods: true, key: Some("api_allow"), ..tcp("api-server", numbers::API_SERVER) });
        ports.push(Port { from: unless_open(nodes.clone()), ..tcp("enrolment", numbers::ENROLMENT) });
        // The API server is on this very switch, and nobody else is answered.
        ports.push(Port { from: Some(BTreeSet::new()), ..tcp("metrics", numbers::METRICS_SERVER) });
    }
    if node.worker {
        let from = unless_open(if pods_ask_kubelet { nodes.clone() } else { masters });
        let pods = network.open || pods_ask_kubelet;
        let key = Some("pod_ports_allow");
        ports.push(Port { from, pods, key, ..tcp("kubelet", numbers::KUBELET) });
        for protocol in ["tcp", "udp"] {
            let from = and(&written.nodeport_allow);
            let key = Some("nodeport_allow");
            let port = tcp("node-ports", 0);
            ports.push(Port { protocol, numbers: numbers::NODE_PORTS, from, pods: true, key, ..port });
        }
    }
    let vxlan = tcp("vxlan", written.port);
    ports.push(Port { protocol: "udp", from: Some(nodes), local: false, ..vxlan });
    ports
}

/// The cluster's names, at the cluster's DNS address: cluster-dns lets in who is answered itself, where that is not left to an ACL.
pub fn of_names(cluster: &Cluster, node: &Node) -> Vec<Port> {
    let protocols: &[&'static str] = if node.worker { &["udp", "tcp"] } else { &[] };
    let from = || cluster.names.allow.iter().copied().collect();
    let port = |protocol: &&'static str| Port {
        name: "dns",
        protocol,
        numbers: (numbers::DNS, numbers::DNS),
        from: Some(from()),
        pods: true,
        local: true,
        key: None,
    };
    protocols.iter().map(port).collect()
}

impl Port {
    /// As iptables prints them. Where not everyone is let in, nobody else is; `only_let_in` leaves that to what comes behind. So do
    /// node ports: others are kept from them before Services are, and a connection of EOS' own may begin at such a port.
    pub fn rules(&self, only_let_in: bool) -> Vec<String> {
        let Port { name, protocol, numbers: range, from, pods, local, .. } = self;
        let comment = format!("-m comment --comment kubernetes-on-eos-{name}");
        let rule = |from: &str, target: &str| {
            format!("{from}-p {protocol} -m {protocol} --dport {} {comment} -j {target}", ports(*range))
        };
        let Some(from) = from else { return vec![rule("", "ACCEPT")] };
        let interfaces = [("lo", *local), (BRIDGE, *pods)].into_iter().filter(|(_, let_in)| *let_in);
        let interfaces = interfaces.map(|(interface, _)| rule(&format!("-i {interface} "), "ACCEPT"));
        let sources = from.iter().map(|range| rule(&source(range), "ACCEPT"));
        let others = (!only_let_in && *range != numbers::NODE_PORTS).then(|| rule("", "DROP"));
        interfaces.chain(sources).chain(others).collect()
    }

    /// Whether who asks from there is let in, as somebody outside.
    pub fn lets_in(&self, address: Ipv4Addr) -> bool {
        self.from.as_ref().is_none_or(|from| from.iter().any(|range| range.contains(&address)))
    }
}

/// What nodes and pods ask of other nodes in the name of theirs, so that these know them: by the address of an interface that leads
/// there, nobody could tell them from strangers.
pub fn in_the_nodes_name(cluster: &Cluster, node: &Node, network: &NetworkOn) -> Vec<String> {
    if cluster.nat {
        return Vec::new();
    }
    let written = &network.written;
    let others = || cluster.nodes.iter().filter(|other| other.name != node.name);
    let rule = |source: String, to: &Node, protocol: &str, range: (u16, u16), behind: &str| {
        format!(
            "{source}-d {}/32 -p {protocol} -m {protocol} --dport {} {behind}-m comment --comment kubernetes-on-eos-node -j SNAT \
             --to-source {}",
            to.address,
            ports(range),
            node.address
        )
    };
    let of_this_switch =
        |to: &Node, protocol: &str, range| rule(String::new(), to, protocol, range, "-m addrtype --src-type LOCAL ");
    let of_its_pods =
        |to: &Node, protocol: &str, range| rule(format!("-s {} ", node.pod_cidr), to, protocol, range, "");
    let mut rules = Vec::new();
    let one = |port| (port, port);
    let workers = || others().filter(|other| other.worker);
    if node.master {
        rules.extend(workers().map(|worker| of_this_switch(worker, "tcp", one(numbers::KUBELET))));
    }
    let mut both = |to: &Node, protocol: &str, range| {
        rules.push(of_this_switch(to, protocol, range));
        rules.extend(node.worker.then(|| of_its_pods(to, protocol, range)));
    };
    if written.api_allow.is_some() {
        for master in others().filter(|other| other.master) {
            both(master, "tcp", one(numbers::API_SERVER));
        }
    }
    if written.nodeport_allow.is_some() {
        for worker in workers() {
            ["tcp", "udp"].into_iter().for_each(|protocol| both(worker, protocol, numbers::NODE_PORTS));
        }
    }
    if node.worker && written.pod_ports_allow.contains(&numbers::KUBELET) {
        for worker in workers() {
            // A master's own are there.
            rules.extend((!node.master).then(|| of_this_switch(worker, "tcp", one(numbers::KUBELET))));
            rules.push(of_its_pods(worker, "tcp", one(numbers::KUBELET)));
        }
    }
    rules
}

/// Services lead what is for a node port elsewhere before `INPUT` sees it.
pub fn node_ports_before_services(cluster: &Cluster, node: &Node, network: &NetworkOn) -> Vec<String> {
    let restricted = of(cluster, node, network).into_iter().filter(|port| port.numbers == numbers::NODE_PORTS);
    restricted
        .flat_map(|Port { protocol, numbers: range, from, .. }| {
            let Some(from) = from else { return Vec::new() };
            let to = format!("-p {protocol} -m {protocol} --dport {}", ports(range));
            let here = "-m addrtype --dst-type LOCAL";
            let comment = "-m comment --comment kubernetes-on-eos-node-ports";
            let interfaces = ["lo", BRIDGE, VXLAN].map(|name| format!("-i {name} {to} -j RETURN"));
            let sources = from.iter().map(|range| format!("{}{to} -j RETURN", source(range)));
            let answers = format!("{to} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN");
            let dropped = format!("{to} {here} {comment} -j DROP");
            interfaces.into_iter().chain(sources).chain([answers, dropped]).collect()
        })
        .collect()
}

fn addresses<'a>(nodes: impl Iterator<Item = &'a Node>) -> BTreeSet<Ipv4Net> {
    nodes.map(|node| Ipv4Net::from(node.address)).collect()
}

/// As iptables prints it: one that is everyone's not at all.
fn source(range: &Ipv4Net) -> String {
    if range.prefix_len() == 0 { String::new() } else { format!("-s {range} ") }
}

/// As iptables prints them.
fn ports((first, last): (u16, u16)) -> String {
    if first == last { first.to_string() } else { format!("{first}:{last}") }
}
