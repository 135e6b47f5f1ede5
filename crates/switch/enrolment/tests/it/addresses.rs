//! Where requests come from, in both versions of the protocol; and what a server at an address shows of itself.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use enrolment::{EnrolError, Event, Request, Retry, enrol, served_certificate};
use rustls::{
    ServerConfig, ServerConnection,
    crypto::ring::{default_provider, sign::any_supported_type},
    pki_types::PrivateKeyDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use serde_json::json;

use crate::{
    peer::{Peer, Seen, body},
    support::{Master, NAME, TOKEN, csrs, enrol_at, identity, issued, listen_once, request, token},
};

const OWN: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));
const LIMIT: Duration = Duration::from_secs(10);

fn enrol_from(master: SocketAddr, from: IpAddr) -> Result<(), EnrolError> {
    let (token, identity, csrs) = (token(), identity(), csrs());
    let request = Request { from: Some(from), csrs: &csrs, ..request(master, &token, &identity) };
    enrol(&request).map(|enrolled| assert_eq!(enrolled.issued, issued(&csrs)))
}

#[test]
fn a_worker_asks_from_its_own_address_and_the_signer_is_told_which() {
    let master = Master::usual();
    enrol_from(master.address, OWN).unwrap();
    assert_eq!(*master.names.from.lock().unwrap(), [(OWN, false)]);
    assert!(matches!(master.events_of(1)[0], Event::Issued { peer, .. } if peer.ip() == OWN));
}

#[test]
fn a_worker_that_has_not_its_address_yet_says_so_and_tries_again_soon() {
    let master = Master::usual();
    let error = enrol_from(master.address, "192.0.2.7".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("192.0.2.7, its address in cluster.toml"), "{error}");
    assert_eq!(error.retry(), Retry::Soon);
}

#[test]
fn a_worker_of_the_old_release_is_served_and_told_apart() {
    let master = Master::usual();
    for (alpn, any_address) in [(&[][..], true), (Peer::VERSION_2, false)] {
        let socket = TcpStream::connect(master.address).unwrap();
        let mut worker = Peer::client_that_offers(socket, alpn).unwrap();
        let seen = Seen::as_worker(&mut worker, TOKEN, NAME, &csrs()).unwrap();
        worker.send(&seen.request()).unwrap();
        let answer = worker.receive().unwrap();
        let body = answer["answer"]["body"].as_str().unwrap();
        assert_eq!(answer["answer"]["proof"], seen.master_proof(body));
        assert_eq!(master.names.from.lock().unwrap().pop().unwrap().1, any_address);
    }
}

#[test]
fn nobody_speaks_another_version_than_the_session_has_agreed_on() {
    let master = Master::usual();
    for (alpn, version) in [(&[][..], 2), (Peer::VERSION_2, 1)] {
        let socket = TcpStream::connect(master.address).unwrap();
        let mut worker = Peer::client_that_offers(socket, alpn).unwrap();
        let hello = json!({"hello": {"version": version, "name": NAME, "nonce": "00".repeat(32)}});
        worker.send(&hello).unwrap();
        assert_eq!(worker.receive().unwrap(), json!({"refused": "version"}), "{version}");
    }
    assert_eq!(master.signed(), 0);
}

#[test]
fn a_worker_takes_what_masters_of_both_releases_answer() {
    for alpn in [&[][..], Peer::VERSION_2] {
        let (address, master) = listen_once(move |socket| {
            let mut peer = Peer::server_that_takes(socket, alpn).unwrap();
            let (seen, proof) = Seen::as_master(&mut peer, TOKEN).unwrap();
            peer.send(&seen.answer(&body(&seen.csrs))).unwrap();
            (proof, seen.worker_proof())
        });
        assert_eq!(enrol_at(address).unwrap().issued.certificates, csrs());
        let (given, expected) = master.join().unwrap();
        assert_eq!(given, expected);
    }
}

/// What a server shows that has this key for its certificate, right or wrong.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[test]
fn a_certificate_is_seen_of_a_server_that_has_its_key_and_of_no_other() {
    let [one, other] = [(), ()].map(|()| rcgen::generate_simple_self_signed(["somebody".to_owned()]).unwrap());
    let key = |of: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        any_supported_type(&PrivateKeyDer::Pkcs8(of.signing_key.serialize_der().into())).unwrap()
    };
    for version in [&TLS12, &TLS13] {
        for (of, has_it) in [(&one, true), (&other, false)] {
            let shown = CertifiedKey::new(vec![one.cert.der().clone()], key(of));
            let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_no_client_auth()
                .with_cert_resolver(Arc::new(Shows(Arc::new(shown))));
            let (address, server) = listen_once(move |mut socket| {
                let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
                while tls.is_handshaking() && tls.complete_io(&mut socket).is_ok() {}
            });
            let seen = served_certificate(address, LIMIT);
            assert_eq!(seen.ok().as_deref(), has_it.then_some(one.cert.der().as_ref()), "{version:?}");
            server.join().unwrap();
        }
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let (address, server) = listen_once(|socket| {
        thread::sleep(Duration::from_millis(600));
        drop(socket);
    });
    let begin = std::time::Instant::now();
    served_certificate(address, Duration::from_millis(200)).unwrap_err();
    assert!(begin.elapsed() < Duration::from_millis(500));
    server.join().unwrap();
}
