//! Connections of others that only pass through the node, and whose answers take another way: none is lost, and conntrack does not hear
//! of them.

use std::{
    io::{Read, Write},
    net::{SocketAddrV4, TcpListener, TcpStream},
    time::Duration,
};

use kube_proxy_diff::{
    addresses::{BEYOND, Vantage},
    api::Api,
    objects::{ObjectChange, Target, Transport, endpoints, service},
    probe::{Answer, ask},
    programs::Programs,
    world::{Implementation, IptablesVariant, World},
};

use crate::support::start;

const TIMEOUT: Duration = Duration::from_secs(5);
const QUESTIONS: usize = 50;

/// A world whose kube-proxy has programmed a Service.
fn world(api: &Api, programs: &Programs, which: Implementation, iptables: IptablesVariant, flags: &[&str]) -> World {
    let world = World::new("transit", api, iptables).unwrap();
    start_proxy(world, api, programs, which, flags)
}

fn start_proxy(mut world: World, api: &Api, programs: &Programs, which: Implementation, flags: &[&str]) -> World {
    let there = service("passing", [10, 10, 9, 3].into()).port("web", Transport::Tcp, 80).build();
    let behind = endpoints("passing").subset(&[[10, 16, 0, 2].into()], &[], &[("web", Transport::Tcp, 8080)]).build();
    api.with_client(|client| client.apply(&[ObjectChange::Put(there), ObjectChange::Put(behind)])).unwrap();
    let program = world.program(which, programs, api, flags);
    world.start_proxy(&program, api).unwrap();
    world.wait_for_rules(&["10.10.9.3/32".to_owned()]).unwrap();
    world
}

fn all_pass(world: &World) {
    for protocol in [Transport::Tcp, Transport::Udp] {
        let to = Target { protocol, address: SocketAddrV4::new(BEYOND, 8080) };
        let answers = ask(world, Vantage::Outside(0), to, QUESTIONS).unwrap();
        let answered: usize = answers.iter().filter(|(answer, _)| answer.endpoint().is_some()).map(|(_, n)| n).sum();
        assert_eq!(answered, QUESTIONS, "{to}: {answers:?}\n{}", world.iptables_save().unwrap());
    }
}

/// What conntrack knows of connections that pass through.
fn tracked(world: &World) -> String {
    world.run_on_node("conntrack", &["-L", "-d", &BEYOND.to_string()]).unwrap()
}

#[test]
#[ignore = "needs root, iptables, network namespaces and the SWIX in dist/"]
fn what_passes_through_is_neither_lost_nor_tracked() {
    let (programs, api) = start();
    for iptables in [IptablesVariant::Legacy, IptablesVariant::Nft] {
        for flags in [&["--proxy-mode=iptables"], &["--proxy-mode=userspace"]] {
            let world = world(&api, &programs, Implementation::Ours, iptables, flags);
            all_pass(&world);
            assert_eq!(tracked(&world), "", "{iptables:?} {flags:?}");
            // A Service is tracked all the same.
            let to = Target::new(Transport::Tcp, [10, 10, 9, 3].into(), 80);
            let answers = ask(&world, Vantage::Outside(0), to, 5).unwrap();
            let answered = answers.iter().filter(|(answer, _)| matches!(answer, Answer::From { .. }));
            assert_eq!(answered.map(|(_, times)| times).sum::<usize>(), 5, "{flags:?}: {answers:?}");
        }
    }
}

#[test]
#[ignore = "needs root, iptables, network namespaces and the SWIX in dist/"]
fn what_passes_through_is_not_lost_by_upstream_s_either() {
    let (programs, api) = start();
    for iptables in [IptablesVariant::Legacy, IptablesVariant::Nft] {
        for flags in [&["--proxy-mode=iptables"], &["--proxy-mode=userspace"]] {
            all_pass(&world(&api, &programs, Implementation::Upstream, iptables, flags));
        }
    }
}

#[test]
#[ignore = "needs root, iptables, network namespaces and the SWIX in dist/"]
fn a_connection_that_is_older_than_the_kube_proxy_lives_on() {
    let (programs, api) = start();
    let world = World::new("transit", &api, IptablesVariant::Legacy).unwrap();
    let far = world.netns(Vantage::RemotePod(0)).unwrap();
    let listener = far.enter(|| TcpListener::bind((BEYOND, 7000))).unwrap().unwrap();
    let near = world.netns(Vantage::Outside(0)).unwrap();
    let mut client = near.enter(|| TcpStream::connect((BEYOND, 7000))).unwrap().unwrap();
    let (mut server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    }
    let mut said = 0_u32;
    let mut talk = || {
        for _ in 0..QUESTIONS {
            said += 1;
            let mut heard = [0; 4];
            client.write_all(&said.to_be_bytes()).unwrap();
            server.read_exact(&mut heard).expect("it passes through");
            assert_eq!(u32::from_be_bytes(heard), said);
            server.write_all(&heard).unwrap();
            client.read_exact(&mut heard).unwrap();
        }
    };
    talk();
    let world = start_proxy(world, &api, &programs, Implementation::Ours, &[]);
    talk();
    // As after a restart of the switch's tracking: it knows of no connection any more.
    world.run_on_node("conntrack", &["-F"]).unwrap();
    talk();
    assert_eq!(tracked(&world), "");
}
