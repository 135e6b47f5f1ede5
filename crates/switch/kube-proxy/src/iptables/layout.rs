//! The chains that all Services share, and the jumps that lead packets to them; both spelled as upstream's.

use super::Table;

/// A chain that belongs to no single Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shared {
    MarkMasq,
    Postrouting,
    Forward,
    /// In `nat`: where each cluster IP, external IP and load balancer IP leads to its Service.
    Services,
    NodePorts,
    /// In `filter`: what has no endpoints is refused, by cluster IP.
    Refused,
    /// In `filter`: what has no endpoints is refused, by external addresses.
    RefusedExternally,
    /// In `filter`: what load balancer source ranges did not let through is dropped.
    ProxyFirewall,
}

impl Shared {
    /// In an order in which none is needed by one before it.
    pub const ALL: [Self; 8] = [
        Self::MarkMasq,
        Self::Postrouting,
        Self::NodePorts,
        Self::Services,
        Self::Forward,
        Self::Refused,
        Self::RefusedExternally,
        Self::ProxyFirewall,
    ];

    pub fn table(self) -> Table {
        match self {
            Self::MarkMasq | Self::Postrouting | Self::NodePorts | Self::Services => Table::Nat,
            Self::Forward | Self::Refused | Self::RefusedExternally | Self::ProxyFirewall => Table::Filter,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::MarkMasq => "KUBE-MARK-MASQ",
            Self::Postrouting => "KUBE-POSTROUTING",
            Self::NodePorts => "KUBE-NODEPORTS",
            Self::Services | Self::Refused => "KUBE-SERVICES",
            Self::Forward => "KUBE-FORWARD",
            Self::RefusedExternally => "KUBE-EXTERNAL-SERVICES",
            Self::ProxyFirewall => "KUBE-PROXY-FIREWALL",
        }
    }

    /// kubelet makes and keeps the same chain, with the same rules.
    pub fn is_kubelets_too(self) -> bool {
        matches!(self, Self::MarkMasq | Self::Postrouting)
    }

    pub fn of(table: Table) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |chain| chain.table() == table)
    }

    pub fn find(table: Table, name: &str) -> Option<Self> {
        Self::of(table).find(|chain| chain.name() == name)
    }
}

/// A rule of a chain of the system's that leads to one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    pub from: &'static str,
    pub to: Shared,
    /// Only the first packet of each connection.
    pub new_only: bool,
    pub comment: &'static str,
}

/// All of them; prepended, where missing, so that the last one comes first.
pub const JUMPS: [Jump; 11] = [
    Jump { from: "INPUT", to: Shared::RefusedExternally, new_only: true, comment: EXTERNAL },
    Jump { from: "FORWARD", to: Shared::RefusedExternally, new_only: true, comment: EXTERNAL },
    Jump { from: "FORWARD", to: Shared::Refused, new_only: true, comment: PORTALS },
    Jump { from: "OUTPUT", to: Shared::Refused, new_only: true, comment: PORTALS },
    Jump { from: "FORWARD", to: Shared::Forward, new_only: false, comment: "kubernetes forwarding rules" },
    Jump { from: "INPUT", to: Shared::ProxyFirewall, new_only: true, comment: FIREWALL },
    Jump { from: "OUTPUT", to: Shared::ProxyFirewall, new_only: true, comment: FIREWALL },
    Jump { from: "FORWARD", to: Shared::ProxyFirewall, new_only: true, comment: FIREWALL },
    Jump { from: "OUTPUT", to: Shared::Services, new_only: false, comment: PORTALS },
    Jump { from: "PREROUTING", to: Shared::Services, new_only: false, comment: PORTALS },
    Jump { from: "POSTROUTING", to: Shared::Postrouting, new_only: false, comment: "kubernetes postrouting rules" },
];

const EXTERNAL: &str = "kubernetes externally-visible service portals";
const PORTALS: &str = "kubernetes service portals";
const FIREWALL: &str = "kubernetes load balancer firewall";

/// Whether a chain of that name is the userspace mode's, ours or upstream's.
pub fn is_userspace(chain: &str) -> bool {
    ["KUBE-PORTALS-", "KUBE-NODEPORT-"].into_iter().any(|prefix| chain.starts_with(prefix))
}

/// Whether a chain is one that upstream has in iptables mode, and we have not. By its canary, which is empty, it notices that somebody flushed a
/// table; in `filter`, since 1.21, it lets in what asks health check node ports.
pub fn is_upstreams(table: Table, chain: &str) -> bool {
    chain == "KUBE-PROXY-CANARY" || (table == Table::Filter && chain == Shared::NodePorts.name())
}
