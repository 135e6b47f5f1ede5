//! With real rules and real sockets: network namespaces are a master, a worker, a pod on each, and somebody else.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream, UdpSocket};

use common::command::Program;
use contract::ports as numbers;

use super::*;
use crate::{
    desired::Desired,
    iptables,
    test_network::{Place, REACHED_WITHIN, ip, iptables},
};

const CLUSTER: &str = include_str!("../../../cluster/tests/fixtures/cluster.toml");
const MASTER: Ipv4Addr = Ipv4Addr::new(1, 1, 1, 1);
const WORKER: Ipv4Addr = Ipv4Addr::new(2, 2, 2, 2);
/// Of the worker, where it is a stranger's neighbour.
const TO_STRANGER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);
const SSH: u16 = 22;
const EAPI: u16 = 443;
const GNMI: u16 = 6030;
const NODE_PORT: u16 = 30_080;

/// As `k8s-node init` writes it.
const NEW: &str = "[network]\nbackend = \"vxlan\"\n";

/// Without a `[network]`, one of before.
fn cluster(network: &str) -> Cluster {
    Cluster::parse(&format!("{CLUSTER}\n{network}"), "cluster.toml").unwrap()
}

/// A switch as EOS has it: it lets in what it has for who manages it, and forwards nothing by the kernel.
fn switch(cluster: &Cluster, network: &NetworkOn, name: &str) -> Place {
    let node = cluster.node(name).unwrap().clone();
    let place = Place::forwarding();
    place.run(|| {
        ip(&format!("address add {}/32 dev lo", node.address));
        for rules in ["-P INPUT DROP", "-A INPUT -i lo -j ACCEPT", "-P FORWARD DROP", "-A FORWARD -i Et2 -j DROP"] {
            iptables(rules);
        }
        iptables("-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT");
        for port in [SSH, EAPI, GNMI] {
            iptables(&format!("-A INPUT -p tcp --dport {port} -j ACCEPT"));
        }
        ensure(cluster, &node, network);
    });
    place
}

fn ensure(cluster: &Cluster, node: &Node, network: &NetworkOn) {
    let chains = desired(cluster, node, network, &talking_inside().unwrap());
    let mut firewall = iptables::Firewall::new(Family::V4, chains).unwrap();
    firewall.ensure().unwrap();
    assert_eq!(firewall.ensure().unwrap(), [""; 0], "iptables prints them in another way");
}

/// A master and a worker beside each other, a pod on each, and a stranger who is the worker's neighbour.
struct World {
    cluster: Cluster,
    network: NetworkOn,
    master: Place,
    worker: Place,
    pod_of_master: Place,
    pod_of_worker: Place,
    stranger: Place,
}

impl World {
    fn new(text: &str) -> World {
        let cluster = cluster(text);
        let network = cluster.network();
        let (master, worker) = (switch(&cluster, &network, "veos-b"), switch(&cluster, &network, "veos-l1"));
        let [pod_of_master, pod_of_worker, stranger] = std::array::from_fn(|_| Place::new());
        master.cable(("Et1", "10.0.0.1/24"), &worker, ("Et1", "10.0.0.2/24"));
        worker.cable(("Et2", "10.0.1.1/24"), &stranger, ("eth0", "10.0.1.2/24"));
        master.cable((BRIDGE, "10.16.0.1/24"), &pod_of_master, ("eth0", "10.16.0.2/24"));
        worker.cable((BRIDGE, "10.16.1.1/24"), &pod_of_worker, ("eth0", "10.16.1.2/24"));
        // As EOS' routes have it, a packet has the address of the interface that it leaves by.
        master.run(|| ["route add 2.2.2.2/32 via 10.0.0.2", "route add 10.0.1.0/24 via 10.0.0.2"].map(ip));
        worker.run(|| ip("route add 1.1.1.1/32 via 10.0.0.1"));
        for (place, gateway) in [(&pod_of_master, "10.16.0.1"), (&pod_of_worker, "10.16.1.1"), (&stranger, "10.0.1.1")]
        {
            place.run(|| ip(&format!("route add default via {gateway}")));
        }
        World { cluster, network, master, worker, pod_of_master, pod_of_worker, stranger }
    }

    /// Where EOS' agent and not the kernel forwards, this is what it does.
    fn forwards_strangers_packets(&self) {
        self.worker.run(|| iptables("-I FORWARD 1 -i Et2 -o Et1 -j ACCEPT"));
        self.worker.run(|| iptables("-I FORWARD 1 -i Et1 -o Et2 -j ACCEPT"));
    }
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn the_kubelet_is_for_the_master_and_enrolment_for_nodes() {
    let world = World::new(NEW);
    world.forwards_strangers_packets();
    let _kubelet = world.worker.listen([numbers::KUBELET]);
    let _master = world.master.listen([numbers::ENROLMENT, numbers::API_SERVER, numbers::KUBELET]);
    assert!(world.master.reaches(WORKER, numbers::KUBELET), "kubectl logs");
    assert!(world.worker.reaches(WORKER, numbers::KUBELET), "its own switch");
    assert!(!world.stranger.reaches(WORKER, numbers::KUBELET));
    assert!(!world.worker.reaches(MASTER, numbers::KUBELET), "a worker is no master");
    assert!(!world.stranger.reaches(MASTER, numbers::ENROLMENT));
    world.worker.run(|| ip("route replace 1.1.1.1/32 via 10.0.0.1 src 2.2.2.2"));
    assert!(world.worker.reaches(MASTER, numbers::ENROLMENT), "a node asks from its own address");
    for (who, place) in [("a worker", &world.worker), ("a pod", &world.pod_of_worker), ("a stranger", &world.stranger)]
    {
        assert!(place.reaches(MASTER, numbers::API_SERVER), "{who} does not reach the API server");
    }
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn metrics_are_for_the_master_itself() {
    for text in [NEW, ""] {
        let world = World::new(text);
        // An operator's ACL may let everybody in.
        world.master.run(|| iptables(&format!("-A INPUT -p tcp --dport {} -j ACCEPT", numbers::METRICS_SERVER)));
        let _listening = world.master.listen([numbers::METRICS_SERVER]);
        assert!(world.master.reaches(MASTER, numbers::METRICS_SERVER), "its own API server: {text}");
        for (who, place) in [
            ("a worker", &world.worker),
            ("a pod", &world.pod_of_master),
            ("a pod elsewhere", &world.pod_of_worker),
            ("a stranger", &world.stranger),
        ] {
            // Without a `[network]` the ACL has the last word; the stranger is behind the worker, and nothing is forwarded for it.
            let reaches = text.is_empty() && who != "a stranger";
            assert_eq!(place.reaches(MASTER, numbers::METRICS_SERVER), reaches, "{who}: {text}");
        }
    }
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn no_pod_reaches_what_is_for_nodes_or_for_who_manages_the_switch_unless_it_is_allowed() {
    const PORTS: [u16; 7] = [numbers::ETCD, numbers::ENROLMENT, numbers::KUBELET, SSH, EAPI, GNMI, numbers::API_SERVER];
    let world = World::new(NEW);
    let _listening = (world.master.listen(PORTS), world.worker.listen(PORTS));
    for (whose, pod) in [("the master's", &world.pod_of_master), ("the worker's", &world.pod_of_worker)] {
        for port in PORTS {
            let open = port == numbers::API_SERVER;
            assert_eq!(pod.reaches(MASTER, port), open, "{whose} pod, the master's {port}");
        }
        for port in [numbers::KUBELET, EAPI, GNMI] {
            assert!(!pod.reaches(WORKER, port), "{whose} pod reaches the worker's {port}");
        }
    }
    assert!(world.stranger.reaches(WORKER, EAPI), "of others EOS judges");
    assert!(world.master.reaches(WORKER, GNMI));

    let allowed = cluster("[network]\npod_ports_allow = [443, 10250]\n");
    let network = allowed.network();
    for (place, name) in [(&world.master, "veos-b"), (&world.worker, "veos-l1")] {
        place.run(|| ensure(&allowed, allowed.node(name).unwrap(), &network));
    }
    for address in [MASTER, WORKER] {
        for port in [EAPI, numbers::KUBELET] {
            assert!(world.pod_of_worker.reaches(address, port), "{address}:{port} was allowed");
        }
        assert!(!world.pod_of_worker.reaches(address, GNMI));
    }
    assert!(world.worker.reaches(MASTER, numbers::KUBELET), "a pod in the worker's own network");
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn what_kube_proxy_has_marked_asks_the_api_server_in_the_nodes_name_wherever_kubelet_puts_its_chain() {
    let world = World::new("[network]\napi_allow = []\n");
    let _listening = world.master.listen([numbers::API_SERVER]);
    // As kubelet, kube-proxy and the Service `kubernetes` have it for who is in the switch's own network.
    world.worker.run(|| {
        ip("route add 10.10.0.0/22 via 10.0.0.1");
        for rule in [
            "-N KUBE-POSTROUTING",
            "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
            "-A KUBE-POSTROUTING -j MASQUERADE",
            "-I POSTROUTING 1 -j KUBE-POSTROUTING",
            "-A OUTPUT -d 10.10.0.1/32 -p tcp --dport 443 -j MARK --set-xmark 0x4000/0x4000",
            "-A OUTPUT -d 10.10.0.1/32 -p tcp --dport 443 -j DNAT --to-destination 1.1.1.1:6443",
        ] {
            iptables(&format!("-t nat {rule}"));
        }
        iptables("-N KUBE-FIREWALL");
        iptables("-I INPUT 1 -j KUBE-FIREWALL");
    });
    let kubernetes = Ipv4Addr::new(10, 10, 0, 1);
    assert!(!world.worker.reaches(kubernetes, 443), "it has the node's address without us");
    let wrong = world.worker.run(|| {
        let chains = desired(&world.cluster, world.cluster.node("veos-l1").unwrap(), &world.network, &[]);
        let mut firewall = iptables::Firewall::new(Family::V4, chains).unwrap();
        let wrong = firewall.ensure().unwrap();
        assert!(wrong.iter().all(|thing| firewall.is_usual(thing)), "it would be given up: {wrong:?}");
        assert_eq!(firewall.wrong().unwrap(), [""; 0]);
        wrong
    });
    assert_eq!(wrong, ["the place of KOE-INPUT", "the place of KOE-POSTROUTING"]);
    assert!(world.worker.reaches(kubernetes, 443));
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn lists_of_everyone_let_everyone_in_and_are_found_as_they_were_made() {
    // A rule that iptables prints in another way fails where the switches are made.
    let world = World::new("[network]\napi_allow = [\"0.0.0.0/0\"]\nnodeport_allow = [\"0.0.0.0/0\"]\n");
    world.forwards_strangers_packets();
    let _listening = world.master.listen([numbers::API_SERVER]);
    assert!(world.stranger.reaches(MASTER, numbers::API_SERVER));
    let acl = acl(&world.cluster, world.cluster.node("veos-b").unwrap(), &world.network);
    assert!(acl.contains("permit tcp any any eq 6443"), "{acl}");
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn a_table_that_cannot_be_written_keeps_none_of_the_others_from_being_made() {
    let place = Place::new();
    place.run(|| {
        let cluster = cluster(NEW);
        let mut chains = desired(&cluster, cluster.node("veos-l1").unwrap(), &cluster.network(), &[]);
        // As a kernel without mangle; this table's turn is before those of filter and nat.
        chains.iter_mut().filter(|chain| chain.table == "mangle").for_each(|chain| chain.table = "broute");
        let mut firewall = iptables::Firewall::new(Family::V4, chains).unwrap();
        let error = format!("{:#}", firewall.ensure().unwrap_err());
        assert!(error.contains("the table broute"), "{error}");
        let saved = Program::new("iptables-save", "test").unwrap().read().unwrap();
        for made in ["-A INPUT -j KOE-INPUT", "-A FORWARD -j KOE-FORWARD", "-A POSTROUTING -j KOE-POSTROUTING"] {
            assert!(saved.contains(made), "{made}: {saved}");
        }
    });
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn the_cards_of_a_switch_talk_to_each_other_by_addresses_of_the_loopback_range() {
    const PRIVATE: u16 = 8081;
    let (switch, card) = (Place::forwarding(), Place::new());
    for place in [&switch, &card] {
        place.run(|| {
            std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap();
            ip("address flush dev lo");
        });
    }
    switch.cable(("internal0", "127.1.0.1/24"), &card, ("internal0", "127.1.0.2/24"));
    let cluster = cluster(NEW);
    switch.run(|| {
        assert_eq!(talking_inside().unwrap(), ["internal0"]);
        ensure(&cluster, cluster.node("veos-l1").unwrap(), &cluster.network());
    });
    let _listening = switch.listen([PRIVATE]);
    let address = Ipv4Addr::new(127, 1, 0, 1);
    assert!(card.reaches(address, PRIVATE));
    // Without the exception it would not be reached: the test is one.
    switch.run(|| iptables("-t mangle -D KOE-PREROUTING -i internal0 -j RETURN"));
    assert!(!card.reaches(address, PRIVATE));
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn what_a_service_has_led_to_a_switch_is_let_in_for_pods_too_but_for_what_is_the_nodes() {
    let world = World::new(NEW);
    let _listening = world.worker.listen([EAPI, numbers::KUBELET]);
    world.worker.run(|| {
        for (port, to) in [(80, EAPI), (81, numbers::KUBELET)] {
            iptables(&format!("-t nat -A PREROUTING -d 10.10.0.9 -p tcp --dport {port} -j DNAT --to 2.2.2.2:{to}"));
        }
        ip("route add 10.10.0.0/22 dev lo");
    });
    let service = Ipv4Addr::new(10, 10, 0, 9);
    assert!(world.pod_of_worker.reaches(service, 80));
    assert!(!world.pod_of_worker.reaches(service, 81));
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn pods_ask_for_names_at_the_cluster_s_dns_address_on_their_switch() {
    const DNS: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 10);
    let world = World::new(NEW);
    let server = world.worker.run(|| {
        // As cluster-dns has them.
        for chain in ["PREROUTING", "OUTPUT"] {
            iptables(&format!("-t raw -A {chain} -d {DNS}/32 -p udp --dport 53 -j CT --notrack"));
            iptables(&format!("-t raw -A {chain} -s {DNS}/32 -p udp --sport 53 -j CT --notrack"));
        }
        iptables(&format!("-I INPUT 1 -d {DNS}/32 -i {BRIDGE} -p udp --dport 53 -j ACCEPT"));
        ip(&format!("address add {DNS}/32 dev lo"));
        UdpSocket::bind((DNS, numbers::DNS)).unwrap()
    });
    // Made anew behind them, ours stand first.
    world.worker.run(|| iptables("-D INPUT -j KOE-INPUT"));
    world.worker.run(|| ensure(&world.cluster, world.cluster.node("veos-l1").unwrap(), &world.network));
    let asking = world.pod_of_worker.run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap());
    for socket in [&server, &asking] {
        socket.set_read_timeout(Some(REACHED_WITHIN)).unwrap();
    }
    asking.send_to(&[1], (DNS, numbers::DNS)).unwrap();
    let (_, from) = server.recv_from(&mut [0; 8]).expect("the question arrives");
    server.send_to(&[2], from).unwrap();
    assert_eq!(asking.recv_from(&mut [0; 8]).expect("the answer arrives").1, SocketAddr::from((DNS, numbers::DNS)));
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn the_api_server_and_node_ports_are_for_those_who_are_listed_and_for_nodes_and_pods_always() {
    let lists = |allowed: &str| format!("[network]\napi_allow = [{allowed}]\nnodeport_allow = [{allowed}]\n");
    for (allowed, is_listed) in [("", false), ("\"10.0.1.2\", \"192.0.2.0/24\"", true)] {
        let world = World::new(&lists(allowed));
        world.forwards_strangers_packets();
        let _listening = (world.master.listen([numbers::API_SERVER]), world.worker.listen([8080]));
        // As kube-proxy leads a node port to an endpoint.
        let _pod = world.pod_of_worker.listen([8080]);
        world.worker.run(|| {
            let to = "-p tcp --dport 30080 -j DNAT --to 10.16.1.2:8080";
            iptables(&format!("-t nat -A PREROUTING -m addrtype --dst-type LOCAL {to}"));
            iptables(&format!("-t nat -A OUTPUT -m addrtype --dst-type LOCAL {to}"));
            iptables("-t nat -A POSTROUTING -m conntrack --ctstate DNAT -o kube0 -j MASQUERADE");
        });
        assert_eq!(world.stranger.reaches(MASTER, numbers::API_SERVER), is_listed, "{allowed}: API server");
        assert_eq!(world.stranger.reaches(TO_STRANGER, NODE_PORT), is_listed, "{allowed}: node port");
        for (who, place) in [
            ("the master", &world.master),
            ("its pod", &world.pod_of_master),
            ("the worker's pod", &world.pod_of_worker),
        ] {
            assert!(place.reaches(WORKER, NODE_PORT), "{allowed}: {who} does not reach a node port");
        }
        assert!(world.worker.reaches(MASTER, numbers::API_SERVER), "{allowed}: a worker");
        assert!(world.pod_of_worker.reaches(MASTER, numbers::API_SERVER), "{allowed}: a worker's pod");
    }
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn vxlan_is_taken_from_nodes_alone() {
    let world = World::new(NEW);
    let socket = |place: &Place, address: Ipv4Addr, port| place.run(|| UdpSocket::bind((address, port)).unwrap());
    let receiver = socket(&world.worker, WORKER, numbers::VXLAN);
    receiver.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    let sends = |from: &Place, address| {
        socket(from, address, 0).send_to(&[0], (WORKER, numbers::VXLAN)).unwrap();
        receiver.recv(&mut [0; 8]).is_ok()
    };
    assert!(sends(&world.master, MASTER));
    assert!(!sends(&world.stranger, Ipv4Addr::UNSPECIFIED) && !sends(&world.pod_of_worker, Ipv4Addr::UNSPECIFIED));
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn what_only_passes_through_is_as_eos_has_it() {
    let world = World::new(NEW);
    // As pods of other switches, and as anybody.
    let _listening = world.master.listen([8080]);
    world.master.run(|| ip("address add 10.16.7.7/32 dev lo"));
    world.worker.run(|| ip("route add 10.16.7.7/32 via 10.0.0.1"));
    let pod_elsewhere = Ipv4Addr::new(10, 16, 7, 7);
    world.master.run(|| iptables("-I INPUT 1 -p tcp --dport 8080 -j ACCEPT"));
    for to in [pod_elsewhere, MASTER] {
        assert!(!world.stranger.reaches(to, 8080), "{to}: EOS drops it, and something of ours lets it through");
    }
    world.forwards_strangers_packets();
    for to in [pod_elsewhere, MASTER] {
        assert!(world.stranger.reaches(to, 8080), "{to}: EOS lets it through, and something of ours drops it");
    }
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn what_listens_on_the_loopback_interface_is_not_reached_through_the_routes_that_services_need() {
    const PRIVATE: u16 = 8081;
    let world = World::new("");
    let _listener = world.worker.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, PRIVATE)).unwrap());
    world.worker.run(|| {
        iptables("-P INPUT ACCEPT");
        std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap();
    });
    for (place, by) in [(&world.stranger, "10.0.1.1 dev eth0"), (&world.pod_of_worker, "10.16.1.1 dev eth0")] {
        place.run(|| {
            std::fs::write("/proc/sys/net/ipv4/conf/all/route_localnet", "1").unwrap();
            ip("address flush dev lo");
            ip(&format!("route add 127.0.0.1/32 via {by}"));
        });
    }
    let reached = || [&world.stranger, &world.pod_of_worker].map(|place| place.reaches(Ipv4Addr::LOCALHOST, PRIVATE));
    assert_eq!(reached(), [false, false]);
    // Without the guard it would be: the test is one.
    world.worker.run(|| iptables("-t mangle -F KOE-PREROUTING"));
    assert_eq!(reached(), [true, true]);
}

#[test]
#[ignore = "needs root, for network namespaces, and ip6tables"]
fn pods_have_no_ipv6_and_get_nowhere_by_the_addresses_that_their_interfaces_make() {
    let world = World::new(NEW);
    let shown = |place: &Place, words: &str| {
        place.run(|| Program::new("ip", "test").unwrap().args(words.split(' ')).read().unwrap())
    };
    // Until it is known that nobody else has them.
    std::thread::sleep(REACHED_WITHIN * 2);
    let addresses = shown(&world.worker, "-6 -oneline address show dev kube0");
    let address = addresses.split_whitespace().find_map(|word| word.strip_suffix("/64")).expect("it makes one");
    let link = shown(&world.pod_of_worker, "-oneline link show eth0");
    let index = link.split(':').next().unwrap().parse().unwrap();
    let _listener = world.worker.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, SSH)).unwrap());
    let to = SocketAddr::from(SocketAddrV6::new(address.parse().unwrap(), SSH, 0, index));
    let reached = || world.pod_of_worker.run(|| TcpStream::connect_timeout(&to, REACHED_WITHIN).is_ok());
    assert!(reached(), "without rules nothing answers either");
    world.worker.run(|| {
        let chains = desired_ipv6(world.cluster.node("veos-l1").unwrap());
        let mut firewall = iptables::Firewall::new(Family::V6, chains).unwrap();
        assert_eq!(firewall.ensure().unwrap(), ["KOE-INPUT of ip6tables", "KOE-FORWARD of ip6tables"]);
        assert!(firewall.ensure().unwrap().is_empty() && !firewall.may_have_changed());
    });
    assert!(!reached());
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn with_the_operators_acl_nothing_of_ours_lets_anything_in_and_all_of_it_goes_away() {
    let world = World::new("[network]\nfirewall = \"eos\"\n");
    let _listening = world.master.listen([numbers::API_SERVER]);
    assert!(!world.worker.reaches(MASTER, numbers::API_SERVER), "no ACL lets it in");
    let saved = |place: &Place| place.run(|| Program::new("iptables-save", "test").unwrap().read().unwrap());
    let rules = saved(&world.master);
    assert!(!rules.contains("-A KOE-INPUT"), "{rules}");
    world.master.run(|| crate::iptables::remove_all().unwrap());
    assert!(!saved(&world.master).contains("KOE-"));
}

#[test]
#[ignore = "needs root, for network namespaces, and iptables"]
fn a_cluster_of_before_is_as_open_as_it_was() {
    let world = World::new("");
    world.forwards_strangers_packets();
    let _listening =
        (world.worker.listen([numbers::KUBELET, EAPI]), world.master.listen([numbers::ENROLMENT, numbers::KUBELET]));
    assert!(world.stranger.reaches(WORKER, numbers::KUBELET) && world.stranger.reaches(MASTER, numbers::ENROLMENT));
    assert!(world.pod_of_worker.reaches(MASTER, numbers::KUBELET) && world.pod_of_worker.reaches(WORKER, EAPI));
    assert!(
        !world.pod_of_worker.reaches(MASTER, numbers::ENROLMENT)
            && !world.pod_of_master.reaches(MASTER, numbers::ENROLMENT)
    );
    assert!(world.network.open);
}

#[test]
fn who_reaches_what_is_answered_before_any_rule_is_there() {
    let cluster = cluster("[network]\napi_allow = [\"192.0.2.0/24\"]\n");
    let network = cluster.network();
    let says = |from: [u8; 4], node: &str, port: &str| {
        let answer = answer(&cluster, &network, from.into());
        let line = answer.lines().find(|line| line.starts_with(node) && line.contains(port));
        line.unwrap_or_else(|| panic!("{answer}")).split_whitespace().nth(3).unwrap() == "yes"
    };
    let (listed, stranger, worker, pod) = ([192, 0, 2, 7], [198, 51, 100, 1], [2, 2, 2, 2], [10, 16, 1, 9]);
    assert!(says(listed, "veos-b", "6443/tcp") && !says(stranger, "veos-b", "6443/tcp"));
    assert!(says(worker, "veos-b", "6443/tcp") && says(pod, "veos-b", "6443/tcp"));
    assert!(
        says(worker, "veos-b", "6444/tcp") && !says(listed, "veos-b", "6444/tcp") && !says(pod, "veos-b", "6444/tcp")
    );
    assert!(says([1, 1, 1, 1], "veos-l1", "10250/tcp") && !says([3, 3, 3, 3], "veos-l1", "10250/tcp"));
    assert!(says(worker, "veos-l1", "10250/tcp"), "its own");
    assert!(says(stranger, "veos-l2", "30000-32767/udp") && !says(pod, "veos-l2", "8472/udp"));
    assert!(answer(&cluster, &network, pod.into()).contains("gnmi 6030/tcp"));
}

#[test]
fn an_acl_has_a_permit_for_each_who_needs_something() {
    let cluster = cluster("[network]\nfirewall = \"eos\"\napi_allow = [\"192.0.2.0/24\"]\n");
    let acl = acl(&cluster, cluster.node("veos-b").unwrap(), &cluster.network());
    for line in [
        "permit tcp 192.0.2.0/24 any eq 6443",
        "permit tcp host 2.2.2.2 any eq 6443",
        "permit tcp 10.16.0.0/24 any eq 6443",
        "permit tcp host 3.3.3.3 any eq 6444",
        "permit tcp host 1.1.1.1 any eq 10250",
        "permit tcp any any range 30000 32767",
        "permit udp host 2.2.2.2 any eq 8472",
        "permit udp 10.16.0.0/24 any eq 53",
    ] {
        assert!(acl.lines().any(|found| found.trim() == line), "{line}\n{acl}");
    }
    assert!(!acl.contains("any any eq"));
}
