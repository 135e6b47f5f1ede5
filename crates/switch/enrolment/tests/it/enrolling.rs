//! What happens between a worker and a master that belong together.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use enrolment::{EnrolError, Event};
use serde_json::json;

use crate::{
    peer::{Peer, Seen, body},
    support::{Master, NAME, TOKEN, TOO_MUCH, csrs, enrol_at, enrol_with, issued, listen_once, token},
};

#[test]
fn a_worker_gets_the_ca_a_certificate_for_each_request_and_the_masters_time() {
    let master = Master::usual();
    let enrolled = master.enrol().unwrap();
    assert_eq!(enrolled.issued, issued(&csrs()));
    let age = SystemTime::now().duration_since(enrolled.master_time).unwrap();
    assert!(age < Duration::from_secs(5), "the master's time is {age:?} old");
    match master.events_of(1).as_slice() {
        [Event::Issued { name, certificates: 2, .. }] => assert_eq!(name, NAME),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_written_from_the_description_is_served() {
    let master = Master::usual();
    let mut worker = Peer::connect(master.address).unwrap();
    let seen = Seen::as_worker(&mut worker, TOKEN, NAME, &csrs()).unwrap();
    worker.send(&seen.request()).unwrap();
    let answer = worker.receive().unwrap();
    let body = answer["answer"]["body"].as_str().unwrap();
    assert_eq!(answer["answer"]["proof"], seen.master_proof(body));
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["issued"]["certificates"], json!(issued(&csrs()).certificates));
    assert!(worker.is_closed());
}

#[test]
fn a_master_written_from_the_description_is_believed() {
    let (address, master) = listen_once(|socket| {
        let mut peer = Peer::server(socket).unwrap();
        let (seen, proof) = Seen::as_master(&mut peer, TOKEN).unwrap();
        peer.send(&seen.answer(&body(&seen.csrs))).unwrap();
        (proof, seen.worker_proof())
    });
    let enrolled = enrol_at(address).unwrap();
    assert_eq!(enrolled.issued.certificates, csrs());
    assert_eq!(enrolled.master_time, UNIX_EPOCH + Duration::from_secs(1_600_000_000));
    let (given, expected) = master.join().unwrap();
    assert_eq!(given, expected);
}

#[test]
fn the_reason_for_not_signing_reaches_the_worker() {
    let master = Master::usual();
    let error = enrol_with(master.address, &token(), NAME, &[TOO_MUCH.to_owned()]).unwrap_err();
    assert!(matches!(&error, EnrolError::Declined { reason, .. } if reason == "veos-l1 may not be cluster-admin"));
    assert!(matches!(master.events_of(1)[0], Event::Declined { .. }));
    assert_eq!(master.signed(), 0);
}

#[test]
fn another_version_is_told_apart_on_both_sides() {
    let master = Master::usual();
    let mut worker = Peer::connect(master.address).unwrap();
    let nonce = "00".repeat(32);
    worker.send(&json!({"hello": {"version": 2, "name": NAME, "nonce": nonce}})).unwrap();
    assert_eq!(worker.receive().unwrap(), json!({"refused": "version"}));
    assert!(matches!(master.events_of(1)[0], Event::OtherVersion { version: 2, .. }));

    let (address, newer) = listen_once(|socket| {
        let mut peer = Peer::server(socket).unwrap();
        peer.receive().unwrap();
        peer.send(&json!({"refused": "version"})).unwrap();
    });
    assert!(matches!(enrol_at(address), Err(EnrolError::OtherVersion { .. })));
    newer.join().unwrap();
}

#[test]
fn too_few_certificates_are_not_taken() {
    let (address, master) = listen_once(|socket| {
        let mut peer = Peer::server(socket).unwrap();
        let (seen, _) = Seen::as_master(&mut peer, TOKEN).unwrap();
        peer.send(&seen.answer(&body(&seen.csrs[..1]))).unwrap();
    });
    let error = enrol_at(address).unwrap_err();
    assert!(error.to_string().contains("1 certificates for 2 requests"), "{error}");
    master.join().unwrap();
}
