//! Renewal by the node's key: what the key alone is good for, and what those get who have another one, or none.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use enrolment::{EnrolError, Enrolled, Event, Request, Token, Trust, enrol};
use rustls::sign::CertifiedKey;
use serde_json::json;

use crate::{
    peer::{Peer, Seen, body},
    support::{
        LOCAL, Master, NAME, NOT_KNOWN, OTHER_TOKEN, TOKEN, csrs, identity, identity_of, identity_until, issued,
        listen_once, token, wide_limits,
    },
};

fn ask(
    master: SocketAddr,
    name: &str,
    identity: &Arc<CertifiedKey>,
    trust: &Trust,
    token: Option<&Token>,
) -> Result<Enrolled, EnrolError> {
    let timeout = Duration::from_secs(10);
    enrol(&Request { master, from: None, name, identity, trust, token, csrs: &csrs(), timeout })
}

/// Without a token.
fn renew(master: &Master, name: &str, identity: &Arc<CertifiedKey>) -> Result<Enrolled, EnrolError> {
    ask(master.address, name, identity, &master.pinned(), None)
}

fn reason(answer: Result<Enrolled, EnrolError>) -> String {
    match answer {
        Err(EnrolError::Declined { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

fn connect(master: &Master, shown: Option<CertifiedKey>) -> io::Result<Peer> {
    Peer::client_that_shows(TcpStream::connect(master.address)?, Peer::VERSION_3, shown)
}

fn shown(identity: &Arc<CertifiedKey>) -> Option<CertifiedKey> {
    Some(CertifiedKey::new(identity.cert.clone(), identity.key.clone()))
}

fn renewal(name: &str) -> serde_json::Value {
    json!({"renewal": {"name": name, "csrs": csrs()}})
}

#[test]
fn a_worker_whose_key_is_known_is_served_without_a_token_by_a_master_that_has_none() {
    let master = Master::closed();
    let worker = identity();
    master.names.bind(&worker);
    assert_eq!(renew(&master, NAME, &worker).unwrap().issued, issued(&csrs()));
    assert_eq!(*master.names.shown.lock().unwrap(), [(true, false)]);
    assert!(matches!(&master.events_of(1)[0], Event::Issued { name, .. } if name == NAME));
}

#[test]
fn the_key_counts_and_not_its_certificate() {
    let master = Master::closed();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = |year, name: &str| {
        let mut certificate = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
        certificate.not_before = rcgen::date_time_ymd(2020, 1, 1);
        certificate.not_after = rcgen::date_time_ymd(year, 1, 1);
        identity_of(&key, &certificate)
    };
    master.names.bind(&certificate(2035, "veos-l1"));
    for (year, name) in [(2035, "another-name"), (2021, "veos-l1")] {
        renew(&master, NAME, &certificate(year, name)).unwrap();
    }
}

#[test]
fn another_key_gets_nothing_and_learns_no_name() {
    let master = Master::usual();
    master.names.bind(&identity());
    for stranger in [identity(), identity_until(2021)] {
        for name in [NAME, "veos-x"] {
            assert_eq!(reason(renew(&master, name, &stranger)), NOT_KNOWN);
        }
    }
    assert_eq!((master.names.asked.load(Ordering::SeqCst), master.signed()), (0, 0));
}

#[test]
fn a_certificate_without_its_key_or_none_at_all_opens_no_session() {
    let master = Master::usual();
    let (worker, thief) = (identity(), identity());
    master.names.bind(&worker);
    let stolen = CertifiedKey::new(worker.cert.clone(), thief.key.clone());
    for shown in [Some(stolen), None] {
        // The worker's side of TLS 1.3 is done before the master has looked at it.
        let refused = connect(&master, shown).and_then(|mut peer| {
            peer.send(&renewal(NAME))?;
            peer.receive()
        });
        refused.unwrap_err();
    }
    assert!(master.events_of(2).iter().all(|event| matches!(event, Event::Broken { .. })), "{:?}", master.events());
    assert_eq!(master.signed(), 0);
}

#[test]
fn a_worker_written_from_the_description_renews() {
    let master = Master::closed();
    let worker = identity();
    master.names.bind(&worker);
    let mut peer = connect(&master, shown(&worker)).unwrap();
    assert_eq!(peer.version, 3);
    peer.send(&renewal(NAME)).unwrap();
    let answer = peer.receive().unwrap();
    assert_eq!(answer["issued"]["certificates"], json!(issued(&csrs()).certificates));
    assert!(peer.is_closed());
}

#[test]
fn nobody_renews_in_a_session_of_an_older_version_or_under_what_is_no_name() {
    let master = Master::usual();
    let worker = identity();
    master.names.bind(&worker);
    for alpn in [&[][..], Peer::VERSION_2] {
        let socket = TcpStream::connect(master.address).unwrap();
        let mut peer = Peer::client_that_shows(socket, alpn, shown(&worker)).unwrap();
        peer.send(&renewal(NAME)).unwrap();
        assert!(peer.is_closed());
    }
    let mut peer = connect(&master, shown(&worker)).unwrap();
    peer.send(&renewal("veos-l1\nenrolment: all is well")).unwrap();
    assert!(peer.is_closed());
    assert_eq!(master.signed(), 0);
}

#[test]
fn somebody_else_in_the_masters_place_hears_neither_name_nor_requests() {
    let master = Master::usual();
    let worker = identity();
    master.names.bind(&worker);
    for trust in [master.pinned(), Trust::Authority(Arc::new(|_: &[&[u8]]| Err("it is not the one".to_owned())))] {
        let token = token();
        let known_authority = matches!(trust, Trust::Authority(_));
        for token in [None, Some(&token)].into_iter().filter(|token| token.is_none() || known_authority) {
            let mut impostor = Master::start(LOCAL, Token::new(OTHER_TOKEN).unwrap(), wide_limits());
            let error = ask(impostor.address, NAME, &worker, &trust, token).unwrap_err();
            assert!(matches!(error, EnrolError::NotOurMaster { .. }), "{error}");
            impostor.end();
            let heard = impostor.events();
            assert!(heard.iter().all(|event| matches!(event, Event::Broken { .. })), "{heard:?}");
        }
    }
}

#[test]
fn a_worker_that_knows_its_master_asks_another_one_by_the_token_where_it_has_one() {
    let master = Master::usual();
    let other = Master::usual();
    let enrolled = ask(other.address, NAME, &identity(), &master.pinned(), Some(&token())).unwrap();
    assert_eq!(enrolled.issued, issued(&csrs()));
    assert_eq!(*other.names.shown.lock().unwrap(), [(true, true)]);
}

#[test]
fn a_master_of_an_older_release_is_asked_by_the_token_and_without_one_it_is_said_what_to_do() {
    for alpn in [&[][..], Peer::VERSION_2] {
        let trust = Trust::Pinned(Arc::new(|_: &[&[u8]]| Err("somebody else signed it".to_owned())));
        let (address, old) = listen_old(alpn, 2);
        assert_eq!(ask(address, NAME, &identity(), &trust, Some(&token())).unwrap().issued.certificates, csrs());
        old.join().unwrap();
        let (address, old) = listen_old(alpn, 1);
        let error = ask(address, NAME, &identity(), &trust, None).unwrap_err();
        assert!(error.to_string().contains("older release"), "{error}");
        old.join().unwrap();
    }
}

/// A master of an older release that takes so many connections.
fn listen_old(alpn: &'static [&'static [u8]], connections: usize) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind(LOCAL).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move || {
        for _ in 0..connections {
            let Ok(mut peer) = Peer::server_that_takes(listener.accept().unwrap().0, alpn) else { continue };
            let Ok((seen, _)) = Seen::as_master(&mut peer, TOKEN) else { continue };
            peer.send(&seen.answer(&body(&seen.csrs))).unwrap();
        }
    };
    (address, std::thread::spawn(serve))
}

#[test]
fn a_master_that_has_nothing_to_show_serves_by_the_token_as_older_ones_do() {
    let master = Master::without_identity();
    let trust = Trust::Pinned(Arc::new(|_: &[&[u8]]| Ok(())));
    ask(master.address, NAME, &identity(), &trust, Some(&token())).unwrap();
    assert_eq!(*master.names.shown.lock().unwrap(), [(false, true)]);
    let error = ask(master.address, NAME, &identity(), &trust, None).unwrap_err();
    assert!(matches!(error, EnrolError::OldMaster { .. }), "{error}");
}

#[test]
fn at_a_master_without_a_token_nobody_joins_and_hears_why() {
    let master = Master::closed();
    let error = ask(master.address, NAME, &identity(), &Trust::Token, Some(&token())).unwrap_err();
    assert!(matches!(error, EnrolError::NobodyJoins { .. }), "{error}");
    let error = ask(master.address, NAME, &identity(), &Trust::Token, None).unwrap_err();
    assert!(matches!(error, EnrolError::NoToken), "{error}");
    assert!(matches!(&master.events_of(1)[0], Event::NobodyJoins { name, .. } if name == NAME));

    let mut old = Peer::connect(master.address).unwrap();
    old.send(&json!({"hello": {"version": 1, "name": NAME, "nonce": "00".repeat(32)}})).unwrap();
    assert_eq!(old.receive().unwrap(), json!({"refused": "token or name not accepted"}));
}

#[test]
fn what_the_master_says_to_a_key_is_told_where_the_token_is_another_one() {
    let master = Master::usual();
    let other = Token::new(OTHER_TOKEN).unwrap();
    let answer = ask(master.address, NAME, &identity(), &master.pinned(), Some(&other));
    assert_eq!(reason(answer), NOT_KNOWN);
}

#[test]
fn a_stranger_with_a_key_holds_no_place_longer_than_one_without() {
    let limits = enrolment::ServerLimits { before_proof: Duration::from_millis(300), ..wide_limits() };
    let master = Master::start(LOCAL, token(), limits);
    let mut stranger = connect(&master, shown(&identity())).unwrap();
    let begin = std::time::Instant::now();
    assert!(stranger.is_closed());
    assert!(begin.elapsed() < Duration::from_secs(2));
    let (address, silent) = listen_once(drop);
    let error = ask(address, NAME, &identity(), &master.pinned(), None).unwrap_err();
    assert!(matches!(error, EnrolError::Interrupted { .. }), "{error}");
    silent.join().unwrap();
}
