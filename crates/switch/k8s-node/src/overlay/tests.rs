//! With real packets: two nodes, each with a pod, and between them two routers that know the nodes' addresses and no pod's.

use std::{
    io,
    net::{Ipv4Addr, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use cluster::BRIDGE;
use common::xtables::Family;
use rustix::net::sockopt::{Ipv4PathMtuDiscovery, set_ip_mtu_discover};

use super::*;
use crate::{
    firewall,
    test_network::{Place, REACHED_WITHIN, ip, iptables},
    test_support::until_freed,
};

const CLUSTER: &str = include_str!("../../../cluster/tests/fixtures/cluster.toml");
const A: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);
const B: Ipv4Addr = Ipv4Addr::new(2, 2, 2, 2);
const POD_OF_B: Ipv4Addr = Ipv4Addr::new(10, 16, 1, 2);

fn cluster() -> Cluster {
    Cluster::parse(CLUSTER, "cluster.toml").unwrap()
}

fn sending_by(backend: Backend) -> NetworkOn {
    NetworkOn { backend, ..cluster().network() }
}

/// Two nodes two hops apart, and the pods on them, which have Linux' own MTU.
struct Fabric {
    a: Place,
    b: Place,
    pod_of_a: Place,
    pod_of_b: Place,
    between: [Place; 2],
}

impl Fabric {
    fn new() -> Fabric {
        let [a, b, one, two] = std::array::from_fn(|_| Place::forwarding());
        let (pod_of_a, pod_of_b) = (Place::new(), Place::new());
        a.cable(("Et1", "10.0.0.1/30"), &one, ("Et1", "10.0.0.2/30"));
        one.cable(("Et2", "10.0.0.5/30"), &two, ("Et2", "10.0.0.6/30"));
        two.cable(("Et1", "10.0.0.9/30"), &b, ("Et1", "10.0.0.10/30"));
        a.cable((BRIDGE, "10.16.0.1/24"), &pod_of_a, ("eth0", "10.16.0.2/24"));
        b.cable((BRIDGE, "10.16.1.1/24"), &pod_of_b, ("eth0", "10.16.1.2/24"));
        for (place, commands) in [
            (&a, ["address add 1.1.1.1/32 dev lo", "route add 2.2.2.2/32 via 10.0.0.2"]),
            (&one, ["route add 1.1.1.1/32 via 10.0.0.1", "route add 2.2.2.2/32 via 10.0.0.6"]),
            (&two, ["route add 1.1.1.1/32 via 10.0.0.5", "route add 2.2.2.2/32 via 10.0.0.10"]),
            (&b, ["address add 2.2.2.2/32 dev lo", "route add 1.1.1.1/32 via 10.0.0.9"]),
        ] {
            place.run(|| commands.into_iter().for_each(ip));
        }
        for (pod, gateway) in [(&pod_of_a, "10.16.0.1"), (&pod_of_b, "10.16.1.1")] {
            pod.run(|| ip(&format!("route add default via {gateway}")));
        }
        Fabric { a, b, pod_of_a, pod_of_b, between: [one, two] }
    }

    fn nodes(&self) -> [(&Place, &str); 2] {
        [(&self.a, "veos-b"), (&self.b, "veos-l1")]
    }

    /// On both nodes.
    fn apply(&self, backend: Backend) {
        for (place, name) in self.nodes() {
            apply(place, name, backend, 1450);
        }
    }

    /// EOS' firewall, which lets nothing through, and ours.
    fn firewall(&self) {
        for (place, name) in self.nodes() {
            let node = cluster().node(name).unwrap().clone();
            place.run(|| {
                iptables("-P FORWARD DROP");
                iptables("-P INPUT DROP");
                iptables("-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT");
                let network = NetworkOn { open: false, ..sending_by(Backend::Vxlan) };
                let chains = firewall::desired(&cluster(), &node, &network, &[]);
                for chains in [chains, vec![firewall::fits()]] {
                    assert!(!crate::iptables::Firewall::new(Family::V4, chains).unwrap().ensure().unwrap().is_empty());
                }
                assert!(firewall::can_fit(), "the reconciler would not keep it");
            });
        }
    }
}

fn apply(place: &Place, name: &str, backend: Backend, mtu: u16) -> Changes {
    let cluster = cluster();
    let network = sending_by(backend);
    let overlay = Overlay::desired(&cluster, cluster.node(name).unwrap(), &network, mtu);
    place.run(|| overlay.apply().unwrap())
}

/// What comes of a datagram that makes a packet of this size.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Arrived,
    TooBig,
    Lost,
}

fn datagram(fabric: &Fabric, size: u16, discovery: Ipv4PathMtuDiscovery) -> Sent {
    let receiver = fabric.pod_of_b.run(|| UdpSocket::bind((POD_OF_B, 0)).unwrap());
    receiver.set_read_timeout(Some(REACHED_WITHIN / 3)).unwrap();
    let port = receiver.local_addr().unwrap().port();
    let sender = fabric.pod_of_a.run(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        set_ip_mtu_discover(&socket, discovery).unwrap();
        socket.connect((POD_OF_B, port)).unwrap();
        socket
    });
    let bytes = vec![1; usize::from(size - 28)];
    for _ in 0..2 {
        match sender.send(&bytes).map_err(|error| Errno::from_io_error(&error)) {
            Err(Some(Errno::MSGSIZE)) => return Sent::TooBig,
            sent => drop(sent.unwrap()),
        }
        if receiver.recv(&mut [0; 2000]).is_ok() {
            return Sent::Arrived;
        }
    }
    Sent::Lost
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn pods_reach_each_other_over_a_fabric_that_knows_the_nodes_alone() {
    let fabric = Fabric::new();
    fabric.firewall();
    let [listener] = fabric.pod_of_b.listen([80]);
    assert!(!fabric.pod_of_a.reaches(POD_OF_B, 80), "there is another way than VXLAN");
    fabric.apply(Backend::Routes);
    assert!(!fabric.pod_of_a.reaches(POD_OF_B, 80), "what is sent by routes goes by VXLAN");
    fabric.apply(Backend::Vxlan);
    assert!(fabric.pod_of_a.reaches(POD_OF_B, 80));
    assert!(fabric.a.reaches(POD_OF_B, 80), "a node does not reach a pod");
    for (place, name) in fabric.nodes() {
        assert_eq!(apply(place, name, Backend::Vxlan, 1450), Changes::default(), "{name}: it was right");
    }
    drop(listener);
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn packets_of_1450_bytes_pass_and_who_sends_larger_ones_is_told() {
    let fabric = Fabric::new();
    fabric.apply(Backend::Vxlan);
    fabric.firewall();
    assert_eq!(datagram(&fabric, 1450, Ipv4PathMtuDiscovery::DO), Sent::Arrived);
    assert_eq!(datagram(&fabric, 1500, Ipv4PathMtuDiscovery::DO), Sent::TooBig);
    assert_eq!(datagram(&fabric, 1500, Ipv4PathMtuDiscovery::DONT), Sent::Arrived, "in fragments");
    assert!(fabric.pod_of_a.sends_all(&fabric.pod_of_b, POD_OF_B, 81, 1 << 20));
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn tcp_of_pods_with_1500_bytes_passes_where_no_error_comes_back() {
    let fabric = Fabric::new();
    fabric.apply(Backend::Vxlan);
    for pod in [&fabric.pod_of_a, &fabric.pod_of_b] {
        pod.run(|| iptables("-A INPUT -p icmp -j DROP"));
    }
    assert!(!fabric.pod_of_a.sends_all(&fabric.pod_of_b, POD_OF_B, 81, 1 << 20), "the error was not needed");
    fabric.firewall();
    assert!(fabric.pod_of_a.sends_all(&fabric.pod_of_b, POD_OF_B, 82, 1 << 20));
}

#[test]
#[ignore = "needs root, for network namespaces"]
fn a_narrow_place_on_the_way_is_learnt_and_a_wide_one_is_not_used_beyond_what_was_said() {
    let fabric = Fabric::new();
    let mtu = |limit| fabric.a.run(|| mtu::towards(&[B], A, contract::ports::VXLAN, limit).unwrap());
    assert_eq!(mtu(1450), 1450);
    assert_eq!(mtu(8950), 1450, "the interface takes no more");
    for place in &fabric.between {
        place.run(|| ip("link set Et2 mtu 1400"));
    }
    assert_eq!(mtu(1450), 1350);
}

#[test]
#[ignore = "needs root, for network namespaces"]
fn what_somebody_else_has_changed_and_what_cluster_toml_has_no_longer_is_put_right() {
    let place = Place::new();
    let cluster = cluster();
    let entries = |command: &str| {
        place.run(|| {
            let (program, words) = command.split_once(' ').unwrap();
            crate::program::new(program, "test").unwrap().args(words.split(' ')).read().unwrap()
        })
    };
    let overlay = Overlay::desired(&cluster, cluster.node("veos-b").unwrap(), &sending_by(Backend::Vxlan), 1450);
    let differs = || place.run(|| overlay.differs().unwrap());
    assert!(differs().made && differs().made, "a look makes nothing");
    assert!(apply(&place, "veos-b", Backend::Vxlan, 1450).made);
    assert_eq!(differs(), Changes::default());
    // As the kernel makes one for what a routing protocol sends.
    place.run(|| ip("neigh add 224.0.0.5 lladdr 01:00:5e:00:00:05 dev kube-vxlan nud noarp"));
    assert_eq!(differs(), Changes::default(), "an entry of the kernel's own");
    for command in ["route del 10.16.1.0/24", "neigh del 10.16.2.1 dev kube-vxlan", "address flush dev kube-vxlan"] {
        place.run(|| ip(command));
    }
    place.run(|| ip("route add 10.99.0.0/24 via 10.16.2.9 dev kube-vxlan onlink"));
    place.run(|| ip("link set kube-vxlan down mtu 1300"));
    let seen = differs();
    assert!(!seen.made && seen.set && seen.added > 0 && differs() == seen, "a look changes nothing: {seen:?}");
    let changes = apply(&place, "veos-b", Backend::Vxlan, 1450);
    assert!(!changes.made && changes.added > 0, "{changes:?}");
    assert_eq!(apply(&place, "veos-b", Backend::Vxlan, 1450), Changes::default());
    assert!(entries("ip link show kube-vxlan").contains("mtu 1450"));
    let routes = entries("ip -4 route");
    assert!(routes.contains("10.16.1.0/24 via 10.16.1.1 dev kube-vxlan") && !routes.contains("10.99"), "{routes}");

    // A node is taken out of cluster.toml; another VNI makes another interface.
    let mut smaller = cluster.clone();
    smaller.nodes.retain(|node| node.name != "veos-l2");
    let mut network = sending_by(Backend::Vxlan);
    let overlay = |network: &NetworkOn| Overlay::desired(&smaller, smaller.node("veos-b").unwrap(), network, 1450);
    place.run(|| assert!(!overlay(&network).apply().unwrap().made));
    for command in ["ip -4 route", "ip neigh show dev kube-vxlan", "bridge fdb show dev kube-vxlan"] {
        let shown = entries(command);
        assert!(!shown.contains("3.3.3.3") && !shown.contains("10.16.2."), "{command}: {shown}");
    }
    assert!(entries("bridge fdb show dev kube-vxlan").contains("02:6b:02:02:02:02 dst 2.2.2.2"));
    network.written.vni = 77;
    place.run(|| assert!(overlay(&network).apply().unwrap().made));
    place.run(|| remove().unwrap());
    assert!(!entries("ip link").contains("kube-vxlan"));
    place.run(|| remove().unwrap());
}

#[test]
#[ignore = "needs root, for network namespaces"]
fn another_interface_with_the_same_vni_or_a_program_at_the_port_is_named_with_what_to_do() {
    let place = Place::new();
    let cluster = cluster();
    let overlay = Overlay::desired(&cluster, cluster.node("veos-b").unwrap(), &sending_by(Backend::Vxlan), 1450);
    place.run(|| ip("link add theirs type vxlan id 4096 dstport 8472 local 1.1.1.1 nolearning"));
    let told = place.run(|| format!("{:#}", overlay.apply().unwrap_err()));
    assert!(told.contains("VNI 4096 on UDP port 8472") && told.contains("another vni"), "{told}");
    place.run(|| ip("link del theirs"));
    let taken = place.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 8472)).unwrap());
    let told = place.run(|| format!("{:#}", overlay.apply().unwrap_err()));
    assert!(told.contains("has UDP port 8472") && told.contains("another port"), "{told}");
    drop(taken);
    until_freed(|| place.run(|| overlay.apply().is_ok()));
}

/// Asks a pod again and again; the longest time without an answer.
fn longest_silence(fabric: &Fabric, meanwhile: impl FnOnce()) -> Duration {
    let socket = |place: &Place, address: Ipv4Addr| -> UdpSocket {
        let socket = place.run(|| UdpSocket::bind((address, 0)).unwrap());
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        socket
    };
    let (asking, answering) = (socket(&fabric.pod_of_a, Ipv4Addr::UNSPECIFIED), socket(&fabric.pod_of_b, POD_OF_B));
    let to = answering.local_addr().unwrap();
    let ended = AtomicBool::new(false);
    let is_on = || !ended.load(Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| {
            while is_on() {
                if let Ok((_, from)) = answering.recv_from(&mut [0; 8]) {
                    let _ = answering.send_to(&[2], from);
                }
            }
        });
        let silence = scope.spawn(|| -> io::Result<Duration> {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while is_on() {
                asking.send_to(&[1], to)?;
                if asking.recv(&mut [0; 8]).is_ok() {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
            }
            Ok(longest.max(last.elapsed()))
        });
        thread::sleep(Duration::from_millis(300));
        meanwhile();
        thread::sleep(Duration::from_millis(300));
        ended.store(true, Ordering::Relaxed);
        silence.join().unwrap().unwrap()
    })
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn nodes_change_over_from_routes_to_vxlan_and_back_in_any_order_while_pods_talk() {
    let fabric = Fabric::new();
    // A fabric that knows the pods' ranges, as vEOS' static routes make it.
    let pods = [
        ("10.16.0.0/24", ["10.0.0.1", "10.0.0.5", "10.0.0.9"]),
        ("10.16.1.0/24", ["10.0.0.2", "10.0.0.6", "10.0.0.10"]),
    ];
    for (range, [first, second, third]) in pods {
        let forwards = range.starts_with("10.16.1.");
        let [one, two] = &fabric.between;
        let places = if forwards { [&fabric.a, one, two] } else { [one, two, &fabric.b] };
        for (place, next) in places.into_iter().zip([first, second, third]) {
            place.run(|| ip(&format!("route add {range} via {next} metric 20")));
        }
    }
    fabric.apply(Backend::Routes);
    fabric.firewall();
    for order in [[Backend::Vxlan, Backend::Routes], [Backend::Routes, Backend::Vxlan]] {
        let silence = longest_silence(&fabric, || {
            for backend in order {
                for (place, name) in fabric.nodes() {
                    apply(place, name, backend, 1450);
                    thread::sleep(Duration::from_millis(100));
                }
            }
        });
        assert!(silence < Duration::from_secs(2), "{silence:?} without an answer, {order:?}");
    }
}
