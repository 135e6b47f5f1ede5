//! The data path on loopback, without root: connections go straight to the listening ports, and a stand-in for the kernel says
//! what they are to get.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    sync::{Arc, atomic::AtomicU32},
    thread,
    time::{Duration, Instant},
};

use super::{super::limits::Limits, *};

const VIP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 10, 0, 1), 80);
const TIMEOUT: Duration = Duration::from_secs(20);

fn start() -> DataPath {
    start_with_pipes(100)
}

fn start_with_pipes(pipes: usize) -> DataPath {
    DataPath::start(Carriage {
        address: Ipv4Addr::LOCALHOST,
        udp_idle: Duration::from_secs(5),
        limits: Limits { connections: 1000, sessions: 4, udp_services: 2, pipes },
        original_destination: |_| Ok(VIP),
    })
    .unwrap()
}

fn port(endpoints: &[SocketAddrV4]) -> Arc<ProxiedPort> {
    let all: Arc<[_]> = endpoints.into();
    let endpoints = PerPolicy { cluster: Arc::clone(&all), internal: all, external: Arc::from([]) };
    Arc::new(ProxiedPort { id: 1, name: "default/web:".into(), affinity: None, endpoints, turn: AtomicU32::new(0) })
}

fn destinations(endpoints: &[SocketAddrV4]) -> Destinations {
    Destinations { addresses: [(VIP, port(endpoints))].into(), ..Destinations::default() }
}

fn connect(path: &DataPath, policy: AppliedPolicy) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, path.tcp_port(policy))).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

fn listener() -> (TcpListener, SocketAddrV4) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// Answers each connection with `name`, and then with whatever it gets.
fn echo(name: &'static str) -> SocketAddrV4 {
    let (listener, address) = listener();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream?;
                stream.write_all(name.as_bytes())?;
                io::copy(&mut stream.try_clone()?, &mut stream)
            });
        }
    });
    address
}

fn name_of(stream: &mut TcpStream) -> String {
    let mut name = [0; 1];
    stream.read_exact(&mut name).unwrap();
    String::from_utf8_lossy(&name).into_owned()
}

/// A port that nobody listens on.
fn refusing() -> SocketAddrV4 {
    listener().1
}

/// Bytes that show when one is missing, doubled or out of its place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn connections_go_to_each_endpoint_in_turn() {
    let path = start();
    path.replace(destinations(&[echo("a"), echo("b"), echo("c")]));
    let names: String = (0..6).map(|_| name_of(&mut connect(&path, AppliedPolicy::Cluster))).collect();
    assert_eq!(names, "abcabc");
}

#[test]
fn an_endpoint_that_refuses_is_followed_by_the_next() {
    let path = start();
    path.replace(destinations(&[refusing(), echo("b")]));
    let names: String = (0..4).map(|_| name_of(&mut connect(&path, AppliedPolicy::Cluster))).collect();
    assert_eq!(names, "bbbb");
}

#[test]
fn a_connection_that_no_service_answers_for_is_reset() {
    let path = start();
    let reset = |mut stream: TcpStream| stream.read(&mut [0]).unwrap_err().kind() == io::ErrorKind::ConnectionReset;
    assert!(reset(connect(&path, AppliedPolicy::Cluster)), "there is no such Service");
    path.replace(destinations(&[refusing()]));
    assert!(reset(connect(&path, AppliedPolicy::Cluster)), "its only endpoint refuses");
    path.replace(destinations(&[echo("a")]));
    assert!(reset(connect(&path, AppliedPolicy::External)), "it has no endpoint for this policy");
    path.replace(destinations(&[VIP]));
    assert!(
        reset(connect(&path, AppliedPolicy::Cluster)),
        "its endpoint is an address of a Service: that would go round and round"
    );
}

#[test]
fn large_transfers_arrive_whole_both_ways_at_once_however_many_pipes_there_may_be() {
    for pipes in [0, 1, 100] {
        transfer_both_ways(&start_with_pipes(pipes));
    }
}

fn transfer_both_ways(path: &DataPath) {
    path.replace(destinations(&[echo("a")]));
    let mut stream = connect(path, AppliedPolicy::Cluster);
    assert_eq!(name_of(&mut stream), "a");
    let sent = pattern(40 << 20);
    let mut writer = stream.try_clone().unwrap();
    let bytes = sent.clone();
    let writing = thread::spawn(move || {
        // Odd sizes, so that copying and splicing follow each other in every order.
        for chunk in bytes.chunks(77_777) {
            writer.write_all(chunk).unwrap();
        }
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writing.join().unwrap();
    assert!(received == sent, "{} bytes came back of {}", received.len(), sent.len());
}

#[test]
fn a_slow_reader_gets_everything() {
    let path = start();
    let (listener, address) = listener();
    path.replace(destinations(&[address]));
    let sent = pattern(8 << 20);
    let bytes = sent.clone();
    let mut client = connect(&path, AppliedPolicy::Cluster);
    let mut server = listener.accept().unwrap().0;
    let writing = thread::spawn(move || server.write_all(&bytes).unwrap());
    let mut received = Vec::new();
    let mut chunk = vec![0; 100_000];
    while received.len() < sent.len() {
        let read = client.read(&mut chunk).unwrap();
        assert_ne!(read, 0, "it ends after {} bytes", received.len());
        received.extend_from_slice(&chunk[..read]);
        if received.len() % 7 == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
    writing.join().unwrap();
    assert!(received == sent);
}

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    let path = start();
    let (listener, address) = listener();
    path.replace(destinations(&[address]));
    let mut client = connect(&path, AppliedPolicy::Cluster);
    let mut server = listener.accept().unwrap().0;
    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut question = String::new();
    server.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    thread::sleep(Duration::from_millis(50));
    server.write_all(b"answer").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
fn a_reset_of_one_side_resets_the_other() {
    let path = start();
    let (listener, address) = listener();
    path.replace(destinations(&[address]));
    let mut client = connect(&path, AppliedPolicy::Cluster);
    let mut server = listener.accept().unwrap().0;
    client.write_all(b"x").unwrap();
    server.read_exact(&mut [0]).unwrap();
    rustix::net::sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn connections_survive_every_change_of_the_table() {
    let path = start();
    let endpoint = echo("a");
    path.replace(destinations(&[endpoint]));
    let mut streams: Vec<TcpStream> = (0..200).map(|_| connect(&path, AppliedPolicy::Cluster)).collect();
    for stream in &mut streams {
        assert_eq!(name_of(stream), "a");
    }
    for round in 0..50_u8 {
        path.replace(if round % 2 == 0 { Destinations::default() } else { destinations(&[endpoint, refusing()]) });
        for stream in streams.iter_mut().skip(usize::from(round) * 4).take(4) {
            stream.write_all(&[round]).unwrap();
            let mut back = [0];
            stream.read_exact(&mut back).unwrap();
            assert_eq!(back, [round]);
        }
    }
}

/// Answers each datagram with `name` and the datagram.
#[test]
fn every_connection_ends_with_the_data_path_whichever_thread_carries_it() {
    let path = start();
    path.replace(destinations(&[echo("a")]));
    let mut streams: Vec<TcpStream> = (0..24).map(|_| connect(&path, AppliedPolicy::Cluster)).collect();
    streams.iter_mut().for_each(|stream| assert_eq!(name_of(stream), "a"));
    drop(path);
    for mut stream in streams {
        // An end or a reset; a timeout would mean that somebody still carries it.
        let read = stream.read(&mut [0]);
        assert!(!matches!(&read, Err(error) if error.kind() == io::ErrorKind::WouldBlock), "{read:?}");
        assert_ne!(read.ok(), Some(1));
    }
}

fn udp_echo(name: &'static str) -> SocketAddrV4 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&[name.as_bytes(), &buffer[..length]].concat(), from);
        }
    });
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)
}

fn udp_client(number: u16) -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(TIMEOUT)).unwrap();
    client.connect((Ipv4Addr::LOCALHOST, number)).unwrap();
    client
}

fn ask(client: &UdpSocket, question: &[u8]) -> Vec<u8> {
    client.send(question).unwrap();
    let mut buffer = vec![0; 65_536];
    let length = client.recv(&mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

#[test]
fn a_udp_client_keeps_its_endpoint_and_the_next_client_gets_the_next() {
    let path = start();
    let number = path.open_udp(port(&[udp_echo("a"), udp_echo("b")]), AppliedPolicy::Cluster).unwrap();
    let (first, second) = (udp_client(number), udp_client(number));
    assert_eq!(ask(&first, b"1"), b"a1");
    assert_eq!(ask(&second, b"2"), b"b2");
    assert_eq!(ask(&first, b"3"), b"a3");
    let large = vec![7; 60_000];
    assert_eq!(ask(&second, &large), [b"b".as_slice(), &large].concat());
}

#[test]
fn a_udp_session_ends_with_its_endpoint_and_others_stay() {
    let path = start();
    let (a, b) = (udp_echo("a"), udp_echo("b"));
    let number = path.open_udp(port(&[a, b]), AppliedPolicy::Cluster).unwrap();
    let (first, second) = (udp_client(number), udp_client(number));
    assert_eq!((ask(&first, b"1"), ask(&second, b"2")), (b"a1".to_vec(), b"b2".to_vec()));
    path.update_udp(port(&[b]));
    // The command has been carried out when a client of the new port is served by it.
    thread::sleep(Duration::from_millis(200));
    assert_eq!((ask(&first, b"3"), ask(&second, b"4")), (b"b3".to_vec(), b"b4".to_vec()));
}

#[test]
fn a_udp_endpoint_that_refuses_is_left_for_the_next() {
    let path = start();
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refusing = SocketAddrV4::new(Ipv4Addr::LOCALHOST, closed);
    let number = path.open_udp(port(&[refusing, udp_echo("b")]), AppliedPolicy::Cluster).unwrap();
    let client = udp_client(number);
    client.send(b"lost").unwrap();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(ask(&client, b"2"), b"b2");
}

#[test]
fn a_udp_socket_beyond_the_limit_is_had_once_another_is_closed() {
    let path = start();
    let open = |policy| path.open_udp(port(&[]), policy);
    open(AppliedPolicy::Cluster).unwrap();
    open(AppliedPolicy::Internal).unwrap();
    assert!(open(AppliedPolicy::External).is_err());
    path.close_udp(1, AppliedPolicy::Cluster);
    let until = Instant::now() + TIMEOUT;
    while path.udp_room() == 0 {
        assert!(Instant::now() < until, "it is closed soon");
        thread::sleep(Duration::from_millis(5));
    }
    open(AppliedPolicy::External).unwrap();
}

#[test]
fn there_are_never_more_udp_sessions_than_allowed() {
    let path = start();
    let number = path.open_udp(port(&[udp_echo("a")]), AppliedPolicy::Cluster).unwrap();
    let clients: Vec<UdpSocket> = (0..20).map(|_| udp_client(number)).collect();
    for client in clients.iter().chain(&clients) {
        assert_eq!(ask(client, b"x"), b"ax");
    }
}

#[test]
fn a_closed_udp_port_answers_no_more() {
    let path = start();
    let number = path.open_udp(port(&[udp_echo("a")]), AppliedPolicy::Cluster).unwrap();
    let client = udp_client(number);
    assert_eq!(ask(&client, b"1"), b"a1");
    path.close_udp(1, AppliedPolicy::Cluster);
    thread::sleep(Duration::from_millis(200));
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(client.send(b"2").and_then(|_| client.recv(&mut [0; 8])).is_err());
}
