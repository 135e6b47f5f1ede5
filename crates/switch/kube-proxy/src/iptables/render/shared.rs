//! The chains that all Services share: what stands in them anyway, and what each Service port has in them.

use std::fmt::Write;

use super::port::RenderedPort;
use super::rule::comment;
use crate::endpoint_selection::TrafficTarget;
use crate::iptables::chain::Kind;
use crate::iptables::layout::{Jump, Shared};
use crate::iptables::{Feature, IptablesSettings};
use crate::model::Protocol;

/// The lines of one Service in each chain that it shares with others.
#[derive(Debug, Default)]
pub struct Lines {
    pub services: String,
    pub node_ports: String,
    pub refused: String,
    pub refused_externally: String,
    pub proxy_firewall: String,
}

impl Lines {
    /// The chains in which Services have lines.
    pub const CHAINS: [Shared; 5] =
        [Shared::NodePorts, Shared::Services, Shared::Refused, Shared::RefusedExternally, Shared::ProxyFirewall];

    pub fn in_chain(&self, chain: Shared) -> &str {
        match chain {
            Shared::Services => &self.services,
            Shared::NodePorts => &self.node_ports,
            Shared::Refused => &self.refused,
            Shared::RefusedExternally => &self.refused_externally,
            Shared::ProxyFirewall => &self.proxy_firewall,
            Shared::MarkMasq | Shared::Postrouting | Shared::Forward => "",
        }
    }
}

/// Adds the lines of one port.
pub fn lines(port: &RenderedPort<'_>, lines: &mut Lines) {
    internal(port, lines);
    if !port.has_endpoints() {
        return refuse_external(port, lines, "has no endpoints", refusal(port));
    }
    lead_to_external(port, lines);
    if port.selection.external == TrafficTarget::Drop {
        refuse_external(port, lines, "has no local endpoints", "DROP");
    }
}

fn internal(port: &RenderedPort<'_>, lines: &mut Lines) {
    let to = match_destination(port, port.service.cluster_ip);
    match port.selection.internal {
        TrafficTarget::Endpoints(_) => {
            let target = port.internal_chain();
            push(&mut lines.services, Shared::Services, &to("cluster IP"), target);
        }
        TrafficTarget::Reject => push(&mut lines.refused, Shared::Refused, &to("has no endpoints"), refusal(port)),
        TrafficTarget::Drop => push(&mut lines.refused, Shared::Refused, &to("has no local endpoints"), "DROP"),
    }
}

fn lead_to_external(port: &RenderedPort<'_>, lines: &mut Lines) {
    let external = port.name.chain(Kind::External);
    for &address in &port.service.external_ips {
        push(&mut lines.services, Shared::Services, &match_destination(port, address)("external IP"), external);
    }
    for &address in &port.service.load_balancer_ips {
        let to = match_destination(port, address);
        if port.is_firewalled() {
            let firewall = port.name.chain(Kind::Firewall);
            push(&mut lines.services, Shared::Services, &to("loadbalancer IP"), firewall);
            let refused = to(&format!("traffic not accepted by {firewall}"));
            push(&mut lines.proxy_firewall, Shared::ProxyFirewall, &refused, "DROP");
        } else {
            push(&mut lines.services, Shared::Services, &to("loadbalancer IP"), external);
        }
    }
    if let Some(node_port) = port.node_port() {
        let (protocol, comment) = (port.name.protocol, comment(port.settings, port.name));
        let matches = format!("-p {protocol} {comment}-m {protocol} --dport {node_port}");
        push(&mut lines.node_ports, Shared::NodePorts, &matches, external);
    }
}

fn refuse_external(port: &RenderedPort<'_>, lines: &mut Lines, why: &str, target: &str) {
    for address in port.external_addresses() {
        let matches = match_destination(port, address)(why);
        push(&mut lines.refused_externally, Shared::RefusedExternally, &matches, target);
    }
    if let Some(node_port) = port.node_port() {
        let comment = comment(port.settings, format_args!("{} {why}", port.name));
        let protocol = port.name.protocol;
        for range in port.settings.node_port_ranges() {
            let local = "-m addrtype --dst-type LOCAL";
            let matches = format!("{range}-p {protocol} {comment}{local} -m {protocol} --dport {node_port}");
            push(&mut lines.refused_externally, Shared::RefusedExternally, &matches, target);
        }
    }
}

fn match_destination(port: &RenderedPort<'_>, address: std::net::Ipv4Addr) -> impl Fn(&str) -> String {
    move |what| {
        let comment = comment(port.settings, format_args!("{} {what}", port.name));
        let (protocol, number) = (port.name.protocol, port.port.port);
        format!("-d {address}/32 -p {protocol} {comment}-m {protocol} --dport {number}")
    }
}

/// TCP is reset: the kernel limits how many ICMP errors it sends to one host.
fn refusal(port: &RenderedPort<'_>) -> &'static str {
    match port.name.protocol {
        _ if !port.settings.features.has(Feature::Reject) => "DROP",
        Protocol::Tcp => "REJECT --reject-with tcp-reset",
        Protocol::Udp | Protocol::Sctp => "REJECT --reject-with icmp-port-unreachable",
    }
}

fn push(text: &mut String, chain: Shared, matches: &str, target: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "-A {} {matches} -j {target}", chain.name());
}

/// What stands in a shared chain before and after the Services' lines.
pub fn head_and_tail(settings: &IptablesSettings, chain: Shared) -> (String, String) {
    let mark = format!("{0:#x}/{0:#x}", settings.mark());
    let rules = |rules: &[String]| rules.iter().map(|rule| format!("-A {} {rule}\n", chain.name())).collect();
    match chain {
        Shared::MarkMasq => (rules(&[format!("-j MARK --set-xmark {mark}")]), String::new()),
        // kubelet asks for exactly these three.
        Shared::Postrouting => {
            let comment = comment(settings, "kubernetes service traffic requiring SNAT");
            let fully = if settings.features.has(Feature::RandomFully) { " --random-fully" } else { "" };
            let only_marked = format!("-m mark ! --mark {mark} -j RETURN");
            let unmark = format!("-j MARK --set-xmark {:#x}/0x0", settings.mark());
            (rules(&[only_marked, unmark, format!("{comment}-j MASQUERADE{fully}")]), String::new())
        }
        Shared::Forward => {
            let marked = comment(settings, "kubernetes forwarding rules");
            let accept_marked = format!("{marked}-m mark --mark {mark} -j ACCEPT");
            if !settings.features.has(Feature::Conntrack) {
                return (rules(&[accept_marked]), String::new());
            }
            let known = comment(settings, "kubernetes forwarding conntrack rule");
            let accept_known = format!("{known}-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
            (rules(&[drop_invalid(settings), vec![accept_marked, accept_known]].concat()), String::new())
        }
        Shared::Services if settings.features.has(Feature::Addrtype) => {
            let comment =
                comment(settings, "kubernetes service nodeports; NOTE: this must be the last rule in this chain");
            let to_node_ports =
                |range: String| format!("{range}{comment}-m addrtype --dst-type LOCAL -j {}", Shared::NodePorts.name());
            let desired: Vec<String> = settings.node_port_ranges().into_iter().map(to_node_ports).collect();
            (String::new(), rules(&desired))
        }
        Shared::Services | Shared::NodePorts | Shared::Refused | Shared::RefusedExternally | Shared::ProxyFirewall => {
            (String::new(), String::new())
        }
    }
}

/// Answers that conntrack takes for none would reach the client without our address, and reset its connection. But of what only passes
/// through a switch conntrack may see one half, and that is none of ours.
fn drop_invalid(settings: &IptablesSettings) -> Vec<String> {
    let invalid = "-m conntrack --ctstate INVALID -j DROP";
    match &settings.pod_bridge {
        Some(bridge) => ["-i", "-o"].map(|way| format!("{way} {bridge} {invalid}")).into(),
        None => vec![invalid.to_owned()],
    }
}

/// A jump as a rule's words behind the name of the chain that it stands in.
pub fn jump(settings: &IptablesSettings, jump: &Jump) -> String {
    let only_new = jump.new_only && settings.features.has(Feature::Conntrack);
    let new = if only_new { "-m conntrack --ctstate NEW " } else { "" };
    format!("{new}{}-j {}", comment(settings, jump.comment), jump.to.name())
}
