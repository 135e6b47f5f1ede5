//! sessionAffinity ClientIP.

use super::{Entry, common::*, external::balanced};

const THREE_HOURS: i32 = 10800;

pub const CASES: &[Entry] = &[
    ("a client stays with its endpoint", |p| {
        let step = put(web(p).affinity(THREE_HOURS), behind(p, &THREE)).expect(POD, cluster(p), OneEndpoint);
        vec![step.expect(OUT, cluster(p), OneEndpoint).expect(ON_NODE, cluster(p), OneEndpoint)]
    }),
    ("a short affinity", |p| vec![put(web(p).affinity(60), behind(p, &THREE)).expect(POD, cluster(p), OneEndpoint)]),
    ("affinity at a node port", |p| {
        let made = web(p).node_port(p.node_port(1)).affinity(THREE_HOURS);
        vec![put(made, behind(p, &THREE)).expect(OUT, node_port(p), OneEndpoint)]
    }),
    ("affinity at a load balancer's address", |p| {
        let step = put(balanced(p).affinity(THREE_HOURS), behind(p, &THREE));
        vec![step.expect(OUT, external(p), OneEndpoint)]
    }),
    ("affinity at an external address", |p| {
        let made = web(p).external_ips(&[p.external_ip(1)]).affinity(THREE_HOURS);
        vec![put(made, behind(p, &THREE)).expect(OUT, external(p), OneEndpoint)]
    }),
    ("affinity by UDP", |p| {
        let step = put(dns(p).affinity(THREE_HOURS), dns_behind(p, &THREE));
        vec![step.expect(POD, dns_cluster(p), OneEndpoint)]
    }),
    ("affinity with a single endpoint", |p| {
        vec![put(web(p).affinity(THREE_HOURS), behind(p, &PODS[..1])).expect(POD, cluster(p), reaches(&PODS[..1]))]
    }),
    ("affinity without endpoints", |p| {
        vec![put(web(p).affinity(THREE_HOURS), behind(p, &[])).expect(POD, cluster(p), Refused)]
    }),
    ("affinity survives another endpoint that comes", |p| {
        let first =
            put(web(p).affinity(THREE_HOURS), behind(p, &PODS[..1])).expect(POD, cluster(p), reaches(&PODS[..1]));
        let second = Step::new([Put(behind(p, &PODS[..3]))]).expect(POD, cluster(p), reaches(&PODS[..1]));
        vec![first, second]
    }),
    ("affinity ends with its endpoint", |p| {
        let first =
            put(web(p).affinity(THREE_HOURS), behind(p, &PODS[..1])).expect(POD, cluster(p), reaches(&PODS[..1]));
        let second = Step::new([Put(behind(p, &PODS[1..2]))]).expect(POD, cluster(p), reaches(&PODS[1..2]));
        vec![first, second]
    }),
    ("affinity switched off", |p| {
        let first =
            put(web(p).affinity(THREE_HOURS), behind(p, &PODS[..1])).expect(POD, cluster(p), reaches(&PODS[..1]));
        let second = Step::new([Put(web(p).build()), Put(behind(p, &THREE))]).expect(POD, cluster(p), reaches(&THREE));
        vec![first, second]
    }),
];
