//! UDP flows that the kernel still has on record for an endpoint that is gone.

use super::{Entry, common::*};

/// The port that the client of a flow always uses.
const PORT: u16 = 41000;

pub const CASES: &[Entry] = &[
    ("a UDP flow leaves an endpoint that was replaced", |p| {
        let first = put(dns(p), dns_behind(p, &PODS[..1])).flow(POD, PORT, dns_cluster(p), reaches_dns(&PODS[..1]));
        let second = Step::new([Put(dns_behind(p, &PODS[1..2]))]);
        vec![first, second.flow(POD, PORT, dns_cluster(p), reaches_dns(&PODS[1..2]))]
    }),
    ("a UDP flow from outside leaves an endpoint that was replaced", |p| {
        let first = put(dns(p), dns_behind(p, &PODS[..1])).flow(OUT, PORT, dns_cluster(p), reaches_dns(&PODS[..1]));
        let second = Step::new([Put(dns_behind(p, &PODS[1..2]))]);
        vec![first, second.flow(OUT, PORT, dns_cluster(p), reaches_dns(&PODS[1..2]))]
    }),
    ("a UDP flow to a node port leaves an endpoint that was replaced", |p| {
        let at = Target::new(Udp, NODE, p.node_port(1));
        let made = dns(p).node_port(p.node_port(1));
        let first = put(made, dns_behind(p, &PODS[..1])).flow(OUT, PORT, at, reaches_dns(&PODS[..1]));
        vec![first, Step::new([Put(dns_behind(p, &PODS[1..2]))]).flow(OUT, PORT, at, reaches_dns(&PODS[1..2]))]
    }),
    ("a UDP flow to an external address leaves an endpoint that was replaced", |p| {
        let at = Target::new(Udp, p.external_ip(1), 53);
        let made = dns(p).external_ips(&[p.external_ip(1)]);
        let first = put(made, dns_behind(p, &PODS[..1])).flow(OUT, PORT, at, reaches_dns(&PODS[..1]));
        vec![first, Step::new([Put(dns_behind(p, &PODS[1..2]))]).flow(OUT, PORT, at, reaches_dns(&PODS[1..2]))]
    }),
    ("a UDP flow stays with an endpoint that stays", |p| {
        let first = put(dns(p), dns_behind(p, &PODS[..1])).flow(POD, PORT, dns_cluster(p), reaches_dns(&PODS[..1]));
        let second = Step::new([Put(dns_behind(p, &THREE))]);
        vec![first, second.flow(POD, PORT, dns_cluster(p), reaches_dns(&PODS[..1]))]
    }),
    ("a UDP flow is refused when the last endpoint goes", |p| {
        let first = put(dns(p), dns_behind(p, &PODS[..1])).flow(POD, PORT, dns_cluster(p), reaches_dns(&PODS[..1]));
        vec![first, Step::new([Put(dns_behind(p, &[]))]).flow(POD, PORT, dns_cluster(p), Refused)]
    }),
    ("a UDP flow begun before there was an endpoint finds the first one", |p| {
        let at = Target::new(Udp, p.cluster_ip(1), 53);
        let first = Step::new([]).flow(OUT, PORT, at, Nothing);
        vec![first, put(dns(p), dns_behind(p, &PODS[..1])).flow(OUT, PORT, at, reaches_dns(&PODS[..1]))]
    }),
    ("a UDP flow is not followed into a Service that was deleted", |p| {
        let first = put(dns(p), dns_behind(p, &PODS[..1])).flow(POD, PORT, dns_cluster(p), reaches_dns(&PODS[..1]));
        let second = Step::new([Delete(dns(p).build()), Delete(dns_behind(p, &PODS[..1]))]);
        vec![first, second.flow(POD, PORT, dns_cluster(p), Nothing)]
    }),
];
