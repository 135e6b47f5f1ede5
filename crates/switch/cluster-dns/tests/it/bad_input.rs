//! Whatever comes: nothing ends the program, fills its memory or keeps others from their answers.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::client::{by_tcp, by_udp, on, question, raw_by_udp};
use crate::running::Running;

const SOON: Duration = Duration::from_millis(300);

fn still_answers(running: &mut Running) {
    assert!(running.is_running());
    let begun = Instant::now();
    assert_eq!(running.ask("web.shop.svc.cluster.local.", "A").data, ["10.10.0.20"]);
    // Only bounds a failure: other tests may have the processor.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn packets_that_are_no_questions_get_an_error_or_nothing() {
    let mut running = Running::start();
    let good = question("web.shop.svc.cluster.local.", "A").to_vec().unwrap();
    let changed = |at: usize, byte: u8| {
        let mut packet = good.clone();
        packet[at] = byte;
        packet
    };
    let code = |packet: &[u8]| raw_by_udp(running.address, packet, SOON).map(|answer| answer[3] & 0xf);
    assert_eq!(code(&[]), None);
    assert_eq!(code(&good[..11]), None);
    assert_eq!(code(&changed(2, 0x81)), None, "an answer is not answered");
    assert_eq!(code(&good[..12]), Some(1));
    assert_eq!(code(&good[..20]), Some(1));
    assert_eq!(code(&changed(2, 0x29)), Some(4), "an update");
    assert_eq!(code(&changed(5, 2)), Some(1), "two questions");
    assert_eq!(code(&changed(4, 0xff)), Some(1), "65,281 questions");
    assert_eq!(code(&changed(10, 0xff)), Some(1), "65,280 additional records");
    assert_eq!(code(&changed(12, 0xc0)), Some(1), "a pointer that leads nowhere");
    let mut itself = good[..12].to_vec();
    itself.extend([0xc0, 12, 0, 1, 0, 1]);
    assert_eq!(code(&itself), Some(1), "a name that goes on with itself");
    let mut forwards = good[..12].to_vec();
    forwards.extend([0xc0, 14, 0xc0, 12, 0, 1, 0, 1]);
    assert_eq!(code(&forwards), Some(1), "two that go on with one another");
    let transfer = question("cluster.local.", "AXFR").to_vec().unwrap();
    assert_eq!(code(&transfer), Some(5));
    let mut chaos = good.clone();
    let class = chaos.len() - 1;
    chaos[class] = 3;
    assert_eq!(code(&chaos), Some(5));
    assert_eq!(code(&[good.clone(), vec![0; 8192]].concat()), Some(1));
    still_answers(&mut running);
}

#[test]
fn an_unknown_version_of_edns_is_said_to_be_unknown() {
    let running = Running::start();
    let mut asked = crate::client::with_edns(question("web.shop.svc.cluster.local.", "A"), 1232);
    asked.edns.as_mut().unwrap().set_version(1);
    let answer = by_udp(running.address, &asked).unwrap();
    // 16 is BADSIG's number, too, in other messages.
    assert_eq!((u16::from(answer.message.metadata.response_code), answer.data.len()), (16, 0));
}

#[test]
fn random_packets_do_not_end_it() {
    let mut running = Running::start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let good = question("web.shop.svc.cluster.local.", "SRV").to_vec().unwrap();
    for round in 0..20_000 {
        let mut packet = good.clone();
        for _ in 0..fastrand::usize(1..6) {
            let at = fastrand::usize(..packet.len());
            packet[at] = fastrand::u8(..);
        }
        packet.truncate(fastrand::usize(1..=packet.len()));
        socket.send_to(&packet, running.address).unwrap();
        if round % 1000 == 0 {
            still_answers(&mut running);
        }
    }
    still_answers(&mut running);
}

#[test]
fn a_flood_of_names_leaves_memory_and_others_alone() {
    let mut running = Running::start();
    still_answers(&mut running);
    let before = running.resident();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..30_000_u32 {
        let outside = number % 2 == 0;
        let end = if outside { "example.com." } else { "shop.svc.cluster.local." };
        let name = format!("{number}-{}.{end}", "x".repeat(50));
        socket.send_to(&question(&name, "A").to_vec().unwrap(), running.address).unwrap();
        if number % 3000 == 0 {
            still_answers(&mut running);
        }
    }
    still_answers(&mut running);
    let after = running.resident();
    assert!(after < before + 8 * 1024, "{before} KiB before, {after} KiB after");
}

#[test]
fn a_thousand_connections_keep_nobody_out_and_long_messages_are_not_taken_in() {
    let mut running = Running::start();
    let mut open = Vec::new();
    for number in 0..1000 {
        let mut stream = TcpStream::connect(running.address).unwrap();
        match number % 3 {
            0 => {}
            1 => stream.write_all(&[0]).unwrap(),
            _ => {
                // 64 KiB are announced, and begin to come.
                let _ = stream.write_all(&[0xff, 0xff]);
                let _ = stream.write_all(&[0; 1024]);
            }
        }
        open.push(stream);
    }
    still_answers(&mut running);
    let answer = by_tcp(running.address, &question("web.shop.svc.cluster.local.", "A")).unwrap();
    assert_eq!(answer.data, ["10.10.0.20"]);
    assert!(running.resident() < 48 * 1024, "{} KiB", running.resident());
}

#[test]
fn connections_of_one_client_end_nobody_else_s() {
    let running = Running::start();
    let asked = question("web.shop.svc.cluster.local.", "A");
    let mut first = TcpStream::connect(running.address).unwrap();
    assert!(on(&mut first, &asked).is_some());
    let another = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), 0)).into()).unwrap();
        socket.connect(&running.address.into()).unwrap();
        TcpStream::from(socket)
    };
    let mut open: Vec<TcpStream> = (0..300).map(|_| another()).collect();
    // They are taken one after the other.
    assert!(on(open.last_mut().unwrap(), &asked).is_some());
    assert!(on(&mut first, &asked).is_some(), "its connection was ended");
}

#[test]
fn a_connection_has_many_questions() {
    let running = Running::start();
    let mut stream = TcpStream::connect(running.address).unwrap();
    for _ in 0..100 {
        let answer = on(&mut stream, &question("web.shop.svc.cluster.local.", "A")).unwrap();
        assert_eq!(answer.data, ["10.10.0.20"]);
    }
}
