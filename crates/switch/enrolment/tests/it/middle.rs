//! Someone in the middle, who has a certificate of his own and terminates TLS towards both sides.

use std::{
    net::{SocketAddr, TcpStream},
    thread::JoinHandle,
};

use enrolment::{EnrolError, Event, Retry};
use serde_json::json;

use crate::{
    peer::{Peer, body},
    support::{Master, NAME, TOKEN, csrs, enrol_at, listen_once},
};

/// Relays every frame as it is and keeps what it saw.
fn relay(master: SocketAddr) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    listen_once(move |socket| {
        let mut to_worker = Peer::server(socket).unwrap();
        let mut to_master = Peer::client(TcpStream::connect(master).unwrap()).unwrap();
        let mut seen = vec![];
        for _ in 0..2 {
            let said = to_worker.receive_frame().unwrap();
            to_master.send_frame(&said).unwrap();
            let answered = to_master.receive_frame().unwrap();
            to_worker.send_frame(&answered).unwrap();
            seen.extend([said, answered]);
        }
        seen
    })
}

#[test]
fn relaying_every_frame_unchanged_ends_in_a_refusal_on_both_sides() {
    let master = Master::usual();
    let (address, middle) = relay(master.address);
    let error = enrol_at(address).unwrap_err();
    assert!(matches!(error, EnrolError::Refused { .. }), "{error}");
    assert!(matches!(&master.events_of(1)[0], Event::WrongToken { name, .. } if name == NAME));
    assert_eq!(master.signed(), 0);
    let seen = middle.join().unwrap();
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|frame| !String::from_utf8_lossy(frame).contains(TOKEN)));
}

#[test]
fn relaying_up_to_the_answer_and_then_giving_an_own_one_convinces_nobody() {
    let master = Master::usual();
    let (address, middle) = listen_once({
        let master = master.address;
        move |socket| {
            let mut to_worker = Peer::server(socket).unwrap();
            let mut to_master = Peer::connect(master).unwrap();
            to_master.send_frame(&to_worker.receive_frame().unwrap()).unwrap();
            to_worker.send_frame(&to_master.receive_frame().unwrap()).unwrap();
            let request = to_worker.receive().unwrap();
            let answer = json!({"answer": {"proof": request["request"]["proof"], "body": body(&csrs())}});
            to_worker.send(&answer).unwrap();
        }
    });
    assert!(matches!(enrol_at(address), Err(EnrolError::NotTheMaster { .. })));
    middle.join().unwrap();
}

#[test]
fn a_refusal_from_the_middle_only_delays() {
    let (address, middle) = listen_once(|socket| {
        let mut to_worker = Peer::server(socket).unwrap();
        to_worker.receive().unwrap();
        to_worker.send(&json!({"refused": "token or name not accepted"})).unwrap();
    });
    let error = enrol_at(address).unwrap_err();
    assert_eq!(error.retry(), Retry::Slowly);
    middle.join().unwrap();
}
