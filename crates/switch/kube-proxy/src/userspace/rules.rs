//! The rules of the userspace mode: they send what is for a Service to a listening port of this program, or refuse it. A pure
//! function of the model.
//!
//! Nothing is matched but addresses, protocol and port (and for node ports, that the address is one of this node's), so that the
//! plainest kernel will do.

use std::{fmt::Write, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{
    chains::Chain,
    destinations::{AppliedPolicy, PerPolicy},
};
use crate::{
    endpoint_selection::{EndpointSelection, TrafficTarget},
    iptables::{Feature, Features},
    model::{Protocol, Service, ServiceName, ServicePort, TrafficPolicy},
};

/// What the rules depend on besides Services.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    /// Where the listening sockets are; unspecified: on every address.
    pub address: Ipv4Addr,
    /// Where pods are. They are not held to `externalTrafficPolicy: Local`.
    pub cluster_cidr: Option<Ipv4Net>,
    pub features: Features,
}

/// What happens to traffic of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open(AppliedPolicy),
    Reject,
    Drop,
}

/// What happens to the traffic of one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// At the cluster IP.
    internal: End,
    /// At external addresses, from outside.
    outside: End,
    /// At external addresses, from pods and this node.
    here: End,
}

impl Ends {
    pub fn of(service: &Service, selection: &EndpointSelection) -> Self {
        let applied = |policy, local| if policy == TrafficPolicy::Local { local } else { AppliedPolicy::Cluster };
        let end = |target: &TrafficTarget, policy| match target {
            TrafficTarget::Endpoints(_) => End::Open(policy),
            TrafficTarget::Reject => End::Reject,
            TrafficTarget::Drop => End::Drop,
        };
        Self {
            internal: end(&selection.internal, applied(service.internal_traffic_policy, AppliedPolicy::Internal)),
            outside: end(&selection.external, applied(service.external_traffic_policy, AppliedPolicy::External)),
            here: end(&selection.cluster, AppliedPolicy::Cluster),
        }
    }

    /// The same, with refusals in the place of policies for which nothing listens.
    pub fn where_listening(self, listens: impl Fn(AppliedPolicy) -> bool) -> Self {
        let only = |end| match end {
            End::Open(policy) if !listens(policy) => End::Reject,
            other => other,
        };
        Self { internal: only(self.internal), outside: only(self.outside), here: only(self.here) }
    }

    /// The policies that a port needs a listening port for.
    pub fn needed_policies(&self, service: &Service, port: &ServicePort) -> PerPolicy<bool> {
        let external =
            port.node_port.is_some() || !service.external_ips.is_empty() || !service.load_balancer_ips.is_empty();
        let mut needed = PerPolicy::default();
        let ends = [Some(self.internal), external.then_some(self.outside), external.then_some(self.here)];
        for end in ends.into_iter().flatten() {
            if let End::Open(policy) = end {
                *needed.get_mut(policy) = true;
            }
        }
        needed
    }
}

/// Writes rules: first what they match, then where that goes.
pub struct RuleWriter<'a> {
    conditions: &'a Conditions,
    out: &'a mut dyn FnMut(Chain, &str),
    line: String,
}

/// One port of a Service, as rules need it.
pub struct Front<'a> {
    pub name: &'a ServiceName,
    pub service: &'a Service,
    pub port: &'a ServicePort,
    pub ends: Ends,
    /// Where the program listens for each policy; what the port needs none for is not looked at.
    pub listening: PerPolicy<u16>,
}

impl<'a> RuleWriter<'a> {
    /// `out` gets each rule as iptables-save prints it, behind the chain's name.
    pub fn new(conditions: &'a Conditions, out: &'a mut dyn FnMut(Chain, &str)) -> Self {
        Self { conditions, out, line: String::new() }
    }

    /// Lets in what the other rules send to a listening port, whatever the node's firewall thinks of the port.
    pub fn admit(&mut self, protocol: Protocol, port: u16) {
        let translated =
            if self.conditions.features.has(Feature::Conntrack) { " -m conntrack --ctstate DNAT" } else { "" };
        self.line.clear();
        let _ = write!(self.line, "-p {protocol} -m {protocol} --dport {port}{translated} -j ACCEPT");
        (self.out)(Chain::Input, &self.line);
    }

    /// All rules of one port.
    pub fn port(&mut self, front: &Front<'_>) {
        let Front { service, port, ends, .. } = front;
        let cluster_ip = Match { front, ip: Some(service.cluster_ip), source: None };
        match ends.internal {
            End::Open(policy) => {
                self.send(Chain::Container, &cluster_ip, policy);
                self.send(Chain::Host, &cluster_ip, policy);
            }
            End::Reject => self.refuse(&cluster_ip),
            End::Drop => self.drop(&cluster_ip),
        }
        for &ip in &service.external_ips {
            self.external(front, Some(ip), &[]);
        }
        for &ip in &service.load_balancer_ips {
            self.external(front, Some(ip), &service.load_balancer_source_ranges);
        }
        if port.node_port.is_some() {
            self.external(front, None, &[]);
        }
    }

    /// An address, or a node port (`None`), that is open to everyone or to some `ranges`.
    fn external(&mut self, front: &Front<'_>, ip: Option<Ipv4Addr>, ranges: &[Ipv4Net]) {
        let (container, host) = match ip {
            Some(_) => (Chain::Container, Chain::Host),
            None => (Chain::NodePortContainer, Chain::NodePortHost),
        };
        let Ends { outside, here, .. } = front.ends;
        let End::Open(policy_here) = here else {
            return self.refuse(&Match { front, ip, source: None });
        };
        let everyone = [None];
        let some: Vec<Option<Ipv4Net>> = ranges.iter().copied().map(Some).collect();
        for &source in if some.is_empty() { everyone.as_slice() } else { &some } {
            if outside != here
                && let Some(pods) = self.conditions.cluster_cidr
                && let Some(pods) = common(pods, source)
            {
                self.send(container, &Match { front, ip, source: Some(pods) }, policy_here);
            }
            if let End::Open(policy) = outside {
                self.send(container, &Match { front, ip, source }, policy);
            }
            self.send(host, &Match { front, ip, source }, policy_here);
        }
        if outside == End::Drop || !ranges.is_empty() {
            self.drop(&Match { front, ip, source: None });
        }
    }

    fn send(&mut self, chain: Chain, matched: &Match<'_>, policy: AppliedPolicy) {
        let port = *matched.front.listening.get(policy);
        let address = self.conditions.address;
        let target = if address.is_unspecified() {
            format!("REDIRECT --to-ports {port}")
        } else {
            format!("DNAT --to-destination {address}:{port}")
        };
        self.write(chain, matched, &target);
    }

    fn refuse(&mut self, matched: &Match<'_>) {
        // For TCP a reset, of which the kernel sends as many as it takes; ICMP it limits.
        match (self.conditions.features.has(Feature::Reject), matched.front.port.protocol) {
            (true, Protocol::Tcp) => self.write(matched.refused(), matched, "REJECT --reject-with tcp-reset"),
            (true, _) => self.write(matched.refused(), matched, "REJECT --reject-with icmp-port-unreachable"),
            (false, _) => self.drop(matched),
        }
    }

    fn drop(&mut self, matched: &Match<'_>) {
        self.write(matched.refused(), matched, "DROP");
    }

    fn write(&mut self, chain: Chain, matched: &Match<'_>, target: &str) {
        self.line.clear();
        matched.write(self.conditions.features, &mut self.line);
        let _ = write!(self.line, " -j {target}");
        (self.out)(chain, &self.line);
    }
}

/// What a rule matches; without `ip`, the node port.
struct Match<'a> {
    front: &'a Front<'a>,
    ip: Option<Ipv4Addr>,
    source: Option<Ipv4Net>,
}

impl Match<'_> {
    fn refused(&self) -> Chain {
        if self.ip.is_some() { Chain::Refused } else { Chain::NodePortRefused }
    }

    fn write(&self, features: Features, line: &mut String) {
        let Front { name, port, .. } = self.front;
        let protocol = port.protocol;
        // A range of everything is printed as none.
        if let Some(source) = self.source.filter(|source| source.prefix_len() > 0) {
            let _ = write!(line, "-s {} ", source.trunc());
        }
        if let Some(ip) = self.ip {
            let _ = write!(line, "-d {ip}/32 ");
        }
        let _ = write!(line, "-p {protocol}");
        if features.has(Feature::Comment) {
            let text = comment(&format!("{name}:{}", port.name));
            let _ = write!(line, " -m comment --comment \"{text}\"");
        }
        let number = match self.ip {
            Some(_) => port.port,
            None => port.node_port.unwrap_or_default(),
        };
        let _ = write!(line, " -m {protocol} --dport {number}");
    }
}

/// What a comment may hold.
const COMMENT: usize = 255;

/// Nothing in it may end the comment or the line, whoever made the name.
fn comment(text: &str) -> String {
    let harmless = |of: char| of.is_ascii_graphic() && !matches!(of, '"' | '\\' | '\'');
    text.chars().take(COMMENT).map(|of| if harmless(of) { of } else { '_' }).collect()
}

/// Two nets lie one in the other, or apart.
fn common(pods: Ipv4Net, source: Option<Ipv4Net>) -> Option<Ipv4Net> {
    let Some(source) = source else { return Some(pods) };
    if source.contains(&pods) { Some(pods) } else { pods.contains(&source).then_some(source) }
}

#[cfg(test)]
mod tests;
