//! With real rules and real sockets: network namespaces are a master, a worker, and a pod on each.

use std::{
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use common::netns;

use super::*;

const CLUSTER: &str = include_str!("../../../cluster/tests/fixtures/cluster.toml");
const MASTER: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);
const REACHED_WITHIN: Duration = Duration::from_millis(1500);

fn ip(words: &str) {
    Program::new("ip", "test").unwrap().args(words.split(' ')).read().unwrap();
}

fn iptables(words: &str) {
    Program::new("iptables", "test").unwrap().args(words.split(' ')).read().unwrap();
}

/// A new network namespace, and the id of a thread that stays in it for `ip link set … netns`.
struct Place {
    namespace: File,
    thread: i32,
}

impl Place {
    fn new() -> Place {
        let (tell, told) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let namespace = netns::unshare().unwrap();
            ip("link set lo up");
            tell.send((namespace, rustix::thread::gettid().as_raw_nonzero().get())).unwrap();
            thread::sleep(Duration::from_secs(120));
        });
        let (namespace, thread) = told.recv().unwrap();
        Place { namespace, thread }
    }

    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        netns::enter(&self.namespace, work).unwrap()
    }

    /// A cable to another one, with an address at each end.
    fn cable(&self, (own, own_address): (&str, &str), other: &Place, (their, their_address): (&str, &str)) {
        self.run(|| ip(&format!("link add {own} type veth peer name {their} netns {}", other.thread)));
        for (place, name, address) in [(self, own, own_address), (other, their, their_address)] {
            place.run(|| {
                ip(&format!("address add {address} dev {name}"));
                ip(&format!("link set {name} up"));
            });
        }
    }

    fn reaches(&self, address: Ipv4Addr, port: u16) -> bool {
        self.run(|| TcpStream::connect_timeout(&SocketAddr::from((address, port)), REACHED_WITHIN).is_ok())
    }
}

/// A switch as EOS has it: it lets in what it has to, and forwards what is for others.
fn switch(name: &str) -> Place {
    let cluster = Cluster::parse(CLUSTER, "cluster.toml").unwrap();
    let node = cluster.node(name).unwrap().clone();
    let place = Place::new();
    place.run(|| {
        ip(&format!("address add {}/32 dev lo", node.address));
        // Of this namespace alone, which the thread is in.
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap();
        iptables("-P INPUT DROP");
        iptables("-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT");
        iptables("-P FORWARD ACCEPT");
        for chain in desired(&cluster, &node) {
            assert!(chain.ensure().unwrap(), "{} is there", chain.name);
            assert!(!chain.ensure().unwrap(), "iptables prints {} in another way", chain.name);
        }
    });
    place
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn nodes_reach_the_enrolment_server_and_pods_do_not() {
    let (master, worker) = (switch("veos-b"), switch("veos-l1"));
    let (masters_pod, workers_pod) = (Place::new(), Place::new());
    master.cable(("Et1", "10.0.0.1/24"), &worker, ("Et1", "10.0.0.2/24"));
    master.cable((BRIDGE, "10.16.0.1/24"), &masters_pod, ("eth0", "10.16.0.2/24"));
    worker.cable((BRIDGE, "10.16.1.1/24"), &workers_pod, ("eth0", "10.16.1.2/24"));
    master.run(|| ip("route add 2.2.2.2/32 via 10.0.0.2"));
    worker.run(|| ip("route add 1.1.1.1/32 via 10.0.0.1 src 2.2.2.2"));
    masters_pod.run(|| ip("route add default via 10.16.0.1"));
    workers_pod.run(|| ip("route add default via 10.16.1.1"));
    let listening = [ports::ENROLMENT, ports::API_SERVER];
    let listeners = master.run(|| listening.map(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap()));

    for port in listening {
        assert!(worker.reaches(MASTER, port), "a node does not reach {port}");
    }
    for (whose, pod) in [("the master's", masters_pod), ("the worker's", workers_pod)] {
        assert!(pod.reaches(MASTER, ports::API_SERVER), "{whose} pod does not reach the API server");
        assert!(!pod.reaches(MASTER, ports::ENROLMENT), "{whose} pod reaches the enrolment server");
    }
    drop(listeners);
}
