//! What rules depend on besides Services and endpoints.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::Features;

/// The options of kube-proxy that are about rules, and what the probe found.
#[derive(Clone, Debug)]
pub struct IptablesSettings {
    /// `--cluster-cidr`: pods' addresses. Without it nothing is masqueraded but what comes from outside to external addresses.
    pub cluster_cidr: Option<Ipv4Net>,
    /// `--masquerade-all`
    pub masquerade_all: bool,
    /// `--iptables-masquerade-bit`, 0 to 31
    pub masquerade_bit: u8,
    /// `--nodeport-addresses`: the local addresses at which node ports answer; all if empty.
    pub nodeport_addresses: Vec<Ipv4Net>,
    /// This node's address, which decides whether it may itself use load balancer addresses with source ranges. `None` where only the Node
    /// object says it.
    pub node_ip: Option<Ipv4Addr>,
    /// `--pod-bridge-interface`: where this node's pods are. What only passes through is not judged by conntrack then.
    pub pod_bridge: Option<String>,
    pub features: Features,
}

impl IptablesSettings {
    /// The mark that asks for masquerading.
    pub fn mark(&self) -> u32 {
        1_u32.checked_shl(self.masquerade_bit.into()).unwrap_or_default()
    }

    /// `-s` or `-d` with the pods' addresses, where they are known and not simply all.
    pub(super) fn pods(&self) -> Option<Ipv4Net> {
        self.cluster_cidr.map(|cidr| cidr.trunc()).filter(|cidr| cidr.prefix_len() > 0)
    }

    /// Matches for each range of addresses at which node ports answer.
    pub(super) fn node_port_ranges(&self) -> Vec<String> {
        let everywhere = self.nodeport_addresses.iter().any(|range| range.prefix_len() == 0);
        if everywhere || self.nodeport_addresses.is_empty() {
            return vec![String::new()];
        }
        self.nodeport_addresses.iter().map(|range| format!("-d {} ", range.trunc())).collect()
    }

    /// Whether node ports answer at 127.0.0.1 as well.
    pub(super) fn node_ports_at_loopback(&self) -> bool {
        let loopback = Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8).trunc();
        let overlaps = |range: &Ipv4Net| range.contains(&loopback.network()) || loopback.contains(&range.network());
        self.nodeport_addresses.is_empty() || self.nodeport_addresses.iter().any(overlaps)
    }
}

#[cfg(test)]
pub(super) fn complete() -> IptablesSettings {
    IptablesSettings {
        cluster_cidr: None,
        masquerade_all: false,
        masquerade_bit: 14,
        nodeport_addresses: Vec::new(),
        node_ip: None,
        pod_bridge: None,
        features: Features::all(),
    }
}
