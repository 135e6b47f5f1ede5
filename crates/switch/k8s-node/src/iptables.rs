//! Chains of our own in iptables: one for each place that packets pass, asked for from the system's chains once.

mod of_kubernetes;

use anyhow::{Context, Result};
use cluster::{BRIDGE, Cluster, KubeProxyImplementation, Node};
use common::{command::Program, errors};
use contract::ports;

use crate::program;

pub use self::of_kubernetes::remove_of_kubernetes;

/// A chain of ours, and the system's chain that packets come to it from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    table: &'static str,
    system: &'static str,
    name: &'static str,
    /// As `iptables -S` prints them, behind the chain's name.
    rules: Vec<String>,
}

/// Ports that others have to reach, by name.
struct Opening {
    name: &'static str,
    protocol: &'static str,
    ports: (u16, u16),
}

const fn only(port: u16) -> (u16, u16) {
    (port, port)
}

const MASTER: [Opening; 2] = [
    Opening { name: "api-server", protocol: "tcp", ports: only(ports::API_SERVER) },
    Opening { name: "enrolment", protocol: "tcp", ports: only(ports::ENROLMENT) },
];

const WORKER: [Opening; 3] = [
    Opening { name: "kubelet", protocol: "tcp", ports: only(ports::KUBELET) },
    Opening { name: "node-ports", protocol: "tcp", ports: ports::NODE_PORTS },
    Opening { name: "node-ports", protocol: "udp", ports: ports::NODE_PORTS },
];

/// What kube-proxy has sent to this switch itself: to its own port in userspace mode, or to an endpoint in the host's network.
const SERVICES: &str = "-m conntrack --ctstate DNAT -m comment --comment kubernetes-on-eos-services -j ACCEPT";

const NO_POD: &str = "-m comment --comment kubernetes-on-eos-no-pod-enrols -j DROP";

/// Every chain that a switch needs. One without rules for this switch is there and empty.
pub fn desired(cluster: &Cluster, node: &Node) -> [Chain; 3] {
    let master = if node.master { MASTER.as_slice() } else { &[] };
    let worker = if node.worker { WORKER.as_slice() } else { &[] };
    let open = |Opening { name, protocol, ports }: &Opening| {
        let ports = if ports.0 == ports.1 { ports.0.to_string() } else { format!("{}:{}", ports.0, ports.1) };
        format!("-p {protocol} -m {protocol} --dport {ports} -m comment --comment kubernetes-on-eos-{name} -j ACCEPT")
    };
    let services = node.worker.then(|| SERVICES.to_owned());
    let pods = cluster.pod_cidr;
    // Pods have no business where nodes enrol, and leave a switch in its name: there, nobody could tell them from it.
    let enrolment = format!("-p tcp -m tcp --dport {} {NO_POD}", ports::ENROLMENT);
    let master_at = cluster.master().address;
    let no_pods = [format!("-s {pods} {enrolment}"), format!("-i {BRIDGE} {enrolment}")];
    let no_pods = no_pods.into_iter().filter(|_| node.master);
    let no_enrolling = format!("-d {master_at}/32 -i {BRIDGE} {enrolment}");
    let forward = ["-s", "-d"].map(|way| format!("{way} {pods} -m comment --comment kubernetes-on-eos-pods -j ACCEPT"));
    // To other pods they go with their own addresses; nobody else knows the way back to these.
    let own = node.pod_cidr;
    let leaving = format!("-s {own} ! -d {pods} -m comment --comment kubernetes-on-eos-pods-outwards -j MASQUERADE");
    // A pod of another switch that this one has led to an endpoint elsewhere: the answer would take its own way to the pod, or pass
    // through here as anybody's. What is led to pods of this switch comes back by itself, and keeps the pod's address.
    let stay = format!("-s {own} -j RETURN");
    let led_on = "-m conntrack --ctstate DNAT -m comment --comment kubernetes-on-eos-remote-pods -j MASQUERADE";
    let led_on = format!("-s {pods} ! -o {BRIDGE} {led_on}");
    [
        Chain { rules: no_pods.chain(master.iter().chain(worker).map(open)).chain(services).collect(), ..INPUT },
        Chain {
            rules: if node.worker { [no_enrolling].into_iter().chain(forward).collect() } else { Vec::new() },
            ..FORWARD
        },
        Chain { rules: if node.worker { vec![leaving, stay, led_on] } else { Vec::new() }, ..POSTROUTING },
    ]
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

const TRANSIT: Chain = Chain { table: "raw", system: "PREROUTING", name: "KOE-TRANSIT", rules: Vec::new() };
const INPUT: Chain = Chain { table: "filter", system: "INPUT", name: "KOE-INPUT", rules: Vec::new() };
const FORWARD: Chain = Chain { table: "filter", system: "FORWARD", name: "KOE-FORWARD", rules: Vec::new() };
const POSTROUTING: Chain = Chain { table: "nat", system: "POSTROUTING", name: "KOE-POSTROUTING", rules: Vec::new() };

impl Chain {
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Makes the chain so and asks for it first; says whether anything was to be done.
    pub fn ensure(&self) -> Result<bool> {
        let desired: Vec<String> = [format!("-N {}", self.name)]
            .into_iter()
            .chain(self.rules.iter().map(|rule| format!("-A {} {rule}", self.name)))
            .collect();
        let listed = self.list()?;
        let right = listed.as_ref() == Some(&desired);
        if !right {
            if listed.is_none() {
                self.run(&["-N", self.name])?;
            }
            self.run(&["-F", self.name])?;
            for rule in &self.rules {
                let words: Vec<&str> = ["-A", self.name].into_iter().chain(rule.split_whitespace()).collect();
                self.run(&words)?;
            }
        }
        let asked_for = self.asked_for()?;
        if !asked_for {
            self.run(&["-I", self.system, "1", "-j", self.name])?;
        }
        Ok(!(right && asked_for))
    }

    /// Takes the chain away, however often it is asked for.
    pub fn remove(&self) -> Result<()> {
        while self.asked_for()? {
            self.run(&["-D", self.system, "-j", self.name])?;
        }
        if self.list()?.is_some() {
            self.run(&["-F", self.name])?;
            self.run(&["-X", self.name])?;
        }
        Ok(())
    }

    /// None where there is no such chain.
    fn list(&self) -> Result<Option<Vec<String>>> {
        let output = self.iptables(&["-S", self.name])?.output()?;
        let lines = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        Ok(output.status.success().then_some(lines))
    }

    fn asked_for(&self) -> Result<bool> {
        // `-C` fails also where the chain itself is not there.
        Ok(self.iptables(&["-C", self.system, "-j", self.name])?.output()?.status.success())
    }

    fn run(&self, words: &[&str]) -> Result<()> {
        self.iptables(words)?.read().map(drop)
    }

    fn iptables(&self, words: &[&str]) -> Result<Program> {
        let program = program::new("iptables", "open the firewall for Kubernetes")?;
        Ok(program.args(["-w", "-t", self.table]).args(words))
    }
}

/// Takes every chain of ours away.
pub fn remove_all() -> Result<()> {
    errors::all(
        [TRANSIT, INPUT, FORWARD, POSTROUTING]
            .into_iter()
            .map(|chain| chain.remove().with_context(|| format!("cannot remove the chain {}", chain.name))),
    )
}

#[cfg(test)]
mod tests;
