//! Names outside the cluster, by resolvers that are slow, that lie, that are away, or that ask us themselves.

use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{by_tcp, question};
use crate::resolver::{FakeResolver, Manner};
use crate::running::Running;

#[test]
fn an_answer_is_asked_for_once_and_kept_in_any_case_of_letters() {
    let running = Running::start();
    assert_eq!(running.ask("www.example.com.", "A").data, ["192.0.2.1"]);
    let again = running.ask("WWW.Example.com.", "A");
    assert_eq!(again.data, ["192.0.2.1"]);
    assert_eq!(again.message.queries[0].name.to_string(), "WWW.Example.com.");
    assert_eq!(running.resolver.asked("www.example.com."), 1);
    assert_eq!(running.metric("coredns_cache_hits_total"), 1.0);
    assert_eq!(running.ask("x.none.example.", "A").code, "NXDomain");
}

#[test]
fn lies_of_a_resolver_are_not_taken_and_its_case_of_letters_does_not_matter() {
    let running = Running::start();
    running.resolver.is(Manner::LiesFirst);
    assert_eq!(running.ask("www.example.com.", "A").data, ["192.0.2.1"]);
    running.wait_for("lies are counted", || running.metric("cluster_dns_forward_mismatches_total") >= 4.0);
    running.resolver.is(Manner::ShoutsNames);
    let answer = running.ask("quiet.example.com.", "A");
    assert_eq!(answer.data, ["192.0.2.1"]);
    assert_eq!(answer.message.queries[0].name.to_string(), "quiet.example.com.");
}

#[test]
fn an_answer_that_is_too_long_for_udp_is_fetched_by_tcp() {
    let running = Running::start();
    running.resolver.is(Manner::Truncates);
    let answer = by_tcp(running.address, &question("long.example.com.", "TXT")).unwrap();
    assert_eq!(answer.data.len(), 101);
}

#[test]
fn where_no_resolver_answers_an_old_answer_is_given_before_the_client_asks_again() {
    let running = Running::start();
    running.resolver.set_ttl(1);
    running.ask("www.example.com.", "A");
    thread::sleep(Duration::from_millis(1100));
    for manner in [Manner::Silent, Manner::Fails] {
        running.resolver.is(manner);
        let begun = Instant::now();
        let answer = running.ask("www.example.com.", "A");
        assert_eq!((answer.data.as_slice(), answer.message.answers[0].ttl), (["192.0.2.1".to_owned()].as_slice(), 30));
        assert!(begun.elapsed() < Duration::from_secs(4), "{manner:?}");
        assert_eq!(running.ask("never.example.com.", "A").code, "ServFail");
    }
    running.resolver.is(Manner::Honest);
    assert_eq!(running.ask("www.example.com.", "A").message.answers[0].ttl, 1);
}

#[test]
fn one_resolver_that_is_away_is_passed_over() {
    let mut running = Running::new();
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
    running.flags.insert(0, format!("--upstream={}", gone.local_addr().unwrap()));
    running.run();
    running.until("current");
    assert_eq!(running.ask("www.example.com.", "A").data, ["192.0.2.1"]);
    let begun = Instant::now();
    assert_eq!(running.ask("other.example.com.", "A").data, ["192.0.2.1"]);
    assert!(begun.elapsed() < Duration::from_secs(1), "who failed is asked last");
}

#[test]
fn who_asks_for_names_that_nobody_answers_keeps_others_from_nothing() {
    let mut running = Running::new();
    let silent = FakeResolver::start();
    silent.is(Manner::Silent);
    running.flags.push(format!("--stub-domain=hole.example={}", silent.address));
    running.run();
    running.until("current");
    let greedy = UdpSocket::bind("127.0.0.2:0").unwrap();
    for number in 0..300 {
        let asked = question(&format!("{number}.hole.example."), "A").to_vec().unwrap();
        greedy.send_to(&asked, running.address).unwrap();
        // Not more at a time than the socket has room for.
        if number % 16 == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
    assert_eq!(running.ask("www.example.com.", "A").data, ["192.0.2.1"]);
    assert!(running.metric("cluster_dns_over_share_total") > 0.0);
}

#[test]
fn a_stub_domain_has_resolvers_of_its_own() {
    let mut running = Running::new();
    let stub = FakeResolver::start();
    running.flags.push(format!("--stub-domain=corp.example={}", stub.address));
    running.run();
    running.until("current");
    running.ask("a.corp.example.", "A");
    running.ask("a.example.", "A");
    assert_eq!((stub.asked("a.corp.example."), running.resolver.asked("a.corp.example.")), (1, 0));
    assert_eq!((stub.asked("a.example."), running.resolver.asked("a.example.")), (0, 1));
}

#[test]
fn a_resolver_that_asks_us_is_found_and_left_out() {
    let mut running = Running::new();
    // As EOS' own forwarder does where the switch's resolver is the cluster's DNS address.
    let looping = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = looping.local_addr().unwrap();
    let us = running.address;
    running.flags.insert(0, format!("--upstream={address}"));
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = looping.recv_from(&mut buffer) {
            let question = buffer[..length].to_vec();
            let socket = looping.try_clone().unwrap();
            thread::spawn(move || {
                let answer = crate::client::raw_by_udp(us, &question, Duration::from_secs(3));
                let _ = answer.map(|answer| socket.send_to(&answer, client));
            });
        }
    });
    running.run();
    running.until("current");
    // The first look may have been before anything was served.
    let found = || running.status().is_some_and(|status| status["looping"][0] == address.to_string());
    running.wait_for("it is found", found);
    assert_eq!(running.ask("www.example.com.", "A").data, ["192.0.2.1"]);
}
