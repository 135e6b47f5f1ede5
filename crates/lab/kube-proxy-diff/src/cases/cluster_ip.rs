//! Cluster addresses: ports, protocols, endpoints ready and not, and none.

use super::{Entry, common::*};

pub const CASES: &[Entry] = &[
    ("one local endpoint", |p| {
        let step = put(web(p), behind(p, &PODS[..1])).expect(POD, cluster(p), reaches(&PODS[..1]));
        vec![step.expect(POD, cluster(p), Source(PODS[3]))]
    }),
    ("one remote endpoint", |p| {
        vec![put(web(p), behind(p, &REMOTE_PODS[1..])).expect(ON_NODE, cluster(p), reaches(&REMOTE_PODS[1..]))]
    }),
    ("three endpoints", |p| vec![put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE))]),
    ("all endpoints there are", |p| {
        let all = [&PODS[..], &REMOTE_PODS[..]].concat();
        vec![put(web(p), behind(p, &all)).expect(OUT, cluster(p), reaches(&all))]
    }),
    ("masquerade of what comes from outside of the cluster", |p| {
        let step = put(web(p), behind(p, &PODS[..1]));
        vec![step.expect(OUT, cluster(p), Source(BRIDGE)).expect(REMOTE, cluster(p), Source(REMOTE_PODS[0]))]
    }),
    ("hairpin: a pod asks its own Service", |p| {
        let step = put(web(p), behind(p, &PODS[..1]));
        vec![step.expect(ENDPOINT, cluster(p), Source(BRIDGE))]
    }),
    ("UDP", |p| vec![put(dns(p), dns_behind(p, &THREE)).expect(POD, dns_cluster(p), reaches_dns(&THREE))]),
    ("SCTP beside TCP", |p| {
        let of = endpoints(&p.name("a")).subset(&THREE, &[], &[WEB, ("sig", Sctp, 9999)]).build();
        vec![put(web(p).port("sig", Sctp, 99), of).expect(POD, cluster(p), reaches(&THREE))]
    }),
    ("several ports", |p| {
        let ports = [WEB, ("alt", Tcp, 8081), ("admin", Tcp, 9090)];
        let of = endpoints(&p.name("a")).subset(&PODS[..2], &[], &ports).build();
        let step = put(web(p).port("alt", Tcp, 8000).port("admin", Tcp, 9000), of);
        let admin = Target::new(Tcp, p.cluster_ip(1), 9000);
        let step = step.expect(POD, cluster(p), reaches(&PODS[..2]));
        vec![step.expect(POD, admin, Expected::endpoints(&PODS[..2], 9090))]
    }),
    ("the same port by TCP and UDP", |p| {
        let of = endpoints(&p.name("a")).subset(&PODS[..2], &[], &[WEB, ("web-udp", Udp, 8080)]).build();
        let udp = Target::new(Udp, p.cluster_ip(1), 80);
        let step = put(web(p).port("web-udp", Udp, 80), of).expect(POD, udp, reaches(&PODS[..2]));
        vec![step.expect(POD, cluster(p), reaches(&PODS[..2]))]
    }),
    ("a named target port that is another number in every pod", |p| {
        let of = endpoints(&p.name("a"))
            .subset(&PODS[..1], &[], &[("web", Tcp, 8080)])
            .subset(&PODS[1..2], &[], &[("web", Tcp, 9090)])
            .build();
        let both = [(PODS[0], 8080), (PODS[1], 9090)].map(|(ip, port)| std::net::SocketAddrV4::new(ip, port));
        vec![put(web(p).target_name("http"), of).expect(POD, cluster(p), Expected::Endpoints(both.into()))]
    }),
    ("no endpoints: TCP is refused", |p| {
        let step = put(web(p), behind(p, &[]));
        vec![step.expect(POD, cluster(p), Refused).expect(ON_NODE, cluster(p), Refused)]
    }),
    ("no endpoints: UDP is refused", |p| vec![put(dns(p), dns_behind(p, &[])).expect(POD, dns_cluster(p), Refused)]),
    ("no Endpoints object at all", |p| vec![Step::new([Put(web(p).build())]).expect(POD, cluster(p), Refused)]),
    ("only endpoints that are not ready", |p| {
        let of = endpoints(&p.name("a")).subset(&[], &THREE, &[WEB]).build();
        vec![put(web(p), of).expect(POD, cluster(p), Refused)]
    }),
    ("ready and not ready endpoints", |p| {
        let of = endpoints(&p.name("a")).subset(&PODS[..1], &PODS[1..], &[WEB]).build();
        vec![put(web(p), of).expect(POD, cluster(p), reaches(&PODS[..1]))]
    }),
    ("endpoints whose port has another name", |p| {
        let of = endpoints(&p.name("a")).subset(&THREE, &[], &[("other", Tcp, 8080)]).build();
        vec![put(web(p), of).expect(POD, cluster(p), Refused)]
    }),
    ("one of two ports has endpoints", |p| {
        let step = put(web(p).port("admin", Tcp, 9000), behind(p, &THREE));
        let admin = Target::new(Tcp, p.cluster_ip(1), 9000);
        vec![step.expect(POD, cluster(p), reaches(&THREE)).expect(POD, admin, Refused)]
    }),
    ("a port that is not the Service's is not touched", |p| {
        let unknown = service(&p.name("b"), p.cluster_ip(2)).port("web", Tcp, 80);
        let of = endpoints(&p.name("b")).subset(&PODS[..1], &[], &[WEB]).build();
        let other = Target::new(Tcp, p.cluster_ip(2), 81);
        let opened = Step::new([Put(unknown.clone().port("gone", Tcp, 81).build()), Put(of)]);
        vec![opened.expect(POD, other, Refused), Step::new([Put(unknown.build())]).expect(POD, other, Nothing)]
    }),
    ("the same address in two subsets", |p| {
        let of = endpoints(&p.name("a"))
            .subset(&PODS[..1], &[], &[WEB])
            .subset(&PODS[..2], &[], &[WEB, ("admin", Tcp, 9090)])
            .build();
        vec![put(web(p), of).expect(POD, cluster(p), reaches(&PODS[..2]))]
    }),
    ("two Services share their endpoints", |p| {
        let other = service(&p.name("b"), p.cluster_ip(2)).port("web", Tcp, 80).build();
        let of = endpoints(&p.name("b")).subset(&THREE, &[], &[WEB]).build();
        let mut step = put(web(p), behind(p, &THREE));
        step.changes.extend([Put(other), Put(of)]);
        vec![step.expect(POD, Target::new(Tcp, p.cluster_ip(2), 80), reaches(&THREE))]
    }),
    ("an endpoint in the node's own network", |p| {
        vec![put(web(p), behind(p, &[NODE])).expect(POD, cluster(p), reaches(&[NODE]))]
    }),
    ("an endpoint in the other node's network", |p| {
        vec![put(web(p), behind(p, &[NODE_2])).expect(POD, cluster(p), reaches(&[NODE_2]))]
    }),
    ("a headless Service is left alone", |p| {
        let plain = service(&p.name("b"), p.cluster_ip(2)).port("web", Tcp, 80).build();
        let mut step = put(web(p).headless(), behind(p, &THREE));
        step.changes.push(Put(plain));
        vec![step.expect(POD, Target::new(Tcp, p.cluster_ip(2), 80), Refused)]
    }),
    ("an ExternalName Service is left alone", |p| {
        let plain = service(&p.name("b"), p.cluster_ip(2)).port("web", Tcp, 80).build();
        let mut step = put(web(p).external_name("example.com"), behind(p, &THREE));
        step.changes.push(Put(plain));
        vec![step.expect(POD, Target::new(Tcp, p.cluster_ip(2), 80), Refused)]
    }),
    ("names at their length limit", |p| {
        let name = format!("{}-{}", p.name("long"), "x".repeat(63 - p.name("long").len() - 1));
        let port = ("a23456789-b23456789-c23456789-d23456789-e23456789-f23456789-xyz", Tcp, 8080);
        let made = service(&name, p.cluster_ip(1)).port(port.0, Tcp, 80).build();
        let of = endpoints(&name).subset(&PODS[..2], &[], &[port]).build();
        vec![Step::new([Put(made), Put(of)]).expect(POD, cluster(p), reaches(&PODS[..2]))]
    }),
    ("a single port without a name", |p| {
        let of = endpoints(&p.name("a")).subset(&PODS[..2], &[], &[("", Tcp, 8080)]).build();
        vec![put(bare(p).port("", Tcp, 80), of).expect(POD, cluster(p), reaches(&PODS[..2]))]
    }),
];
