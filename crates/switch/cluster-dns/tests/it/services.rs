//! Names of the cluster, as they change.

use serde_json::json;

use crate::client::{by_tcp, by_udp, question, with_edns};
use crate::running::Running;

#[test]
fn services_endpoints_and_aliases_are_answered_and_followed() {
    let running = Running::start();
    assert_eq!(running.ask("web.shop.svc.cluster.local.", "A").data, ["10.10.0.20"]);
    assert_eq!(running.ask("db.shop.svc.cluster.local.", "A").data, ["10.16.0.1", "10.16.0.2"]);
    assert_eq!(running.ask("db-2.db.shop.svc.cluster.local.", "A").data, ["10.16.0.2"]);
    assert_eq!(running.ask("2.0.16.10.in-addr.arpa.", "PTR").data, ["db-2.db.shop.svc.cluster.local."]);
    let srv = running.ask("_http._tcp.db.shop.svc.cluster.local.", "SRV");
    assert_eq!(srv.data.len(), 2);
    assert_eq!(srv.message.additionals.len(), 2, "the addresses come with it");
    let alias = running.ask("in.shop.svc.cluster.local.", "A");
    assert_eq!(alias.data, ["10.10.0.20", "web.shop.svc.cluster.local."]);
    let outside = running.ask("out.shop.svc.cluster.local.", "A");
    assert_eq!(outside.data, ["192.0.2.1", "www.example.com."]);
    assert_eq!(running.ask("out.shop.svc.cluster.local.", "CNAME").data, ["www.example.com."]);
    assert_eq!(running.ask("round.shop.svc.cluster.local.", "A").code, "ServFail", "a circle has no end");
}

#[test]
fn nothing_there_is_told_from_nothing_of_that_type_and_both_may_be_kept() {
    let running = Running::start();
    for (name, kind, code) in [
        ("none.shop.svc.cluster.local.", "A", "NXDomain"),
        ("web.shop.svc.cluster.local.", "AAAA", "NoError"),
        ("in.shop.svc.cluster.local.", "AAAA", "NoError"),
    ] {
        let answer = running.ask(name, kind);
        assert_eq!(answer.code, code, "{name}");
        let authorities = &answer.message.authorities;
        assert_eq!(authorities.len(), 1, "{name} {authorities:?}");
        assert!(authorities[0].data.to_string().ends_with(" 5"), "{name}: {}", authorities[0].data);
        assert!(answer.message.metadata.authoritative && answer.message.metadata.recursion_available);
    }
}

#[test]
fn what_changes_in_the_api_changes_in_names() {
    let running = Running::start();
    running.put_endpoints("db", &[2, 3]);
    running.answers("db.shop.svc.cluster.local.", "A", &["10.16.0.2", "10.16.0.3"]);
    running.put_service("new", json!({"clusterIP": "10.10.0.30", "ports": []}));
    running.answers("new.shop.svc.cluster.local.", "A", &["10.10.0.30"]);
    running.api.delete(api_watch::fake::SERVICES, "shop", "new");
    running.wait_for("it is gone", || running.ask("new.shop.svc.cluster.local.", "A").code == "NXDomain");
}

#[test]
fn a_name_is_answered_in_the_case_that_it_was_asked_in() {
    let running = Running::start();
    let answer = running.ask("WeB.sHop.Svc.cluster.LOCAL.", "A");
    assert_eq!(answer.message.queries[0].name.to_string(), "WeB.sHop.Svc.cluster.LOCAL.");
    assert_eq!(answer.message.answers[0].name.to_string(), "WeB.sHop.Svc.cluster.LOCAL.");
    assert_eq!(answer.data, ["10.10.0.20"]);
}

#[test]
fn what_does_not_fit_says_so_and_comes_whole_by_tcp() {
    let running = Running::start();
    let many: Vec<u8> = (1..=120).collect();
    running.put_endpoints("db", &many);
    let asked = question("db.shop.svc.cluster.local.", "A");
    running
        .wait_for("all endpoints are known", || by_tcp(running.address, &asked).is_some_and(|it| it.data.len() == 120));
    let plain = by_udp(running.address, &asked).unwrap();
    assert!(plain.message.metadata.truncation && plain.data.is_empty());
    assert!(plain.message.edns.is_none(), "who does not know EDNS gets none");
    let larger = by_udp(running.address, &with_edns(asked.clone(), 4096)).unwrap();
    assert!(larger.message.metadata.truncation && larger.message.edns.is_some(), "1920 bytes do not go in one piece");
    running.put_endpoints("db", &many[..60]);
    running.wait_for("fewer are there", || by_tcp(running.address, &asked).is_some_and(|it| it.data.len() == 60));
    let fits = by_udp(running.address, &with_edns(asked, 4096)).unwrap();
    assert!(!fits.message.metadata.truncation && fits.data.len() == 60);
}

#[test]
fn an_operator_s_service_at_the_address_has_it_until_it_goes() {
    let running = Running::start();
    let service = json!({"clusterIP": "127.0.0.1", "selector": {"k8s-app": "kube-dns"}, "ports": []});
    running.put_service("coredns", service);
    running.wait_for("it is off", || running.status().is_some_and(|status| status["state"] == "off"));
    let status = running.status().unwrap();
    assert!(status["why"].as_str().unwrap().contains("shop/coredns"), "{status}");
    assert_eq!(running.get("/healthz").unwrap().0, 200, "that is as it should be");
    assert!(crate::client::ask(running.address, "web.shop.svc.cluster.local.", "A").is_none());
    running.api.delete(api_watch::fake::SERVICES, "shop", "coredns");
    running.until("current");
    assert_eq!(running.ask("web.shop.svc.cluster.local.", "A").data, ["10.10.0.20"]);
}

#[test]
fn our_own_service_at_the_address_is_no_operator_s() {
    let running = Running::start();
    let (label, value) = contract::dns::MANAGED_BY;
    let metadata = json!({"namespace": "kube-system", "name": "kube-dns", "labels": {label: value}});
    let spec = json!({"clusterIP": "127.0.0.1", "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]});
    running.api.put(api_watch::fake::SERVICES, json!({"metadata": metadata, "spec": spec}));
    running.answers("kube-dns.kube-system.svc.cluster.local.", "A", &["127.0.0.1"]);
    assert_eq!(running.status().unwrap()["state"], "serving");
}
