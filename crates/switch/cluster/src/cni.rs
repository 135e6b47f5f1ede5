//! The pods' network on one node: a bridge with the node's range, in the format that the CNI plugins read.

use crate::Node;

/// The bridge that a node's pods are on.
pub const BRIDGE: &str = "kube0";

/// The interface that packets for pods of other switches go out of in VXLAN.
pub const VXLAN: &str = "kube-vxlan";

/// A CNI network configuration list, as the kubelet finds it in a `.conflist` file.
///
/// Pods keep their addresses on the way to other nodes (`ipMasq` is off): the switches route them. `mtu` is for pods that begin
/// from here on; without it they have Linux' own.
pub fn conflist(node: &Node, mtu: Option<u16>) -> String {
    let mut list = serde_json::json!({
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
    if let Some(mtu) = mtu {
        list["plugins"][0]["mtu"] = mtu.into();
    }
    format!("{list:#}\n")
}
