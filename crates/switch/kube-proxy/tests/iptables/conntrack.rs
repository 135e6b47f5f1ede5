//! Flows of UDP and SCTP that went past the rules: begun while these were away, or not judged as the kernel would not let them be. On real iptables and
//! the kernel's real table of connections.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kube_proxy::backend::Backend;
use kube_proxy::healthz::Health;
use kube_proxy::iptables::Iptables;
use kube_proxy::metrics::Metrics;
use kube_proxy::model::{Endpoint, EndpointState, Model, Place, Protocol, Service, ServicePort};
use kube_proxy::observer::{Reports, StaleFlows, Standing};
use kube_proxy::syncer::Observer;
use kube_proxy::{events, service_health};
use rustix::net::{AddressFamily, SendFlags, SocketType, bind, ipproto, sendto, socket};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::real::{Real, with_each_variant};
use crate::states::{endpoint, endpoints, name, one, port, service, settings};

const CLUSTER_IP: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 10);
/// An address of the node's that a load balancer gave to the Service, too.
const BALANCED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 8);
const SERVED: [Protocol; 2] = [Protocol::Udp, Protocol::Sctp];

/// A node with a Service of UDP and SCTP, and clients on it that send from one and the same port.
struct Node {
    model: Model,
    backend: Iptables,
    reports: Reports,
    client: UdpSocket,
    /// Of SCTP, as whoever has no module for its sockets can send it.
    sctp: OwnedFd,
}

impl Node {
    fn new(real: &Real) -> Self {
        for words in [
            "link set lo up",
            "link add one type veth peer name other",
            "link set one up",
            "link set other up",
            "address add 192.0.2.9/24 dev one",
            "address add 192.0.2.8/24 dev one",
            "route add 10.0.0.0/8 dev one",
        ] {
            let done = Command::new("ip").args(words.split(' ')).status().expect("ip can be run");
            assert!(done.success(), "ip {words}");
        }
        let ports = SERVED.map(|protocol| ServicePort { node_port: Some(30053), ..port("dns", protocol, 53) });
        let load_balancer_ips = [BALANCED].into();
        let dns = Service { cluster_ip: CLUSTER_IP, load_balancer_ips, ports: ports.into(), ..service() };
        let model = one(dns, &[endpoint(2, Place::OtherNode)]);
        let reports = reports(&Arc::new(Metrics::new()));
        let backend = Iptables::new(real.tool.clone(), settings());
        let client = UdpSocket::bind("192.0.2.9:40000").expect("an address of its own");
        let sctp = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::SCTP)).expect("a raw socket");
        bind(&sctp, &SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 9), 0)).expect("an address of its own");
        Self { model, backend, reports, client, sctp }
    }

    fn sync(&mut self) {
        self.backend.sync(&self.model, &BTreeSet::new()).expect("synced");
        self.reports.synced(&self.model, &BTreeSet::new(), Duration::ZERO, &[]);
    }

    fn check(&mut self) -> bool {
        let repaired = self.backend.check(&self.model).expect("checked");
        self.reports.checked(&self.model, repaired);
        repaired
    }

    /// Sends a datagram, or asks for an association, and says who the kernel expects an answer from.
    fn answering_at(&self, protocol: Protocol, asked: Ipv4Addr, port: u16) -> String {
        match protocol {
            Protocol::Sctp => send_init(&self.sctp, SocketAddrV4::new(asked, port)),
            _ => drop(self.client.send_to(b"?", (asked, port)).expect("sent")),
        }
        let (asked, port) = (asked.to_string(), port.to_string());
        let filter = ["-L", "-p", protocol.as_str(), "--orig-dst", &asked, "--orig-port-dst", &port];
        let listed = Command::new("conntrack").args(filter).output();
        let listed = String::from_utf8(listed.expect("conntrack can be run").stdout).unwrap();
        let sources: Vec<&str> = listed.split_whitespace().filter_map(|word| word.strip_prefix("src=")).collect();
        assert_eq!(sources.len(), 2, "one flow: {listed}");
        sources[1].to_owned()
    }

    fn answering(&self) -> String {
        self.answering_at(Protocol::Udp, CLUSTER_IP, 53)
    }

    /// So that the kernel tracks connections before there are rules.
    fn track(&self, real: &Real) {
        real.restore("*filter\n-A OUTPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n");
    }
}

/// SCTP's first packet, from port 40000.
fn send_init(socket: &OwnedFd, to: SocketAddrV4) {
    let mut packet = Vec::new();
    packet.extend(40000_u16.to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    // No tag yet, and no checksum, which nobody looks at where packets leave.
    packet.extend([0; 8]);
    // The chunk INIT: its length, a tag, a window, streams out and in, and the first number.
    packet.extend([1, 0, 0, 20, 0, 0, 0, 7, 0, 0, 255, 255, 0, 1, 0, 1, 0, 0, 0, 1]);
    sendto(socket, &packet, SendFlags::empty(), &SocketAddrV4::new(*to.ip(), 0)).expect("sent");
}

/// As the program makes them.
pub fn reports(metrics: &Arc<Metrics>) -> Reports {
    let health = Arc::new(Health::new(Duration::from_secs(30)));
    let (service_health, _) = service_health::channel(Vec::new(), Arc::clone(&health), events::channel("veos-b").0);
    Reports {
        metrics: Arc::clone(metrics),
        health,
        service_health,
        flows: Some(StaleFlows::default()),
        standing: Standing::default(),
    }
}

/// Does something without the right to change the network, as in a pod that was not given it.
fn without_rights(work: impl FnOnce()) {
    let before = capabilities(None).expect("asked");
    let mut fewer = capabilities(None).expect("asked");
    fewer.effective.remove(CapabilitySet::NET_ADMIN);
    set_capabilities(None, fewer).expect("given up");
    work();
    set_capabilities(None, before).expect("taken back");
}

#[test]
#[ignore = "needs root, iptables-legacy, iptables-nft and conntrack"]
fn a_flow_that_began_while_rules_were_away_is_judged_after_the_repair() {
    with_each_variant(|real| {
        let mut node = Node::new(real);
        node.sync();
        assert_eq!(node.answering(), "10.16.0.2");
        // Somebody flushes; what was known of connections goes, too, as over an interface that was down.
        real.restore("*nat\n-F KUBE-SERVICES\nCOMMIT\n");
        assert!(Command::new("conntrack").arg("-F").status().unwrap().success());
        assert_eq!(node.answering(), CLUSTER_IP.to_string(), "it goes past the rules");
        assert!(node.check());
        assert_eq!(node.answering(), "10.16.0.2");
        assert!(!node.check());
    });
}

#[test]
#[ignore = "needs root, iptables-legacy, iptables-nft and conntrack"]
fn a_flow_that_could_not_be_judged_is_judged_at_the_next_check() {
    with_each_variant(|real| {
        let mut node = Node::new(real);
        node.track(real);
        assert_eq!(node.answering(), CLUSTER_IP.to_string(), "there are no rules yet");
        node.backend.sync(&node.model, &BTreeSet::new()).expect("synced");
        without_rights(|| node.reports.synced(&node.model, &BTreeSet::new(), Duration::ZERO, &[]));
        assert_eq!(node.answering(), CLUSTER_IP.to_string(), "nobody could delete it");
        assert!(!node.check());
        assert_eq!(node.answering(), "10.16.0.2");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy, iptables-nft and conntrack"]
fn a_flow_that_began_before_the_rules_is_judged_at_each_of_a_service_s_addresses() {
    with_each_variant(|real| {
        let mut node = Node::new(real);
        node.track(real);
        let own = Ipv4Addr::new(192, 0, 2, 9);
        let flows = SERVED.into_iter().flat_map(|protocol| {
            [(CLUSTER_IP, 53), (BALANCED, 53), (BALANCED, 30053), (own, 30053)].map(|(at, port)| (protocol, at, port))
        });
        let flows: Vec<_> = flows.collect();
        for &(protocol, at, port) in &flows {
            assert_eq!(node.answering_at(protocol, at, port), at.to_string(), "there are no rules yet");
        }
        // The same number at an address that is the node's and no Service's.
        let others = SERVED.map(|protocol| (protocol, node.answering_at(protocol, own, 53)));
        node.sync();
        for (protocol, at, port) in flows {
            assert_eq!(node.answering_at(protocol, at, port), "10.16.0.2", "{protocol} to {at}:{port}");
        }
        for (protocol, answering) in others {
            assert_eq!(answering, own.to_string());
            assert_eq!(node.answering_at(protocol, own, 53), own.to_string(), "{protocol}");
        }
    });
}

#[test]
#[ignore = "needs root, iptables-legacy, iptables-nft and conntrack"]
fn a_flow_to_an_endpoint_that_only_serves_until_it_ends_goes_to_one_that_is_ready() {
    with_each_variant(|real| {
        let mut node = Node::new(real);
        node.sync();
        let before = SERVED.map(|protocol| node.answering_at(protocol, CLUSTER_IP, 53));
        assert_eq!(before, ["10.16.0.2", "10.16.0.2"]);
        let leaving = Endpoint { state: EndpointState::ServingTerminating, ..endpoint(2, Place::OtherNode) };
        let mut touched = BTreeSet::new();
        let service = name("web");
        for (behind, expected) in
            [(vec![leaving], "10.16.0.2"), (vec![leaving, endpoint(3, Place::OtherNode)], "10.16.0.3")]
        {
            for protocol in SERVED {
                node.model.apply(endpoints(&service, &port("dns", protocol, 53), &behind), &mut touched);
            }
            node.backend.sync(&node.model, &touched).expect("synced");
            node.reports.synced(&node.model, &touched, Duration::ZERO, &[]);
            let after = SERVED.map(|protocol| node.answering_at(protocol, CLUSTER_IP, 53));
            assert_eq!(after, [expected, expected]);
        }
    });
}
