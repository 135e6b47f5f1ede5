//! UDP flows that went past the rules: begun while these were away, or not judged as the kernel would not let them be. On real iptables and
//! the kernel's real table of connections.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kube_proxy::backend::Backend;
use kube_proxy::healthz::Health;
use kube_proxy::iptables::Iptables;
use kube_proxy::metrics::Metrics;
use kube_proxy::model::{Model, Place, Protocol, Service};
use kube_proxy::observer::{Reports, Standing, UdpEntries};
use kube_proxy::syncer::Observer;
use kube_proxy::{events, service_health};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::real::{Real, with_each_variant};
use crate::states::{endpoint, one, port, service, settings};

const CLUSTER_IP: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 10);

/// A node with a UDP Service, and a client on it that sends from one and the same port.
struct Node {
    model: Model,
    backend: Iptables,
    reports: Reports,
    client: UdpSocket,
}

impl Node {
    fn new(real: &Real) -> Self {
        for words in [
            "link set lo up",
            "link add one type veth peer name other",
            "link set one up",
            "link set other up",
            "address add 192.0.2.9/24 dev one",
            "route add 10.0.0.0/8 dev one",
        ] {
            let done = Command::new("ip").args(words.split(' ')).status().expect("ip can be run");
            assert!(done.success(), "ip {words}");
        }
        let dns = Service { cluster_ip: CLUSTER_IP, ports: [port("dns", Protocol::Udp, 53)].into(), ..service() };
        let model = one(dns, &[endpoint(2, Place::OtherNode)]);
        let reports = reports(&Arc::new(Metrics::new()));
        let backend = Iptables::new(real.tool.clone(), settings());
        let client = UdpSocket::bind("192.0.2.9:40000").expect("an address of its own");
        Self { model, backend, reports, client }
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

    /// Sends a datagram, and says who the kernel expects an answer from.
    fn answering(&self) -> String {
        self.client.send_to(b"?", (CLUSTER_IP, 53)).expect("sent");
        let listed = Command::new("conntrack").args(["-L", "-p", "udp", "--orig-dst", "10.10.0.10"]).output();
        let listed = String::from_utf8(listed.expect("conntrack can be run").stdout).unwrap();
        let sources: Vec<&str> = listed.split_whitespace().filter_map(|word| word.strip_prefix("src=")).collect();
        assert_eq!(sources.len(), 2, "one flow: {listed}");
        sources[1].to_owned()
    }
}

/// As the program makes them.
pub fn reports(metrics: &Arc<Metrics>) -> Reports {
    let health = Arc::new(Health::new(Duration::from_secs(30)));
    let (service_health, _) = service_health::channel(Vec::new(), Arc::clone(&health), events::channel("veos-b").0);
    Reports {
        metrics: Arc::clone(metrics),
        health,
        service_health,
        udp: Some(UdpEntries::default()),
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
        // So that the kernel tracks connections.
        real.restore("*filter\n-A OUTPUT -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n");
        assert_eq!(node.answering(), CLUSTER_IP.to_string(), "there are no rules yet");
        node.backend.sync(&node.model, &BTreeSet::new()).expect("synced");
        without_rights(|| node.reports.synced(&node.model, &BTreeSet::new(), Duration::ZERO, &[]));
        assert_eq!(node.answering(), CLUSTER_IP.to_string(), "nobody could delete it");
        assert!(!node.check());
        assert_eq!(node.answering(), "10.16.0.2");
    });
}
