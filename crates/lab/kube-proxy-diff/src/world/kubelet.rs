//! What kubelet 1.20 puts beside a kube-proxy's rules; upstream's kube-proxy marks packets, and it is kubelet who drops them.

/// For `iptables-restore`.
pub const RULES: &str = include_str!("kubelet.rules");

/// Whether a chain is kubelet's alone.
pub fn is_kubelets(chain: &str) -> bool {
    ["KUBE-MARK-DROP", "KUBE-FIREWALL"].contains(&chain)
}
