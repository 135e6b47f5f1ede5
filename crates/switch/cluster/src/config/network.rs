//! `[network]`: how pods' packets get from switch to switch, and who reaches which of the nodes' ports.
//!
//! The file decides, on every switch the same: without the table a cluster is as those of older releases are, with routes between
//! switches, and kubelet's and enrolment's ports open to everyone. [`Cluster::network`] says what counts.

use std::{net::Ipv4Addr, ops::RangeInclusive, str::FromStr};

use contract::ports;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{
    Cluster, KubeProxy, ProxyMode,
    error::{ConfigError, shown},
};

/// How packets for pods of other switches are sent. Each node receives both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// In VXLAN between the nodes' addresses: nothing between them has to know the pods' ranges.
    Vxlan,
    /// As they are: whatever forwards between the switches knows the pods' ranges.
    Routes,
}

/// Whose rules let packets in to the switch itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Firewall {
    /// A chain of ours, before EOS' own.
    #[default]
    K8sNode,
    /// The operator's control-plane ACL alone.
    Eos,
}

/// As it is written.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NetworkTable {
    backend: Option<Spanned<Backend>>,
    vni: Option<Spanned<u32>>,
    port: Option<Spanned<u16>>,
    mtu: Option<Spanned<u16>>,
    firewall: Option<Spanned<Firewall>>,
    api_allow: Option<Spanned<Vec<Spanned<String>>>>,
    nodeport_allow: Option<Spanned<Vec<Spanned<String>>>>,
    pod_ports_allow: Vec<u16>,
}

/// What is said of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Network {
    /// None where the file does not say.
    pub backend: Option<Backend>,
    /// The VXLAN network identifier.
    pub vni: u32,
    /// VXLAN's UDP port.
    pub port: u16,
    /// The largest packet of a pod, where the way to the other nodes has room for it.
    pub mtu: u16,
    pub firewall: Firewall,
    /// Who may ask the API server, beside nodes and pods; everyone where there is no list.
    pub api_allow: Option<Vec<Ipv4Net>>,
    /// The same of Services' node ports.
    pub nodeport_allow: Option<Vec<Ipv4Net>>,
    /// Of the nodes' ports that pods are kept from, those that they may reach.
    pub pod_ports_allow: Vec<u16>,
}

/// What counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkOn {
    pub backend: Backend,
    /// As in clusters of before, without `[network]`: kubelet and enrolment are open to everyone, and pods are kept from
    /// enrolment alone.
    pub open: bool,
    pub written: Network,
}

impl Default for Network {
    fn default() -> Self {
        Network {
            backend: None,
            vni: Network::VNI,
            port: ports::VXLAN,
            mtu: Network::MTU,
            firewall: Firewall::default(),
            api_allow: None,
            nodeport_allow: None,
            pod_ports_allow: Vec::new(),
        }
    }
}

impl Network {
    /// Another one than flannel's, which is 1.
    pub const VNI: u32 = 4096;
    pub const MTU: u16 = 1450;
    /// What VXLAN over IPv4 puts around a packet.
    pub const AROUND: u16 = 50;
    /// Each host takes packets of the first size; the last leaves room for what is around them in EOS' largest.
    pub const MTUS: RangeInclusive<u16> = 576..=9164;
    const VNIS: RangeInclusive<u32> = 1..=0xff_ffff;
}

impl Cluster {
    /// What counts, with what is not written.
    pub fn network(&self) -> NetworkOn {
        let written = self.network.clone().unwrap_or_default();
        let backend = written.backend.unwrap_or(Backend::Routes);
        NetworkOn { backend, open: self.network.is_none(), written }
    }

    /// What nobody has decided: clusters of before have no `backend`, and routes serve only where the kernel forwards.
    pub fn network_remark(&self) -> Option<&'static str> {
        let is_undecided = self.network.as_ref().is_none_or(|network| network.backend.is_none());
        // Of one switch there are no others; where addresses are translated there is no choice.
        let matters = self.nodes.len() > 1 && !self.nat;
        (is_undecided && matters).then_some(
            "pods' packets go by routes, which hardware does not forward: once every switch has this release, write backend = \"vxlan\" \
             below [network] into every cluster.toml, or backend = \"routes\" where the network between the switches knows the pods' ranges",
        )
    }
}

impl NetworkTable {
    pub(super) fn check(self, nat: bool, proxy: KubeProxy, text: &str, errors: &mut Vec<ConfigError>) -> Network {
        let mut wrong = |place, problem: String, fix: &str| errors.push(ConfigError::at(text, place, problem, fix));
        if let Some(backend) = self.backend.as_ref().filter(|backend| nat && *backend.get_ref() == Backend::Vxlan) {
            wrong(
                backend.span(),
                "VXLAN goes between the nodes' own addresses, and [join] has nat = true".into(),
                "write backend = \"routes\", or take nat out",
            );
        }
        let is_userspace = proxy.mode == Some(ProxyMode::Userspace);
        if let Some(firewall) = self.firewall.as_ref().filter(|one| is_userspace && *one.get_ref() == Firewall::Eos) {
            wrong(
                firewall.span(),
                "firewall = \"eos\" lets in what the control-plane ACL names, and kube-proxy in mode userspace listens on ports that it \
                 takes anew each time"
                    .into(),
                "take mode out below [kube-proxy], or firewall here",
            );
        }
        for (key, listed) in [("api_allow", &self.api_allow), ("nodeport_allow", &self.nodeport_allow)] {
            if let Some(listed) = listed.as_ref().filter(|_| nat) {
                wrong(
                    listed.span(),
                    format!(
                        "{key} would keep nodes out, as they come from other addresses than theirs: [join] has nat = true"
                    ),
                    "take it out, and let the network before the switches keep others away; or take nat out",
                );
            }
        }
        if let Some(vni) = self.vni.as_ref().filter(|vni| !Network::VNIS.contains(vni.get_ref())) {
            wrong(vni.span(), format!("vni = {} is no VXLAN network identifier", vni.get_ref()), "take 1 to 16777215");
        }
        if let Some(port) = self.port.as_ref().filter(|port| *port.get_ref() == 0) {
            wrong(port.span(), "VXLAN has no port 0".into(), "take 1 to 65535, as in port = 8472");
        }
        if let Some(mtu) = self.mtu.as_ref().filter(|mtu| !Network::MTUS.contains(mtu.get_ref())) {
            let fix = "take 576 to 9164: 50 less than what the way between the nodes has room for";
            wrong(mtu.span(), format!("mtu = {} is no size of pods' packets", mtu.get_ref()), fix);
        }
        let mut ranges = |key: &str, written: Option<Spanned<Vec<Spanned<String>>>>| {
            written.map(Spanned::into_inner).map(|written| {
                let range = |value: Spanned<String>| {
                    let range = range(value.get_ref());
                    if range.is_none() {
                        let problem = format!("{key}: {} is no IPv4 range", shown(value.get_ref()));
                        wrong(value.span(), problem, "write it as in \"192.0.2.0/24\" or \"192.0.2.7\"");
                    }
                    range
                };
                written.into_iter().filter_map(range).collect()
            })
        };
        let api_allow = ranges("api_allow", self.api_allow);
        let nodeport_allow = ranges("nodeport_allow", self.nodeport_allow);
        let value = |written: Option<Spanned<u16>>, unsaid| written.map_or(unsaid, Spanned::into_inner);
        Network {
            backend: self.backend.map(Spanned::into_inner),
            vni: self.vni.map_or(Network::VNI, Spanned::into_inner),
            port: value(self.port, ports::VXLAN),
            mtu: value(self.mtu, Network::MTU),
            firewall: self.firewall.map(Spanned::into_inner).unwrap_or_default(),
            api_allow,
            nodeport_allow,
            pod_ports_allow: self.pod_ports_allow,
        }
    }
}

/// A range from its first address on, or one address.
fn range(written: &str) -> Option<Ipv4Net> {
    let alone = || Ipv4Addr::from_str(written).ok().map(Ipv4Net::from);
    Ipv4Net::from_str(written).ok().or_else(alone).filter(|range| range.addr() == range.network())
}
