//! What depends on flags, and the userspace mode.

use super::{Entry, common::*, external::balanced};

pub const MASQUERADE_ALL: &[Entry] = &[
    ("everything to a cluster address is masqueraded", |p| {
        let step = put(web(p), behind(p, &PODS[..2])).expect(POD, cluster(p), Source(BRIDGE));
        vec![step.expect(REMOTE, cluster(p), Source(BRIDGE))]
    }),
    ("everything to a cluster address is masqueraded, by UDP", |p| {
        vec![put(dns(p), dns_behind(p, &PODS[..2])).expect(POD, dns_cluster(p), Source(BRIDGE))]
    }),
    ("local: a node port keeps the client's address all the same", |p| {
        let step = put(web(p).node_port(p.node_port(1)).external_local(None), behind(p, &THREE));
        vec![step.expect(OUT, node_port(p), Source(OUTSIDE[0]))]
    }),
    ("a load balancer and an external address", |p| {
        let step = put(balanced(p).external_ips(&[p.external_ip(2)]), behind(p, &THREE));
        vec![step.expect(OUT, external(p), reaches(&THREE))]
    }),
];

pub const NO_CLUSTER_CIDR: &[Entry] = &[
    ("nothing to a cluster address is masqueraded", |p| {
        let step = put(web(p), behind(p, &PODS[..2])).expect(POD, cluster(p), Source(PODS[3]));
        vec![step.expect(OUT, cluster(p), Source(OUTSIDE[0]))]
    }),
    ("hairpin is masqueraded all the same", |p| {
        vec![put(web(p), behind(p, &PODS[..1])).expect(ENDPOINT, cluster(p), Source(BRIDGE))]
    }),
    ("a node port is masqueraded all the same", |p| {
        let step = put(web(p).node_port(p.node_port(1)), behind(p, &PODS[..2]));
        vec![step.expect(OUT, node_port(p), Source(BRIDGE))]
    }),
    ("local: pods are not told apart from other clients", |p| {
        let step = put(balanced(p).external_local(Some(p.node_port(5))), behind(p, &THREE));
        vec![step.expect(OUT, external(p), reaches(&PODS[..2]))]
    }),
    ("from outside to a pod of the other node the answer takes another way", |p| {
        vec![put(web(p), behind(p, &REMOTE_PODS[1..])).expect(POD, cluster(p), reaches(&REMOTE_PODS[1..]))]
    }),
];

pub const NODEPORT_ADDRESSES: &[Entry] = &[
    ("a node port on the chosen addresses only", |p| {
        let step = put(web(p).node_port(p.node_port(1)), behind(p, &THREE)).expect(OUT, node_port(p), reaches(&THREE));
        vec![step.expect(POD, Target::new(Tcp, BRIDGE, p.node_port(1)), Refused)]
    }),
    ("a node port by UDP on the chosen addresses only", |p| {
        let step = put(dns(p).node_port(p.node_port(1)), dns_behind(p, &THREE));
        vec![step.expect(OUT, Target::new(Udp, NODE, p.node_port(1)), reaches_dns(&THREE))]
    }),
    ("a node port without endpoints", |p| {
        vec![put(web(p).node_port(p.node_port(1)), behind(p, &[])).expect(OUT, node_port(p), Refused)]
    }),
    ("local: a node port on the chosen addresses", |p| {
        let step = put(web(p).node_port(p.node_port(1)).external_local(None), behind(p, &THREE));
        vec![step.expect(OUT, node_port(p), reaches(&PODS[..2]))]
    }),
];

pub const MASQUERADE_BIT: &[Entry] = &[("another bit marks what is to be masqueraded", |p| {
    let step = put(web(p).node_port(p.node_port(1)), behind(p, &PODS[..2]));
    vec![step.expect(OUT, node_port(p), Source(BRIDGE)).expect(POD, cluster(p), Source(PODS[3]))]
})];

pub const USERSPACE: &[Entry] = &[
    ("a cluster address by TCP", |p| vec![put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE))]),
    ("a cluster address by UDP", |p| {
        vec![put(dns(p), dns_behind(p, &PODS[..2])).expect(POD, dns_cluster(p), reaches_dns(&PODS[..2]))]
    }),
    ("a node port", |p| {
        let step = put(web(p).node_port(p.node_port(1)), behind(p, &THREE));
        vec![step.expect(OUT, node_port(p), reaches(&THREE)).expect(ON_NODE, node_port(p), reaches(&THREE))]
    }),
    ("an external address", |p| {
        vec![put(web(p).external_ips(&[p.external_ip(1)]), behind(p, &THREE)).expect(OUT, external(p), reaches(&THREE))]
    }),
    ("a load balancer", |p| vec![put(balanced(p), behind(p, &THREE)).expect(OUT, external(p), reaches(&THREE))]),
    ("affinity", |p| {
        let step = put(web(p).affinity(10800), behind(p, &THREE)).expect(POD, cluster(p), OneEndpoint);
        vec![step.expect(OUT, cluster(p), OneEndpoint)]
    }),
    ("an endpoint is replaced", |p| {
        let first = put(web(p), behind(p, &PODS[..1])).expect(POD, cluster(p), reaches(&PODS[..1]));
        vec![first, Step::new([Put(behind(p, &PODS[1..2]))]).expect(POD, cluster(p), reaches(&PODS[1..2]))]
    }),
    ("several ports", |p| {
        let of = endpoints(&p.name("a")).subset(&PODS[..2], &[], &[WEB, ("admin", Tcp, 9090)]).build();
        let admin = Target::new(Tcp, p.cluster_ip(1), 9000);
        let step = put(web(p).port("admin", Tcp, 9000), of);
        vec![step.expect(POD, admin, Expected::endpoints(&PODS[..2], 9090))]
    }),
    ("the Service goes", |p| {
        let first = put(web(p).node_port(p.node_port(1)), behind(p, &THREE)).expect(OUT, node_port(p), reaches(&THREE));
        let second = Step::new([Delete(web(p).build())]).expect(OUT, node_port(p), Refused);
        vec![first, second]
    }),
];
