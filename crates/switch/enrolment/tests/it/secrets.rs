//! The token is in nothing that anybody may print.

use enrolment::{Request, Token};
use serde_json::json;

use crate::{
    peer::{Peer, Seen, body},
    support::{
        Master, NAME, OTHER_TOKEN, TOKEN, TOO_MUCH, csrs, enrol_at, enrol_with, free_address, identity, listen_once,
        request, token,
    },
};

/// The token in every form in which it could slip out: as text, as bytes in hexadecimal and decimal.
fn forms_of(token: &str) -> [String; 3] {
    let bytes = format!("{:?}", token.as_bytes());
    [token.to_owned(), hex::encode(token), bytes.trim_matches(['[', ']']).to_owned()]
}

#[test]
fn no_error_event_or_debug_output_has_the_token_in_it() {
    let other = Token::new(OTHER_TOKEN).unwrap();
    let master = Master::usual();
    let (no_master, pretender) = listen_once(|socket| {
        let mut peer = Peer::server(socket).unwrap();
        let (seen, _) = Seen::as_master(&mut peer, OTHER_TOKEN).unwrap();
        peer.send(&seen.answer(&body(&seen.csrs))).unwrap();
    });
    let (no_protocol, other_server) = listen_once(|socket| {
        let mut peer = Peer::server(socket).unwrap();
        peer.receive().unwrap();
        peer.send(&json!({"welcome": TOKEN})).unwrap();
    });
    Peer::connect(master.address).unwrap().send(&json!({"hello": TOKEN})).unwrap();
    let errors = [
        enrol_with(master.address, &other, NAME, &csrs()),
        enrol_with(master.address, &token(), "veos-x", &csrs()),
        enrol_with(master.address, &token(), "not a name", &csrs()),
        enrol_with(master.address, &token(), NAME, &[TOO_MUCH.to_owned()]),
        enrol_with(master.address, &token(), NAME, &["x".repeat(70_000)]),
        enrol_at(free_address()),
        enrol_at(no_master),
        enrol_at(no_protocol),
    ]
    .map(Result::unwrap_err);
    master.enrol().unwrap();
    pretender.join().unwrap();
    other_server.join().unwrap();

    let (token, identity, csrs) = (token(), identity(), csrs());
    let request = Request { csrs: &csrs, ..request(master.address, &token, &identity) };
    let mut texts = vec![format!("{token:?} {request:?} {request:#?}"), format!("{other:?}")];
    texts.extend(errors.iter().map(|error| format!("{error} {error:?}")));
    texts.extend(master.events_of(6).iter().map(|event| format!("{event} {event:?}")));
    for text in texts {
        for secret in [TOKEN, OTHER_TOKEN].iter().flat_map(|token| forms_of(token)) {
            assert!(!text.contains(&secret), "{text}");
        }
    }
    assert_eq!(format!("{token:?}"), "Token(not shown)");
}

#[test]
fn a_token_that_could_be_guessed_is_refused_without_repeating_it() {
    let error = Token::new("hunter2-hunter2").unwrap_err();
    assert!(error.to_string().contains("15 characters"), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    assert!(Token::new("hunter2-hunter2x").is_ok());
}
