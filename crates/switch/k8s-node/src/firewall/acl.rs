//! `k8s-node acl`: what a control-plane ACL of EOS needs on this switch, where `firewall = "eos"` leaves it all to that.

use cluster::{Cluster, NetworkOn, Node};

use super::ports::{self, Port};

/// In the words of EOS' command line.
pub fn acl(cluster: &Cluster, node: &Node, network: &NetworkOn) -> String {
    let ports = ports::of(cluster, node, network).into_iter().chain(ports::of_names(cluster, node));
    let permits = ports.flat_map(|port| permit(&port, node));
    let permits: String = permits.map(|line| format!("   {line}\n")).collect();
    format!(
        "! What Kubernetes needs on {name}. Put it before the last deny of the ACL that `system control-plane` has (`show running-config\n\
         ! section control-plane`); the default one cannot be changed: copy its rules into one of your own.\n\
         ip access-list kubernetes-on-eos\n\
         {permits}\
         !\n\
         ! Where a Service's endpoint is in the network of this switch (hostNetwork), add the port of it by hand, for whom it is.\n\
         system control-plane\n   \
         ip access-group kubernetes-on-eos in\n",
        name = node.name
    )
}

fn permit(port: &Port, node: &Node) -> Vec<String> {
    let (first, last) = port.numbers;
    let to = if first == last { format!("eq {first}") } else { format!("range {first} {last}") };
    let line = |from: &str| format!("permit {} {from} any {to}", port.protocol);
    let remark = format!("remark {}", port.name);
    let Some(from) = &port.from else { return vec![remark, line("any")] };
    let own_pods = port.pods.then(|| line(&node.pod_cidr.to_string()));
    let ranges = from.iter().map(|range| match range.prefix_len() {
        0 => line("any"),
        32 => line(&format!("host {}", range.addr())),
        _ => line(&range.to_string()),
    });
    let permits: Vec<String> = ranges.chain(own_pods).collect();
    // What is for this switch alone does not come from elsewhere.
    if permits.is_empty() { permits } else { [remark].into_iter().chain(permits).collect() }
}
