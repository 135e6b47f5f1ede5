//! Random bytes, at every step and on both sides: never a panic, always an error, and the master serves on.

use std::{cell::Cell, io::Write, net::TcpStream};

use enrolment::Event;
use proptest::{collection::vec, prelude::*};
use serde_json::json;

use crate::{
    peer::{Peer, Seen, body},
    support::{Master, NAME, TOKEN, csrs, enrol_at, listen_once},
};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Bytes as they are, or in a frame whose length is right.
fn said() -> impl Strategy<Value = Vec<u8>> {
    let framed = vec(any::<u8>(), 0..300).prop_map(|bytes| [&(bytes.len() as u32).to_be_bytes(), &bytes[..]].concat());
    prop_oneof![vec(any::<u8>(), 0..300), framed]
}

fn last_is_broken(master: &Master, count: usize) -> bool {
    matches!(master.events_of(count)[count - 1], Event::Broken { .. })
}

#[test]
fn at_the_masters_port() {
    let master = Master::usual();
    let count = Cell::new(0);
    proptest!(cases(128), |(bytes in vec(any::<u8>(), 0..2000), like_tls in any::<bool>())| {
        let mut socket = TcpStream::connect(master.address).unwrap();
        let start: &[u8] = if like_tls { &[0x16, 3, 1] } else { &[] };
        socket.write_all(&[start, &bytes].concat()).unwrap();
        drop(socket);
        count.set(count.get() + 1);
        prop_assert!(last_is_broken(&master, count.get()));
    });
    master.enrol().unwrap();
}

#[test]
fn in_place_of_the_workers_hello_or_request() {
    let master = Master::usual();
    let count = Cell::new(0);
    proptest!(cases(128), |(bytes in said(), first in any::<bool>())| {
        let mut peer = Peer::connect(master.address).unwrap();
        if !first {
            Seen::as_worker(&mut peer, TOKEN, NAME, &csrs()).unwrap();
        }
        peer.send_bytes(&bytes).unwrap();
        drop(peer);
        count.set(count.get() + 1);
        prop_assert!(last_is_broken(&master, count.get()));
    });
    master.enrol().unwrap();
}

#[test]
fn in_place_of_what_the_master_says() {
    proptest!(cases(128), |(bytes in said(), step in 0..3)| {
        let (address, master) = listen_once(move |mut socket| {
            if step == 0 {
                return socket.write_all(&bytes);
            }
            let mut peer = Peer::server(socket)?;
            if step == 1 {
                peer.receive()?;
            } else {
                Seen::as_master(&mut peer, TOKEN)?;
            }
            peer.send_bytes(&bytes)
        });
        prop_assert!(enrol_at(address).is_err());
        // Whether the worker still took all of it does not matter.
        let _ = master.join().unwrap();
    });
}

#[test]
fn in_one_byte_of_a_request_that_was_good() {
    let master = Master::usual();
    proptest!(cases(128), |(at in any::<prop::sample::Index>(), flip in 1..=255_u8)| {
        let mut peer = Peer::connect(master.address).unwrap();
        let seen = Seen::as_worker(&mut peer, TOKEN, NAME, &csrs()).unwrap();
        let mut frame = seen.request().to_string().into_bytes();
        let at = at.index(frame.len());
        // A digit of the proof in upper case is the same digit.
        prop_assume!(flip != b'a' ^ b'A');
        frame[at] ^= flip;
        peer.send_frame(&frame).unwrap();
        if let Ok(answer) = peer.receive() {
            prop_assert_eq!(answer, json!({"refused": "token or name not accepted"}));
        }
    });
    assert_eq!(master.signed(), 0);
}

#[test]
fn in_one_byte_of_an_answer_that_was_good() {
    proptest!(cases(128), |(at in any::<prop::sample::Index>(), flip in 1..=255_u8)| {
        prop_assume!(flip != b'a' ^ b'A');
        let (address, master) = listen_once(move |socket| {
            let mut peer = Peer::server(socket).unwrap();
            let (seen, _) = Seen::as_master(&mut peer, TOKEN).unwrap();
            let mut frame = seen.answer(&body(&seen.csrs)).to_string().into_bytes();
            let at = at.index(frame.len());
            frame[at] ^= flip;
            peer.send_frame(&frame)
        });
        prop_assert!(enrol_at(address).is_err());
        master.join().unwrap().unwrap();
    });
}
