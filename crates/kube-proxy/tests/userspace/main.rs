//! The userspace mode with real iptables and real packets: from the node itself and from a host outside.

mod objects;
#[path = "../real/mod.rs"]
mod real;
mod world;

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket},
    time::Duration,
};

use kube_proxy::{
    backend::Backend,
    conntrack::{self, Answer, UdpServices},
    iptables::{Table, Tool},
    model::{Model, Protocol, Service, TrafficPolicy},
    userspace::{Settings, Userspace},
};
use objects::{endpoints, model, put, service};
use world::{NODE, OUTSIDE, Outside, open, tcp, udp, udp_from};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 1);
const DNS: Ipv4Addr = Ipv4Addr::new(10, 10, 0, 10);

fn start(tool: &Tool) -> Userspace {
    let settings = Settings {
        bind_address: Ipv4Addr::UNSPECIFIED,
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

fn rules(tool: &Tool) -> Vec<String> {
    let counted = |line: &&str| !line.starts_with('#') && !line.starts_with(":");
    let both = [Table::Nat, Table::Filter].map(|table| real::saved(tool, table)).concat();
    both.lines().filter(counted).map(str::to_owned).collect()
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn services_answer_at_every_address_from_the_node_and_from_outside() {
    real::with_each_variant(|tool| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(tool, &[outside.tcp("a"), outside.tcp("b")]);
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
fn without_endpoints_it_is_refused_at_once_and_with_one_again_it_answers() {
    real::with_each_variant(|tool| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(tool, &[]);
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
    real::with_each_variant(|tool| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(tool, &[outside.tcp("a")]);
        let local = Service {
            external_traffic_policy: TrafficPolicy::Local,
            ..service(VIP, Protocol::Tcp, 80, Some(30080))
        };
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
    real::with_each_variant(|tool| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(tool, &[outside.tcp("a")]);
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
    real::with_each_variant(|tool| {
        let outside = Outside::link();
        let (mut userspace, mut model) = web(tool, &[outside.tcp("a"), outside.tcp("b"), outside.tcp("c")]);
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
    real::with_each_variant(|tool| {
        let outside = Outside::link();
        let (stays, flaps) = (outside.tcp("a"), outside.tcp("b"));
        let (mut userspace, mut model) = web(tool, &[stays]);
        let mut streams: Vec<TcpStream> = (0..200).map(|_| open((VIP, 80)).unwrap().1).collect();
        let before = rules(tool);
        for round in 0..100_usize {
            let at: &[SocketAddrV4] = if round % 2 == 0 { &[stays, flaps] } else { &[stays] };
            let touched = endpoints(&mut model, "web", Protocol::Tcp, at);
            userspace.sync(&model, &touched).unwrap();
            for stream in &mut streams[round * 2..round * 2 + 2] {
                echo(stream, round as u8);
            }
        }
        let touched = endpoints(&mut model, "web", Protocol::Tcp, &[]);
        userspace.sync(&model, &touched).unwrap();
        streams.iter_mut().for_each(|stream| echo(stream, 200));
        let touched = endpoints(&mut model, "web", Protocol::Tcp, &[stays]);
        userspace.sync(&model, &touched).unwrap();
        assert_eq!(rules(tool), before);
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
    real::with_each_variant(|tool| {
        let _outside = Outside::link();
        let (mut userspace, model) = web(tool, &[(OUTSIDE, 80)].map(|(ip, port)| SocketAddrV4::new(ip, port)));
        let whole = rules(tool);
        assert!(!userspace.check_fully(&model).unwrap(), "there is nothing to repair");
        for damage in [
            "*nat\n-F KUBE-PORTALS-HOST\nCOMMIT\n",
            "*nat\n-F\nCOMMIT\n*filter\n-F\nCOMMIT\n",
            "*filter\n-F\n-X\nCOMMIT\n",
            "*nat\n-I PREROUTING -p udp -j KUBE-PORTALS-CONTAINER\nCOMMIT\n",
            "*nat\n-I KUBE-PORTALS-HOST -p udp -j RETURN\nCOMMIT\n",
        ] {
            real::restore(tool, damage);
            assert!(userspace.check_fully(&model).unwrap(), "{damage}");
            assert_eq!(BTreeSet::from_iter(rules(tool)), BTreeSet::from_iter(whole.clone()), "{damage}");
            assert!(!userspace.check_fully(&model).unwrap(), "after {damage}");
        }
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn a_restart_takes_over_the_rules_and_the_udp_clients_of_the_last_run() {
    real::with_each_variant(|tool| {
        let outside = Outside::link();
        let endpoint = outside.udp("u");
        let client = UdpSocket::bind("0.0.0.0:0").unwrap();
        let mut counts = Vec::new();
        for _ in 0..3 {
            let (mut userspace, mut model) = (start(tool), model());
            let mut touched = put(&mut model, "dns", service(DNS, Protocol::Udp, 53, None));
            touched.append(&mut endpoints(&mut model, "dns", Protocol::Udp, &[endpoint]));
            userspace.sync(&model, &touched).unwrap();
            assert_eq!(udp_from(&client, (DNS, 53)), Ok(format!("u {NODE}")));
            counts.push(rules(tool).len());
        }
        assert_eq!(counts[0], counts[2]);
    });
}

#[test]
#[ignore = "needs root, iptables-legacy and iptables-nft"]
fn the_udp_entry_of_an_endpoint_that_is_gone_is_deleted_and_no_other() {
    real::with_each_variant(|tool| {
        let outside = Outside::link();
        let (gone, stays) = (outside.udp("gone"), outside.udp("stays"));
        let to = |endpoint| format!("*nat\n-F OUTPUT\n-A OUTPUT -d {DNS} -p udp -j DNAT --to-destination {endpoint}\nCOMMIT\n");
        let clients = [UdpSocket::bind("0.0.0.0:0").unwrap(), UdpSocket::bind("0.0.0.0:0").unwrap()];
        let ask = |at: usize| udp_from(&clients[at], (DNS, 53));
        real::restore(tool, &to(gone));
        assert_eq!(ask(0), Ok(format!("gone {NODE}")));
        real::restore(tool, &to(stays));
        assert_eq!((ask(0), ask(1)), (Ok(format!("gone {NODE}")), Ok(format!("stays {NODE}"))), "an entry stays");

        let mut wanted = UdpServices::default();
        wanted.insert(Some(DNS), 53, &[Answer::from(stays)]);
        assert_eq!(conntrack::delete_stale_udp(&wanted).unwrap(), 1);
        assert_eq!((ask(0), ask(1)), (Ok(format!("stays {NODE}")), Ok(format!("stays {NODE}"))));
        assert_eq!(conntrack::delete_stale_udp(&wanted).unwrap(), 0);
    });
}
