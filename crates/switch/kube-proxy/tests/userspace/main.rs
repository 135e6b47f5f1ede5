//! The userspace mode with real iptables and real packets: from the node itself and from a host outside.

#![allow(clippy::unwrap_used)]

mod few_files;
mod objects;
#[path = "../iptables/real.rs"]
mod real;
mod world;

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket},
    path::PathBuf,
    time::Duration,
};

use kube_proxy::{
    backend::Backend,
    conntrack::{self, Answerer, Asked, ServedAddresses},
    iptables::Tool,
    model::{Model, Protocol, Service, TrafficPolicy},
    userspace::{Userspace, UserspaceSettings},
};
use objects::{endpoints, model, put, service};
use world::{NODE, OUTSIDE, Outside, open, tcp, udp, udp_from};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 1);
const DNS: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 10);

fn start(tool: &Tool) -> Userspace {
    start_at(Ipv4Addr::UNSPECIFIED, tool)
}

fn start_at(bind_address: Ipv4Addr, tool: &Tool) -> Userspace {
    let settings = UserspaceSettings {
        bind_address,
        cluster_cidr: Some("10.16.0.0/16".parse().unwrap()),
        node_port_addresses: Vec::new(),
        udp_timeout: Duration::from_secs(1),
    };
    Userspace::start(tool.clone(), &settings).unwrap()
}

/// One TCP Service with a node port.
fn web(tool: &Tool, at: &[SocketAddrV4]) -> (Userspace, Model) {
    let (mut userspace, mut model) = (start(tool), model());
    let mut touched = put(&mut model, "web", service(VIP, Protocol::Tcp, 80, Some(30080)));
    touched.append(&mut endpoints(&mut model, "web", Protocol::Tcp, at));
    userspace.sync(&model, &touched).unwrap();
    (userspace, model)
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn services_answer_at_every_address_from_the_node_and_from_outside() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(&real.tool, &[outside.tcp("a"), outside.tcp("b")]);
        let mut touched = put(&mut model, "dns", service(DNS, Protocol::Udp, 53, Some(30053)));
        touched.append(&mut endpoints(&mut model, "dns", Protocol::Udp, &[outside.udp("u")]));
        userspace.sync(&model, &touched).unwrap();

        let seen = |name: &str| Ok(format!("{name} {NODE}"));
        for (at, port) in [(VIP, 80), (NODE, 30080), (Ipv4Addr::LOCALHOST, 30080)] {
            let answers = BTreeSet::from([tcp((at, port)), tcp((at, port))]);
            assert_eq!(answers, BTreeSet::from([seen("a"), seen("b")]), "{at}:{port} from the node");
        }
        for (at, port) in [(DNS, 53), (NODE, 30053), (Ipv4Addr::LOCALHOST, 30053)] {
            assert_eq!(udp((at, port)), seen("u"), "{at}:{port} from the node");
        }
        for (at, port) in [(VIP, 80), (NODE, 30080)] {
            let answers = outside.run(move || BTreeSet::from([tcp((at, port)), tcp((at, port))]));
            assert_eq!(answers, BTreeSet::from([seen("a"), seen("b")]), "{at}:{port} from outside");
        }
        for (at, port) in [(DNS, 53), (NODE, 30053)] {
            assert_eq!(outside.run(move || udp((at, port))), seen("u"), "{at}:{port} from outside");
        }
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn with_a_bind_address_services_answer_as_well() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let (mut userspace, mut model) = (start_at(NODE, &real.tool), model());
        let mut touched = put(&mut model, "web", service(VIP, Protocol::Tcp, 80, Some(30080)));
        touched.append(&mut endpoints(&mut model, "web", Protocol::Tcp, &[outside.tcp("a")]));
        touched.append(&mut put(&mut model, "dns", service(DNS, Protocol::Udp, 53, None)));
        touched.append(&mut endpoints(&mut model, "dns", Protocol::Udp, &[outside.udp("u")]));
        userspace.sync(&model, &touched).unwrap();

        let expected = (Ok(format!("a {NODE}")), Ok(format!("a {NODE}")), Ok(format!("u {NODE}")));
        assert_eq!((tcp((VIP, 80)), tcp((NODE, 30080)), udp((DNS, 53))), expected);
        assert_eq!(outside.run(|| (tcp((VIP, 80)), tcp((NODE, 30080)), udp((DNS, 53)))), expected);
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn nobody_gets_past_the_rules_by_connecting_to_the_listening_ports() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let _running = web(&real.tool, &[outside.tcp("a")]);
        let tables = real.tables();
        let port = tables.split("--to-ports ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
        let port: u16 = port.parse().unwrap();
        assert_eq!(tcp((NODE, port)), Err(ErrorKind::ConnectionReset));
        assert_eq!(outside.run(move || tcp((NODE, port))), Err(ErrorKind::ConnectionReset));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn without_endpoints_it_is_refused_at_once_and_with_one_again_it_answers() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(&real.tool, &[]);
        let touched = put(&mut model, "dns", service(DNS, Protocol::Udp, 53, None));
        userspace.sync(&model, &touched).unwrap();
        let refused = Err(ErrorKind::ConnectionRefused);
        assert_eq!((tcp((VIP, 80)), tcp((NODE, 30080))), (refused.clone(), refused.clone()));
        // What the kernel tells a process of its own whose datagram it rejects.
        assert_eq!(udp((DNS, 53)), Err(ErrorKind::PermissionDenied));
        let from_outside = outside.run(|| (tcp((VIP, 80)), tcp((NODE, 30080)), udp((DNS, 53))));
        assert_eq!(from_outside, (refused.clone(), refused.clone(), refused));

        let touched = endpoints(&mut model, "web", Protocol::Tcp, &[outside.tcp("a")]);
        userspace.sync(&model, &touched).unwrap();
        assert_eq!(outside.run(|| tcp((VIP, 80))), Ok(format!("a {NODE}")));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn external_policy_local_is_silent_to_outsiders_and_serves_the_node() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(&real.tool, &[outside.tcp("a")]);
        let local =
            Service { external_traffic_policy: TrafficPolicy::Local, ..service(VIP, Protocol::Tcp, 80, Some(30080)) };
        let touched = put(&mut model, "web", local);
        userspace.sync(&model, &touched).unwrap();
        assert_eq!(outside.run(|| tcp((NODE, 30080))), Err(ErrorKind::TimedOut));
        assert_eq!(tcp((NODE, 30080)), Ok(format!("a {NODE}")));
        assert_eq!(outside.run(|| tcp((VIP, 80))), Ok(format!("a {NODE}")), "the cluster IP has the internal policy");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn source_ranges_let_in_those_who_are_in_them() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(&real.tool, &[outside.tcp("a")]);
        let ingress = Ipv4Addr::new(10, 10, 7, 7);
        for (range, expected) in [(OUTSIDE, Ok(format!("a {NODE}"))), (NODE, Err(ErrorKind::TimedOut))] {
            let balanced = Service {
                load_balancer_ips: [ingress].into(),
                load_balancer_source_ranges: [range.into()].into(),
                ..service(VIP, Protocol::Tcp, 80, None)
            };
            let touched = put(&mut model, "web", balanced);
            userspace.sync(&model, &touched).unwrap();
            assert_eq!(outside.run(move || tcp((ingress, 80))), expected, "with the range {range}");
        }
        assert_eq!(tcp((ingress, 80)), Ok(format!("a {NODE}")), "the node itself is in the last range");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn with_affinity_a_client_keeps_its_endpoint() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(&real.tool, &[outside.tcp("a"), outside.tcp("b"), outside.tcp("c")]);
        let kept = Service { affinity_seconds: Some(600), ..service(VIP, Protocol::Tcp, 80, None) };
        let touched = put(&mut model, "web", kept);
        userspace.sync(&model, &touched).unwrap();
        let answers = outside.run(|| (0..9).map(|_| tcp((VIP, 80))).collect::<BTreeSet<_>>());
        assert_eq!(answers.len(), 1, "{answers:?}");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn two_hundred_connections_survive_flapping_endpoints_and_no_rule_is_written_for_them() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let (stays, flaps) = (outside.tcp("a"), outside.tcp("b"));
        let (mut userspace, mut model) = web(&real.tool, &[stays]);
        let mut streams: Vec<TcpStream> = (0..200).map(|_| open((VIP, 80)).unwrap().1).collect();
        real.written();
        for round in 0..100_usize {
            let at: &[SocketAddrV4] = if round % 2 == 0 { &[stays, flaps] } else { &[stays] };
            let touched = endpoints(&mut model, "web", Protocol::Tcp, at);
            userspace.sync(&model, &touched).unwrap();
            for stream in &mut streams[round * 2..round * 2 + 2] {
                echo(stream, round as u8);
            }
        }
        assert_eq!(real.written(), "");
        let touched = endpoints(&mut model, "web", Protocol::Tcp, &[]);
        userspace.sync(&model, &touched).unwrap();
        streams.iter_mut().for_each(|stream| echo(stream, 200));
        assert!(real.written().contains("REJECT"), "nobody is left to answer");
    });
}

fn echo(stream: &mut TcpStream, byte: u8) {
    stream.write_all(&[byte]).unwrap();
    let mut back = [0];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(back, [byte]);
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn what_someone_else_deletes_or_leaves_behind_is_repaired() {
    real::with_each_variant(|real| {
        let _outside = Outside::link();
        let (mut userspace, model) = web(&real.tool, &[(OUTSIDE, 80)].map(|(ip, port)| SocketAddrV4::new(ip, port)));
        let whole = real.tables();
        assert!(!userspace.check(&model).unwrap() && !userspace.check_fully(&model).unwrap(), "all is well");
        for damage in [
            "*nat\n-F KUBE-PORTALS-HOST\nCOMMIT\n",
            "*nat\n-F\nCOMMIT\n*filter\n-F\nCOMMIT\n",
            "*filter\n-F\n-X\nCOMMIT\n",
            "*nat\n-I PREROUTING -p udp -j KUBE-PORTALS-CONTAINER\nCOMMIT\n",
            "*nat\n-I KUBE-PORTALS-HOST -p udp -j RETURN\nCOMMIT\n",
        ] {
            real.restore(damage);
            assert!(userspace.check(&model).unwrap(), "{damage}");
            assert_eq!(sorted(&real.tables()), sorted(&whole), "{damage}");
            real.written();
            assert!(!userspace.check(&model).unwrap() && !userspace.check_fully(&model).unwrap(), "after {damage}");
            assert_eq!(real.written(), "");
        }
        real.restore("*filter\n:SOMEONE-ELSES - [0:0]\n-A SOMEONE-ELSES -j RETURN\nCOMMIT\n");
        assert!(!userspace.check(&model).unwrap(), "what is not ours is not looked after");
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_rule_in_the_place_of_ours_between_a_write_and_the_look_at_it_is_found_by_the_next_full_check() {
    real::with_each_variant(|real| {
        let _outside = Outside::link();
        real.meddle("restore", "true", "-t nat -R KUBE-PORTALS-HOST 1 -s 192.0.2.1/32 -j RETURN");
        let (mut userspace, model) = web(&real.tool, &[SocketAddrV4::new(OUTSIDE, 80)]);
        assert!(real.was_meddled_with());
        real.meddle_no_more();
        let serves = || real.tables().contains("-A KUBE-PORTALS-HOST -d 10.10.0.1/32");
        assert!(!serves());
        assert!(userspace.check_fully(&model).unwrap());
        assert!(serves() && !real.tables().contains("192.0.2.1"));
        assert!(!userspace.check_fully(&model).unwrap());
    });
}

fn sorted(tables: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = tables.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_restart_takes_over_the_rules_and_the_udp_clients_of_the_last_run() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let endpoint = outside.udp("u");
        let client = UdpSocket::bind("0.0.0.0:0").unwrap();
        let mut counts = Vec::new();
        for _ in 0..3 {
            let (mut userspace, mut model) = (start(&real.tool), model());
            let mut touched = put(&mut model, "dns", service(DNS, Protocol::Udp, 53, None));
            touched.append(&mut endpoints(&mut model, "dns", Protocol::Udp, &[endpoint]));
            userspace.sync(&model, &touched).unwrap();
            assert_eq!(udp_from(&client, (DNS, 53)), Ok(format!("u {NODE}")));
            counts.push(real.tables().lines().count());
        }
        assert_eq!(counts[0], counts[2]);
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_thousand_services_take_one_write_and_then_no_wakeup_at_all() {
    real::with_each_variant(|real| {
        let (mut userspace, mut model) = (start(&real.tool), model());
        let mut touched = BTreeSet::new();
        for number in 0..1000_u16 {
            let [high, low] = number.to_be_bytes();
            let protocol = if number % 10 == 0 { Protocol::Udp } else { Protocol::Tcp };
            let name = format!("service-{number}");
            let ip = Ipv4Addr::new(10, 10, high, low);
            touched.append(&mut put(&mut model, &name, service(ip, protocol, 80, Some(30000 + number))));
            let at = [1, 2, 3].map(|last| SocketAddrV4::new(Ipv4Addr::new(10, 16, 0, last), 80));
            touched.append(&mut endpoints(&mut model, &name, protocol, &at));
        }
        userspace.sync(&model, &touched).unwrap();
        assert_eq!(real.written().matches("*nat").count(), 1);

        let before = wakeups();
        std::thread::sleep(Duration::from_secs(2));
        assert!(!userspace.check(&model).unwrap());
        assert_eq!(wakeups(), before);
    });
}

/// How often the data path in this thread's network namespace has been woken.
fn wakeups() -> String {
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let here = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let threads = std::fs::read_dir("/proc/self/task").unwrap().map(|thread| thread.unwrap().path());
    let is_ours = |thread: &PathBuf| {
        read(thread.join("comm")) == "proxy\n" && std::fs::read_link(thread.join("ns/net")).is_ok_and(|net| net == here)
    };
    let ours: Vec<PathBuf> = threads.filter(is_ours).collect();
    assert!(!ours.is_empty(), "there is a thread that carries traffic");
    let statuses = ours.iter().map(|thread| read(thread.join("status"))).collect::<String>();
    statuses.lines().filter(|line| line.starts_with("voluntary_ctxt_switches")).collect()
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn rules_of_other_kube_proxies_are_taken_away_and_nobody_elses() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        real.restore(
            "*nat
:DOCKER - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-SVC-AAAAAAAAAAAAAAAA - [0:0]
:KUBE-PORTALS-CONTAINER - [0:0]
:KUBE-NODEPORT-HOST - [0:0]
-A PREROUTING -m comment --comment \"handle ClusterIPs\" -j KUBE-PORTALS-CONTAINER
-A PREROUTING -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m addrtype --dst-type LOCAL -m comment --comment last -j KUBE-NODEPORT-HOST
-A KUBE-SERVICES -d 10.10.0.1/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA
-A KUBE-SVC-AAAAAAAAAAAAAAAA -p tcp -j DNAT --to-destination 192.0.2.1:80
-A KUBE-PORTALS-CONTAINER -d 10.10.0.1/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9
COMMIT
*filter
:KUBE-NODEPORT-NON-LOCAL - [0:0]
-A INPUT -m comment --comment foreign -j KUBE-NODEPORT-NON-LOCAL
-A KUBE-NODEPORT-NON-LOCAL -p tcp -m tcp --dport 9 -j ACCEPT
COMMIT
",
        );
        let (_userspace, _) = web(&real.tool, &[outside.tcp("a")]);
        assert_eq!(outside.run(|| tcp((VIP, 80))), Ok(format!("a {NODE}")));
        let tables = real.tables();
        for gone in ["KUBE-SERVICES", "KUBE-SVC", "handle ClusterIPs", "last", "foreign", "--to-ports 9\n"] {
            assert!(!tables.contains(gone), "{gone} is left:\n{tables}");
        }
        assert!(tables.contains("-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_lock_that_somebody_holds_is_waited_for() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(&real.tool, &[]);
        let lock = std::fs::File::create(real.lock_file()).unwrap();
        lock.lock().unwrap();
        let holding = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(500));
            drop(lock);
        });
        let touched = endpoints(&mut model, "web", Protocol::Tcp, &[outside.tcp("a")]);
        userspace.sync(&model, &touched).unwrap();
        assert_eq!(tcp((VIP, 80)), Ok(format!("a {NODE}")));
        holding.join().unwrap();
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_service_for_which_there_is_no_socket_is_refused_and_keeps_no_other_from_being_served() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let own = Ipv4Addr::new(192, 168, 50, 2);
        world::ip(&format!("addr add {own}/24 dev uplink"));
        let (mut userspace, mut model) = (start_at(own, &real.tool), model());
        let mut touched = put(&mut model, "dns", service(DNS, Protocol::Udp, 53, None));
        touched.append(&mut endpoints(&mut model, "dns", Protocol::Udp, &[outside.udp("u")]));
        touched.append(&mut put(&mut model, "web", service(VIP, Protocol::Tcp, 80, None)));
        touched.append(&mut endpoints(&mut model, "web", Protocol::Tcp, &[outside.tcp("a")]));
        // No socket can be had, until it can.
        world::ip(&format!("addr del {own}/24 dev uplink"));
        userspace.sync(&model, &touched).unwrap();
        assert!(real.tables().contains(&format!("-A KUBE-PORTALS-REFUSED -d {DNS}/32")), "{}", real.tables());
        world::ip(&format!("addr add {own}/24 dev uplink"));
        assert_eq!(tcp((VIP, 80)), Ok(format!("a {NODE}")));
        userspace.check(&model).unwrap();
        assert_eq!(udp((DNS, 53)), Ok(format!("u {NODE}")));
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn the_udp_entry_of_an_endpoint_that_is_gone_is_deleted_and_no_other() {
    real::with_each_variant(|real| {
        let outside = Outside::link();
        let (gone, stays) = (outside.udp("gone"), outside.udp("stays"));
        let to = |endpoint| {
            format!("*nat\n-F OUTPUT\n-A OUTPUT -d {DNS} -p udp -j DNAT --to-destination {endpoint}\nCOMMIT\n")
        };
        let clients = [UdpSocket::bind("0.0.0.0:0").unwrap(), UdpSocket::bind("0.0.0.0:0").unwrap()];
        let ask = |at: usize| udp_from(&clients[at], (DNS, 53));
        real.restore(&to(gone));
        assert_eq!(ask(0), Ok(format!("gone {NODE}")));
        real.restore(&to(stays));
        assert_eq!((ask(0), ask(1)), (Ok(format!("gone {NODE}")), Ok(format!("stays {NODE}"))), "an entry stays");

        let mut desired = ServedAddresses::default();
        desired.insert(Asked { protocol: Protocol::Udp, ip: Some(DNS), port: 53 }, &[Answerer::from(stays)]);
        assert_eq!(conntrack::delete_stale(&desired).unwrap(), 1);
        assert_eq!((ask(0), ask(1)), (Ok(format!("stays {NODE}")), Ok(format!("stays {NODE}"))));
        assert_eq!(conntrack::delete_stale(&desired).unwrap(), 0);
    });
}
