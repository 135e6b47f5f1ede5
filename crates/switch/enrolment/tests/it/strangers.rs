//! Those who do not know the token, or only have seen what others said.

use std::sync::atomic::Ordering;

use enrolment::{EnrolError, Event, Token};
use serde_json::json;

use crate::{
    peer::{Peer, Seen, body},
    support::{Master, NAME, OTHER_TOKEN, TOKEN, csrs, enrol_at, enrol_with, listen_once, token},
};

#[test]
fn a_worker_with_another_token_gets_nothing_and_names_are_not_even_looked_up() {
    let master = Master::usual();
    let error = enrol_with(master.address, &Token::new(OTHER_TOKEN).unwrap(), NAME, &csrs()).unwrap_err();
    assert!(matches!(error, EnrolError::Refused { .. }), "{error}");
    assert!(matches!(master.events_of(1)[0], Event::WrongToken { .. }));
    assert_eq!(master.names.asked.load(Ordering::SeqCst), 0);
    assert_eq!(master.signed(), 0);
}

#[test]
fn a_master_with_another_token_is_not_believed() {
    let (address, master) = listen_once(|socket| {
        let mut peer = Peer::server(socket).unwrap();
        let (seen, _) = Seen::as_master(&mut peer, OTHER_TOKEN).unwrap();
        peer.send(&seen.answer(&body(&seen.csrs))).unwrap();
    });
    assert!(matches!(enrol_at(address), Err(EnrolError::NotTheMaster { .. })));
    master.join().unwrap();
}

#[test]
fn a_name_that_is_not_in_the_cluster_is_refused_in_the_same_words_as_a_wrong_token() {
    let master = Master::usual();
    let error = enrol_with(master.address, &token(), "veos-x", &csrs()).unwrap_err();
    assert!(matches!(error, EnrolError::Refused { .. }), "{error}");
    assert!(matches!(&master.events_of(1)[0], Event::UnknownName { name, .. } if name == "veos-x"));

    let answers = [(TOKEN, "veos-x"), (OTHER_TOKEN, NAME), (OTHER_TOKEN, "veos-x")].map(|(token, name)| {
        let mut worker = Peer::connect(master.address).unwrap();
        let seen = Seen::as_worker(&mut worker, token, name, &csrs()).unwrap();
        worker.send(&seen.request()).unwrap();
        worker.receive_frame().unwrap()
    });
    assert_eq!(answers[0], br#"{"refused":"token or name not accepted"}"#);
    assert_eq!(answers[1], answers[0]);
    assert_eq!(answers[2], answers[0]);
    assert_eq!(master.signed(), 0);
}

#[test]
fn a_proof_is_good_for_exactly_what_was_said() {
    let master = Master::usual();
    type Wrong = fn(&mut Seen);
    let wrongs: [(&str, Wrong); 8] = [
        ("another version", |seen| seen.version = 2),
        ("another session's keying material", |seen| seen.keying[31] ^= 1),
        ("another name", |seen| seen.name = "veos-b".to_owned()),
        ("another nonce of the worker", |seen| seen.worker_nonce[0] ^= 1),
        ("another nonce of the master", |seen| seen.master_nonce[0] ^= 1),
        ("another request", |seen| seen.csrs[1] += " "),
        ("one request less", |seen| seen.csrs.truncate(1)),
        ("the same text, cut elsewhere", |seen| {
            let moved = seen.csrs[0].pop().unwrap();
            seen.csrs[1].insert(0, moved);
        }),
    ];
    for (what, wrong) in wrongs {
        let mut worker = Peer::connect(master.address).unwrap();
        let seen = Seen::as_worker(&mut worker, TOKEN, NAME, &csrs()).unwrap();
        let mut proven = seen.clone();
        wrong(&mut proven);
        worker.send(&json!({"request": {"proof": proven.worker_proof(), "csrs": seen.csrs}})).unwrap();
        assert_eq!(worker.receive().unwrap(), json!({"refused": "token or name not accepted"}), "{what}");
    }
    assert_eq!(master.signed(), 0);
}

#[test]
fn an_answer_that_was_changed_after_its_proof_is_not_believed() {
    let (address, master) = listen_once(|socket| {
        let mut peer = Peer::server(socket).unwrap();
        let (seen, _) = Seen::as_master(&mut peer, TOKEN).unwrap();
        let proof = seen.master_proof(&body(&seen.csrs));
        let other = body(&["another".to_owned(), "and another".to_owned()]);
        peer.send(&json!({"answer": {"proof": proof, "body": other}})).unwrap();
    });
    assert!(matches!(enrol_at(address), Err(EnrolError::NotTheMaster { .. })));
    master.join().unwrap();
}

#[test]
fn a_recorded_worker_gets_nothing_a_second_time() {
    let master = Master::usual();
    let mut worker = Peer::connect(master.address).unwrap();
    let recorded = Seen::as_worker(&mut worker, TOKEN, NAME, &csrs()).unwrap();
    worker.send(&recorded.request()).unwrap();
    assert!(worker.receive().unwrap()["answer"].is_object());

    let mut replayed = Peer::connect(master.address).unwrap();
    replayed.send(&recorded.hello()).unwrap();
    let challenge = replayed.receive().unwrap();
    assert_ne!(challenge["challenge"]["nonce"], hex::encode(&recorded.master_nonce));
    replayed.send(&recorded.request()).unwrap();
    assert_eq!(replayed.receive().unwrap(), json!({"refused": "token or name not accepted"}));
    assert_eq!(master.signed(), 1);
}

#[test]
fn a_recorded_answer_of_the_master_is_not_believed_a_second_time() {
    let master = Master::usual();
    let mut worker = Peer::connect(master.address).unwrap();
    let seen = Seen::as_worker(&mut worker, TOKEN, NAME, &csrs()).unwrap();
    worker.send(&seen.request()).unwrap();
    let recorded = worker.receive_frame().unwrap();
    let nonce = hex::encode(seen.master_nonce);

    let (address, replaying) = listen_once(move |socket| {
        let mut peer = Peer::server(socket).unwrap();
        peer.receive().unwrap();
        peer.send(&json!({"challenge": {"nonce": nonce}})).unwrap();
        peer.receive().unwrap();
        peer.send_frame(&recorded).unwrap();
    });
    assert!(matches!(enrol_at(address), Err(EnrolError::NotTheMaster { .. })));
    replaying.join().unwrap();
}

#[test]
fn the_workers_own_proof_is_no_proof_of_the_master() {
    let (address, mirror) = listen_once(|socket| {
        let mut peer = Peer::server(socket).unwrap();
        let (seen, proof) = Seen::as_master(&mut peer, "").unwrap();
        peer.send(&json!({"answer": {"proof": proof, "body": body(&seen.csrs)}})).unwrap();
    });
    assert!(matches!(enrol_at(address), Err(EnrolError::NotTheMaster { .. })));
    mirror.join().unwrap();
}
