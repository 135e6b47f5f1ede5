//! What those who mean harm, or are broken, can take from either side.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use enrolment::{EnrolError, Event, ServerLimits};
use serde_json::json;

use crate::{
    peer::{Peer, Seen},
    support::{
        LOCAL, Master, NAME, TOKEN, csrs, enrol_at, enrol_with, free_address, identity, issued, listen_once, request,
        token, wide_limits,
    },
};

const LONGEST: usize = 64 * 1024;
/// How long an exchange may take in these tests, and within what time it must be over.
const SHORT: Duration = Duration::from_secs(1);
const OVER: Duration = Duration::from_secs(4);

fn broken(event: &Event) -> &str {
    match event {
        Event::Broken { error, .. } => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn frames_that_are_too_long_empty_or_no_json_end_the_connection_and_nothing_else() {
    let master = Master::usual();
    let too_long = (LONGEST as u32 + 1).to_be_bytes();
    let frames: [(&[u8], &str); 6] = [
        (&too_long, "a message of 65537 bytes, where 65536 is the most"),
        (&[0xff; 4], "a message of 4294967295 bytes"),
        (&[0; 4], "where a hello was expected"),
        (b"\0\0\0\x04\xff\0{]", "where a hello was expected"),
        (b"\0\0\0\x02{}", "where a hello was expected"),
        (b"GET / HTTP/1.1\r\n\r\n", "a message of 1195725856 bytes"),
    ];
    for (number, (bytes, expected)) in frames.iter().enumerate() {
        let mut peer = Peer::connect(master.address).unwrap();
        peer.send_bytes(bytes).unwrap();
        assert!(peer.is_closed());
        let events = master.events_of(number + 1);
        assert!(broken(&events[number]).contains(expected), "{:?}", events[number]);
    }
    master.enrol().unwrap();
}

#[test]
fn messages_out_of_turn_and_names_that_would_spoil_a_log_end_the_connection() {
    let master = Master::usual();
    let nonce = "22".repeat(32);
    let long_name = "x".repeat(254);
    let messages = [
        json!({"request": {"proof": nonce, "csrs": []}}),
        json!({"hello": {"version": 1, "name": "", "nonce": nonce}}),
        json!({"hello": {"version": 1, "name": "veos\nl1", "nonce": nonce}}),
        json!({"hello": {"version": 1, "name": long_name, "nonce": nonce}}),
        json!({"hello": {"version": 1, "name": NAME, "nonce": "22"}}),
        json!({"hello": {"version": 1, "name": NAME, "nonce": nonce, "more": 1}}),
    ];
    for (number, message) in messages.iter().enumerate() {
        let mut peer = Peer::connect(master.address).unwrap();
        peer.send(message).unwrap();
        assert!(peer.is_closed());
        let events = master.events_of(number + 1);
        assert!(broken(&events[number]).contains("a hello"), "{message}: {:?}", events[number]);
    }
}

#[test]
fn the_longest_message_is_taken_and_one_byte_more_is_not_sent() {
    let master = Master::usual();
    let overhead = json!({"request": {"proof": "33".repeat(32), "csrs": [""]}}).to_string().len();
    let longest = vec!["x".repeat(LONGEST - overhead)];
    let enrolled = enrol_with(master.address, &token(), NAME, &longest).unwrap();
    assert_eq!(enrolled.issued, issued(&longest));
    let too_long = vec!["x".repeat(LONGEST - overhead + 1)];
    let error = enrol_with(master.address, &token(), NAME, &too_long).unwrap_err();
    assert!(matches!(&error, EnrolError::Request { what } if what.contains("65537")), "{error}");
}

#[test]
fn a_worker_takes_no_longer_message_either() {
    let (address, master) = listen_once(|socket| {
        let mut peer = Peer::server(socket).unwrap();
        Seen::as_master(&mut peer, TOKEN).unwrap();
        peer.send_bytes(&(LONGEST as u32 + 1).to_be_bytes()).unwrap();
        peer.is_closed()
    });
    let error = enrol_at(address).unwrap_err();
    assert!(matches!(&error, EnrolError::Protocol { what, .. } if what.contains("65537")), "{error}");
    assert!(master.join().unwrap());
}

/// Sends a byte every now and then, until the other side has had enough; returns how long that was.
fn drip(mut send: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while send() && begin.elapsed() < 2 * OVER {
        thread::sleep(Duration::from_millis(20));
    }
    begin.elapsed()
}

/// The beginning of a TLS record of 16 KiB, and then its bytes one at a time.
fn drip_a_record(mut socket: TcpStream) -> Duration {
    socket.write_all(&[0x16, 3, 1, 0x40, 0]).unwrap();
    socket.set_nonblocking(true).unwrap();
    drip(|| {
        let is_open = !matches!(socket.read(&mut [0; 512]), Ok(0));
        is_open && socket.write_all(&[1]).is_ok()
    })
}

#[test]
fn a_worker_that_sends_a_byte_at_a_time_is_cut_off_in_tls_and_within_it() {
    let master = Master::start(LOCAL, token(), ServerLimits { before_proof: SHORT, ..wide_limits() });
    let held = drip_a_record(TcpStream::connect(master.address).unwrap());
    assert!((SHORT..OVER).contains(&held), "held for {held:?}");

    let mut peer = Peer::connect(master.address).unwrap();
    peer.send_bytes(&(LONGEST as u32).to_be_bytes()).unwrap();
    let held = drip(|| peer.send_bytes(b" ").is_ok());
    assert!(held < OVER, "held for {held:?}");
    for event in master.events_of(2) {
        assert!(broken(&event).contains("took too long"), "{event:?}");
    }
}

#[test]
fn a_master_that_sends_a_byte_at_a_time_or_nothing_is_given_up_by_the_worker() {
    let sides: [fn(TcpStream) -> bool; 2] =
        [|socket| drip_a_record(socket) < OVER, |mut socket| socket.read_to_end(&mut vec![]).is_ok()];
    for side in sides {
        let (address, master) = listen_once(side);
        let begin = Instant::now();
        let (token, identity, csrs) = (token(), identity(), csrs());
        let request = enrolment::Request { csrs: &csrs, timeout: SHORT, ..request(address, &token, &identity) };
        let error = enrolment::enrol(&request).unwrap_err();
        assert!(matches!(&error, EnrolError::Interrupted { .. }), "{error}");
        assert!((SHORT..OVER).contains(&begin.elapsed()), "given up after {:?}", begin.elapsed());
        assert!(master.join().unwrap());
    }
}

#[test]
fn of_a_hundred_connections_at_once_eight_are_held_and_others_are_served() {
    let master = Master::start(LOCAL, token(), wide_limits());
    let held: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(master.address).unwrap()).collect();
    let sent_away = master.events_of(92);
    assert!(sent_away.iter().all(|event| matches!(event, Event::Busy { .. })), "{sent_away:?}");
    master.enrol().unwrap();
    let events = master.events_of(94);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::Busy { .. })).count(), 93);
    drop(held);
}

#[test]
fn an_address_that_tries_too_often_is_closed_and_told_of_once() {
    let master = Master::start(LOCAL, token(), ServerLimits::default());
    for _ in 0..10 {
        master.enrol().unwrap();
    }
    for _ in 0..5 {
        let error = master.enrol().unwrap_err();
        assert!(matches!(error, EnrolError::Interrupted { .. }), "{error}");
    }
    let events = master.events();
    let told: Vec<&Event> = events.iter().filter(|event| !matches!(event, Event::Issued { .. })).collect();
    assert_eq!(told, [&Event::TooManyAttempts { address: LOCAL.ip() }]);
}

#[test]
fn a_master_that_is_not_there_is_unreachable() {
    let error = enrol_at(free_address()).unwrap_err();
    assert!(matches!(error, EnrolError::Unreachable { .. }), "{error}");
}
