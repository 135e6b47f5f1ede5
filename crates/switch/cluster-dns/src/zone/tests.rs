//! The specification, record by record.

use std::collections::BTreeMap;

use super::*;
use crate::knowledge::{Endpoint, Kind, Port, Protocol, Service, Subset};

fn port(name: &str, protocol: Protocol, number: u16) -> Port {
    Port { name: name.into(), protocol, number }
}

fn endpoint(last: u8, hostname: Option<&str>, ready: bool) -> Endpoint {
    Endpoint { ip: [10, 16, 0, last].into(), hostname: hostname.map(Into::into), ready }
}

fn service(kind: Kind) -> Service {
    let ports = [port("http", Protocol::Tcp, 80), port("", Protocol::Udp, 53)].into();
    Service { kind, ports, publish_not_ready: false, is_ours: false }
}

fn known() -> Knowledge {
    let mut known = Knowledge::default();
    let name = |name| ServiceName::new("shop", name);
    let mut early = service(Kind::Headless);
    early.publish_not_ready = true;
    known.set_services(BTreeMap::from([
        (name("web"), service(Kind::ClusterIp([10, 10, 0, 20].into()))),
        (name("db"), service(Kind::Headless)),
        (name("empty"), service(Kind::Headless)),
        (name("early"), early),
        (name("out"), service(Kind::ExternalName("www.example.com".into()))),
    ]));
    let subset = |endpoints: &[Endpoint]| Subset {
        ports: [port("sql", Protocol::Tcp, 5432), port("", Protocol::Tcp, 9)].into(),
        endpoints: endpoints.into(),
    };
    let of = |subset: Subset| BTreeMap::from([("one".into(), [subset].into())]);
    known.set_all_endpoints(BTreeMap::from([
        (name("web"), of(subset(&[endpoint(9, None, true)]))),
        (
            name("db"),
            of(subset(&[endpoint(1, Some("db-0"), true), endpoint(2, None, true), endpoint(3, Some("db-2"), false)])),
        ),
        (name("empty"), of(subset(&[endpoint(4, None, false)]))),
        (name("early"), of(subset(&[endpoint(5, Some("early-0"), false)]))),
    ]));
    known
}

fn zone() -> Zone {
    let ranges = ["10.10.0.0/22", "10.16.0.0/16"].map(|range| range.parse().unwrap());
    Zone::new("cluster.local", [10, 10, 0, 10].into(), ranges.into()).unwrap()
}

/// The answer's data in order, or why there are none.
fn ask(name: &str, kind: RecordType) -> Result<Vec<String>, &'static str> {
    let (zone, name) = (zone(), Name::from_ascii(name).unwrap());
    let place = zone.place(&name);
    assert_ne!(place, Place::Elsewhere, "{name}");
    let found = zone.find(&known(), &place, &name, kind);
    match (found.exists, found.answers.is_empty()) {
        (false, _) => Err("NXDOMAIN"),
        (true, true) => Err("NODATA"),
        (true, false) => {
            let mut data: Vec<String> = found.answers.iter().map(|record| record.data.to_string()).collect();
            assert!(found.answers.iter().all(|record| record.name.eq_case(&name)), "the case that was asked in");
            data.sort();
            Ok(data)
        }
    }
}

const NO_NAME: Result<&[&str], &str> = Err("NXDOMAIN");
const NO_DATA: Result<&[&str], &str> = Err("NODATA");

/// A question, and the answer's data or why there are none.
type Expected<'a> = (&'a str, RecordType, Result<&'a [&'a str], &'a str>);

fn all_answer(questions: &[Expected<'_>]) {
    for (name, kind, expected) in questions {
        let found = ask(name, *kind);
        let found = found.as_ref().map(|data| data.iter().map(String::as_str).collect::<Vec<_>>()).map_err(|why| *why);
        assert_eq!(found, expected.map(<[_]>::to_vec), "{name} {kind}");
    }
}

#[test]
fn a_service_with_an_address() {
    use RecordType::{A, AAAA, PTR, SRV, TXT};
    all_answer(&[
        ("web.shop.svc.cluster.local.", A, Ok(&["10.10.0.20"])),
        ("WEB.Shop.svc.Cluster.LOCAL.", A, Ok(&["10.10.0.20"])),
        ("web.shop.svc.cluster.local.", AAAA, NO_DATA),
        ("web.shop.svc.cluster.local.", TXT, NO_DATA),
        ("_http._tcp.web.shop.svc.cluster.local.", SRV, Ok(&["0 100 80 web.shop.svc.cluster.local."])),
        ("_http._udp.web.shop.svc.cluster.local.", SRV, NO_NAME),
        ("_http._tcp.web.shop.svc.cluster.local.", A, NO_DATA),
        ("_tcp.web.shop.svc.cluster.local.", SRV, NO_DATA),
        ("_udp.web.shop.svc.cluster.local.", SRV, NO_NAME),
        ("web.shop.svc.cluster.local.", SRV, Ok(&["0 100 80 web.shop.svc.cluster.local."])),
        ("20.0.10.10.in-addr.arpa.", PTR, Ok(&["web.shop.svc.cluster.local."])),
        ("20.0.10.10.in-addr.arpa.", A, NO_DATA),
        ("21.0.10.10.in-addr.arpa.", PTR, NO_NAME),
        // Its endpoints have no names.
        ("10-16-0-9.web.shop.svc.cluster.local.", A, NO_NAME),
        ("9.0.16.10.in-addr.arpa.", PTR, NO_NAME),
        ("none.shop.svc.cluster.local.", A, NO_NAME),
        ("web.none.svc.cluster.local.", A, NO_NAME),
        ("a.b.c.web.shop.svc.cluster.local.", A, NO_NAME),
    ]);
}

#[test]
fn a_headless_service_and_its_endpoints() {
    use RecordType::{A, AAAA, PTR, SRV};
    all_answer(&[
        ("db.shop.svc.cluster.local.", A, Ok(&["10.16.0.1", "10.16.0.2"])),
        ("db.shop.svc.cluster.local.", AAAA, NO_DATA),
        ("db-0.db.shop.svc.cluster.local.", A, Ok(&["10.16.0.1"])),
        ("DB-0.db.shop.svc.cluster.local.", A, Ok(&["10.16.0.1"])),
        ("10-16-0-2.db.shop.svc.cluster.local.", A, Ok(&["10.16.0.2"])),
        ("10-16-0-1.db.shop.svc.cluster.local.", A, NO_NAME),
        ("db-2.db.shop.svc.cluster.local.", A, NO_NAME),
        (
            "_sql._tcp.db.shop.svc.cluster.local.",
            SRV,
            Ok(&["0 100 5432 10-16-0-2.db.shop.svc.cluster.local.", "0 100 5432 db-0.db.shop.svc.cluster.local."]),
        ),
        ("1.0.16.10.in-addr.arpa.", PTR, Ok(&["db-0.db.shop.svc.cluster.local."])),
        ("2.0.16.10.in-addr.arpa.", PTR, Ok(&["10-16-0-2.db.shop.svc.cluster.local."])),
        ("3.0.16.10.in-addr.arpa.", PTR, NO_NAME),
        ("empty.shop.svc.cluster.local.", A, NO_NAME),
        ("early.shop.svc.cluster.local.", A, Ok(&["10.16.0.5"])),
        ("early-0.early.shop.svc.cluster.local.", A, Ok(&["10.16.0.5"])),
        ("5.0.16.10.in-addr.arpa.", PTR, Ok(&["early-0.early.shop.svc.cluster.local."])),
    ]);
}

#[test]
fn what_else_the_domain_has() {
    use RecordType::{A, CNAME, NS, SOA, TXT};
    all_answer(&[
        ("out.shop.svc.cluster.local.", CNAME, Ok(&["www.example.com."])),
        ("out.shop.svc.cluster.local.", A, Ok(&["www.example.com."])),
        ("a.out.shop.svc.cluster.local.", A, NO_NAME),
        ("dns-version.cluster.local.", TXT, Ok(&["1.1.0"])),
        ("dns-version.cluster.local.", A, NO_DATA),
        ("10-16-0-77.shop.pod.cluster.local.", A, Ok(&["10.16.0.77"])),
        ("10-16-0-777.shop.pod.cluster.local.", A, NO_NAME),
        ("web.shop.pod.cluster.local.", A, NO_NAME),
        ("shop.svc.cluster.local.", A, NO_DATA),
        ("none.svc.cluster.local.", A, NO_NAME),
        ("svc.cluster.local.", A, NO_DATA),
        ("shop.pod.cluster.local.", A, NO_DATA),
        ("none.cluster.local.", A, NO_NAME),
        ("cluster.local.", A, NO_DATA),
        ("cluster.local.", NS, Ok(&["ns.dns.cluster.local."])),
        ("ns.dns.cluster.local.", A, Ok(&["10.10.0.10"])),
    ]);
    assert_eq!(ask("cluster.local.", SOA).unwrap().len(), 1);
}

#[test]
fn names_elsewhere_are_not_ours_however_they_look() {
    let zone = zone();
    for name in [
        "www.example.com.",
        "xcluster.local.",
        "local.",
        ".",
        "1.0.0.127.in-addr.arpa.",
        "0.16.10.in-addr.arpa.",
        "x.0.16.10.in-addr.arpa.",
        "1.0.16.10.ip6.arpa.",
    ] {
        assert_eq!(zone.place(&Name::from_ascii(name).unwrap()), Place::Elsewhere, "{name}");
    }
}

#[test]
fn an_endpoint_that_goes_takes_its_names_with_it() {
    let (zone, mut known) = (zone(), known());
    known.set_endpoints(ServiceName::new("shop", "db"), "one".into(), None);
    let ask = |known: &Knowledge, name: &str, kind| {
        let name = Name::from_ascii(name).unwrap();
        zone.find(known, &zone.place(&name), &name, kind).exists
    };
    assert!(!ask(&known, "db-0.db.shop.svc.cluster.local.", RecordType::A));
    assert!(!ask(&known, "1.0.16.10.in-addr.arpa.", RecordType::PTR));
    known.set_service(ServiceName::new("shop", "web"), None);
    assert!(!ask(&known, "20.0.10.10.in-addr.arpa.", RecordType::PTR));
}
