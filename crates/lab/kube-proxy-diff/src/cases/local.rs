//! externalTrafficPolicy Local, and the health checks that go with it.

use super::{Entry, common::*, external::balanced};

pub const CASES: &[Entry] = &[
    ("local: a node port keeps the client's address", |p| {
        let step = put(web(p).node_port(p.node_port(1)).external_local(None), behind(p, &THREE));
        let step = step.expect(OUT, node_port(p), reaches(&PODS[..2]));
        vec![step.expect(OUT, node_port(p), Source(OUTSIDE[0])).expect(OUT, cluster(p), reaches(&THREE))]
    }),
    ("local: a node port without endpoints here", |p| {
        let step = put(web(p).node_port(p.node_port(1)).external_local(None), behind(p, &REMOTE_PODS));
        vec![step.expect(OUT, node_port(p), Nothing).expect(POD, cluster(p), reaches(&REMOTE_PODS))]
    }),
    ("local: a node port without any endpoints", |p| {
        let step = put(web(p).node_port(p.node_port(1)).external_local(None), behind(p, &[]));
        vec![step.expect(OUT, node_port(p), Refused).expect(POD, cluster(p), Refused)]
    }),
    ("local: a node port by UDP", |p| {
        let step = put(dns(p).node_port(p.node_port(1)).external_local(None), dns_behind(p, &THREE));
        vec![step.expect(OUT, Target::new(Udp, NODE, p.node_port(1)), Source(OUTSIDE[0]))]
    }),
    ("local: a node port and an endpoint in the node's own network", |p| {
        let step = put(web(p).node_port(p.node_port(1)).external_local(None), behind(p, &[NODE, NODE_2]));
        vec![step.expect(OUT, node_port(p), reaches(&[NODE]))]
    }),
    ("local: a load balancer, healthy", |p| {
        let step = put(balanced(p).external_local(Some(p.node_port(5))), behind(p, &THREE)).health(p.node_port(5), 200);
        vec![step.expect(OUT, external(p), reaches(&PODS[..2])).expect(OUT, external(p), Source(OUTSIDE[0]))]
    }),
    ("local: a load balancer without endpoints here, not healthy", |p| {
        let step = put(balanced(p).external_local(Some(p.node_port(5))), behind(p, &REMOTE_PODS));
        vec![step.health(p.node_port(5), 503).expect(OUT, external(p), Nothing)]
    }),
    ("local: health follows the endpoints", |p| {
        let at = p.node_port(5);
        let first = put(balanced(p).external_local(Some(at)), behind(p, &PODS[..1])).health(at, 200);
        let second = Step::new([Put(behind(p, &REMOTE_PODS))]).health(at, 503);
        let third = Step::new([Put(behind(p, &PODS))]).health(at, 200);
        let fourth = Step::new([Put(balanced(p).build())]).health(at, 0);
        vec![first, second, third, fourth.expect(OUT, external(p), reaches(&PODS))]
    }),
    ("local: a load balancer for one source", |p| {
        let made = balanced(p).external_local(Some(p.node_port(5))).source_ranges(&["192.168.50.100/32"]);
        let step = put(made, behind(p, &THREE)).expect(OUT, external(p), reaches(&PODS[..2]));
        vec![step.expect(OUT_2, external(p), Nothing)]
    }),
    ("local: with affinity", |p| {
        let made = web(p).node_port(p.node_port(1)).external_local(None).affinity(10800);
        vec![put(made, behind(p, &THREE)).expect(OUT, node_port(p), OneEndpoint)]
    }),
    ("local: an external address", |p| {
        let made = web(p).node_port(p.node_port(1)).external_local(None).external_ips(&[p.external_ip(1)]);
        vec![put(made, behind(p, &THREE)).expect(OUT, node_port(p), reaches(&PODS[..2]))]
    }),
    ("local: from the policy Cluster and back", |p| {
        let cluster_wide = || web(p).node_port(p.node_port(1));
        let first = put(cluster_wide(), behind(p, &THREE)).expect(OUT, node_port(p), reaches(&THREE));
        let local = Step::new([Put(cluster_wide().external_local(None).build())]);
        let back = Step::new([Put(cluster_wide().build())]).expect(OUT, node_port(p), reaches(&THREE));
        vec![first, local.expect(OUT, node_port(p), reaches(&PODS[..2])), back]
    }),
];
