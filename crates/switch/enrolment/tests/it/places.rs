//! What those who hold connections open, from whatever addresses, can keep from others.

use std::{
    io::Read,
    net::{IpAddr, SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use enrolment::{EnrolError, Event, ServerLimits};
use socket2::{Domain, Socket, Type};

use crate::support::{LOCAL, Master, enrol_at, token};

/// A connection from this address, on which nothing is ever said.
fn idle(from: &str, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    socket.into()
}

/// Of six addresses, as many as each may try in a minute.
fn six_idle_addresses(master: SocketAddr) -> Vec<TcpStream> {
    let addresses = (3..9).map(|last| format!("127.0.0.{last}"));
    addresses.flat_map(|address| (0..10).map(move |_| idle(&address, master))).collect()
}

#[test]
fn six_idle_addresses_keep_no_node_out() {
    let master = Master::with_a_node(LOCAL);
    let held = six_idle_addresses(master.address);
    master.enrol().unwrap();
    drop(held);
}

#[test]
fn six_idle_addresses_keep_no_worker_out_whose_address_is_none_of_cluster_toml() {
    let master = Master::start(LOCAL, token(), ServerLimits::default());
    let held = six_idle_addresses(master.address);
    master.enrol().unwrap();
    drop(held);
}

#[test]
fn connections_from_a_nodes_own_address_with_nothing_on_them_do_not_keep_it_out() {
    let master = Master::with_a_node(LOCAL);
    (0..10).for_each(|_| drop(TcpStream::connect(master.address).unwrap()));
    let held: Vec<TcpStream> = (0..10).map(|_| idle("127.0.0.1", master.address)).collect();
    master.enrol().unwrap();
    drop(held);
}

#[test]
fn what_comes_in_a_nodes_name_to_another_address_of_the_master_counts_for_no_node() {
    let master = Master::with_a_node("0.0.0.0:0".parse().unwrap());
    let at = |address: &str| SocketAddr::new(address.parse().unwrap(), master.address.port());
    // As a pod does, which leaves its node in the node's name.
    let held: Vec<TcpStream> = (0..20).map(|_| idle("127.0.0.1", at("127.0.0.9"))).collect();
    let error = enrol_at(at("127.0.0.9")).unwrap_err();
    assert!(matches!(error, EnrolError::Interrupted { .. }), "{error}");
    enrol_at(at("127.0.0.1")).unwrap();
    drop(held);
}

#[test]
fn one_address_has_two_connections_and_the_newest() {
    let master = Master::start(LOCAL, token(), ServerLimits::default());
    let mut held: Vec<TcpStream> = (0..5).map(|_| idle("127.0.0.3", master.address)).collect();
    let sent_away = master.events_of(3);
    let stranger: IpAddr = "127.0.0.3".parse().unwrap();
    for event in &sent_away {
        assert!(matches!(event, Event::Busy { peer } if peer.ip() == stranger), "{event:?}");
    }
    for (number, socket) in held.iter_mut().enumerate() {
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let is_closed = matches!(socket.read(&mut [0; 16]), Ok(0));
        assert_eq!(is_closed, number < 3, "connection {number}");
    }
}

#[test]
fn who_has_proven_nothing_is_gone_within_seconds() {
    let limits = ServerLimits { before_proof: Duration::from_secs(1), ..ServerLimits::default() };
    let master = Master::start(LOCAL, token(), limits);
    let began = Instant::now();
    idle("127.0.0.3", master.address).read_to_end(&mut vec![]).unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "held for {:?}", began.elapsed());
    let usual = ServerLimits::default();
    assert!(usual.before_proof <= Duration::from_secs(5) && usual.before_proof < usual.exchange);
}
