//! A node with one kube-proxy, its pods, a second node and an outside host: network namespaces with the same addresses
//! in every world.
//!
//! The outside hosts' namespace has the bridge that both nodes' uplinks are plugged into. It sends everything for
//! Services and external addresses to the node under test, as does the second node. Nothing leads out of a world.

mod kubelet;
mod proxy;
mod servers;

use std::{net::Ipv4Addr, process::Command};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use self::servers::Servers;
pub use self::{
    kubelet::is_kubelets,
    proxy::{BackendMode, Implementation, IptablesVariant},
    servers::{parse_answer, read_answer},
};
use crate::{
    addresses::{
        BEYOND, BRIDGE, EXTERNAL_CIDR, NODE, NODE_2, OUTSIDE, POD_BRIDGE, PODS, REMOTE_PODS, SERVICE_CIDR, Vantage,
    },
    api::Api,
    daemon::Daemon,
    netns::Netns,
};

/// A world; what it consists of goes with it.
pub struct World {
    name: String,
    node: Netns,
    pods: Vec<Netns>,
    node_2: Netns,
    outside: Netns,
    _servers: Vec<Servers>,
    tools: TempDir,
    proxy: Option<Daemon>,
}

impl World {
    /// A world without a kube-proxy yet, whose programs find that kind of iptables on PATH.
    pub fn new(name: &str, api: &Api, iptables: IptablesVariant) -> Result<World> {
        let node = node(&format!("{name} node"))?;
        let outside = outside(&format!("{name} outside"))?;
        uplink(&node, &outside, NODE, "lan1")?;
        let pods = PODS.iter().enumerate().map(|(index, ip)| pod(&node, index, *ip)).collect::<Result<Vec<_>>>()?;
        let node_2 = node_2(&format!("{name} node 2"), &outside)?;
        let beyond = format!("route add {BEYOND} via {NODE_2}");
        node.ip(&[
            format!("route add 10.16.1.0/24 via {NODE_2}"),
            beyond,
            format!("route add default via {}", OUTSIDE[0]),
        ])?;
        api.link(&node)?;
        let mut servers = vec![Servers::start(&node, &[NODE])?];
        servers.push(Servers::start(&node_2, &[&[NODE_2, BEYOND], &REMOTE_PODS[..]].concat())?);
        for (pod, ip) in pods.iter().zip(PODS) {
            servers.push(Servers::start(pod, &[ip])?);
        }
        let tools = proxy::tools(iptables)?;
        let world = World { name: name.to_owned(), node, pods, node_2, outside, _servers: servers, tools, proxy: None };
        world.restore_rules(kubelet::RULES)?;
        Ok(world)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace that a vantage point is in.
    pub fn netns(&self, vantage: Vantage) -> Result<&Netns> {
        match vantage {
            Vantage::Node => Ok(&self.node),
            Vantage::Pod(index) => self.pods.get(index).context("there is no such pod"),
            Vantage::RemotePod(_) => Ok(&self.node_2),
            Vantage::Outside(_) => Ok(&self.outside),
        }
    }

    /// Runs a program on the node to its end, with this world's iptables, and returns what it printed.
    pub fn run_on_node(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let output = self.node.enter(|| {
            // A program is looked for on this process's PATH otherwise.
            let private = Some(self.tools.path().join(program)).filter(|private| private.exists());
            let mut command = Command::new(private.unwrap_or_else(|| program.into()));
            command.args(arguments).envs(proxy::environment(self.tools.path())).output()
        })?;
        let output = output.with_context(|| format!("cannot run {program}"))?;
        if !output.status.success() {
            bail!("`{program} {}` failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        String::from_utf8(output.stdout).with_context(|| format!("{program} did not print UTF-8"))
    }

    /// The node's rules.
    pub fn iptables_save(&self) -> Result<String> {
        let rules_of = |table| self.run_on_node("iptables-save", &["-t", table]);
        Ok(rules_of("nat")? + &rules_of("filter")?)
    }

    /// Adds rules to those that there are.
    fn restore_rules(&self, rules: &str) -> Result<()> {
        let mut restore = Command::new(self.tools.path().join("iptables-restore"));
        restore.arg("--noflush").envs(proxy::environment(self.tools.path()));
        self.node.feed(restore, rules)
    }
}

fn node(name: &str) -> Result<Netns> {
    let node = Netns::new(name)?;
    node.sysctl(&[
        ("ipv4/ip_forward", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
        // Every rejection is told, however many there are.
        ("ipv4/icmp_ratelimit", "0"),
        ("ipv4/icmp_msgs_per_sec", "1000000"),
        ("ipv4/icmp_msgs_burst", "1000000"),
    ])?;
    node.sysctl(&[("bridge/bridge-nf-call-iptables", "1")])
        .context("kube-proxy's rules have to see what crosses the pods' bridge: the kernel needs br_netfilter")?;
    node.ip(&[
        format!("link add {POD_BRIDGE} type bridge"),
        format!("address add {BRIDGE}/24 dev {POD_BRIDGE}"),
        format!("link set {POD_BRIDGE} up"),
    ])?;
    Ok(node)
}

fn outside(name: &str) -> Result<Netns> {
    let outside = Netns::new(name)?;
    outside.sysctl(&[
        ("ipv4/ip_forward", "0"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
    ])?;
    let mut lines = vec!["link add lan type bridge".to_owned(), "link set lan up".to_owned()];
    lines.extend(OUTSIDE.map(|address| format!("address add {address}/24 dev lan")));
    lines.push(format!("route add 10.16.0.0/24 via {NODE}"));
    lines.push(format!("route add 10.16.1.0/24 via {NODE_2}"));
    lines.push(format!("route add {BEYOND} via {NODE}"));
    lines.extend(to_services());
    outside.ip(&lines)?;
    Ok(outside)
}

fn node_2(name: &str, outside: &Netns) -> Result<Netns> {
    let node_2 = Netns::new(name)?;
    node_2.sysctl(&[("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0")])?;
    uplink(&node_2, outside, NODE_2, "lan2")?;
    let mut lines: Vec<String> =
        REMOTE_PODS.iter().chain([&BEYOND]).map(|ip| format!("address add {ip}/32 dev lo")).collect();
    lines.push(format!("route add 10.16.0.0/24 via {NODE}"));
    lines.extend(to_services());
    node_2.ip(&lines)?;
    Ok(node_2)
}

fn to_services() -> [String; 2] {
    [SERVICE_CIDR, EXTERNAL_CIDR].map(|range| format!("route add {range} via {NODE}"))
}

fn uplink(node: &Netns, outside: &Netns, address: Ipv4Addr, port: &str) -> Result<()> {
    node.cable("uplink", outside, port)?;
    outside.ip(&[format!("link set {port} master lan")])?;
    node.ip(&[format!("address add {address}/24 dev uplink")])
}

fn pod(node: &Netns, index: usize, address: Ipv4Addr) -> Result<Netns> {
    let pod = Netns::new(&format!("{} pod {address}", node.name()))?;
    let port = format!("pod{index}");
    node.cable(&port, &pod, "eth0")?;
    node.ip(&[
        format!("link set {port} master {POD_BRIDGE}"),
        format!("link set {port} type bridge_slave hairpin on"),
    ])?;
    pod.ip(&[format!("address add {address}/24 dev eth0"), format!("route add default via {BRIDGE}")])?;
    Ok(pod)
}
