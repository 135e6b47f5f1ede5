//! The pods' network on one node: a bridge with the node's range, in the format that the CNI plugins read.

use crate::Node;

/// The bridge that a node's pods are on.
pub const BRIDGE: &str = "kube0";

/// A CNI network configuration list, as the kubelet finds it in a `.conflist` file.
///
/// Pods keep their addresses on the way to other nodes (`ipMasq` is off): the switches route them.
pub fn conflist(node: &Node) -> String {
    let list = serde_json::json!({
        "cniVersion": "0.3.1",
        "name": "kubernetes-on-eos",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{ "subnet": node.pod_cidr.to_string() }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    });
    format!("{list:#}\n")
}
