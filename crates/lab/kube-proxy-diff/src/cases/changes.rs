//! What changes under a running kube-proxy.

use super::{Entry, common::*, external::balanced};

pub const CASES: &[Entry] = &[
    ("an endpoint comes", |p| {
        let first = put(web(p), behind(p, &PODS[..1])).expect(POD, cluster(p), reaches(&PODS[..1]));
        vec![first, Step::new([Put(behind(p, &THREE))]).expect(POD, cluster(p), reaches(&THREE))]
    }),
    ("an endpoint goes", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        vec![first, Step::new([Put(behind(p, &PODS[1..2]))]).expect(POD, cluster(p), reaches(&PODS[1..2]))]
    }),
    ("all endpoints go and come back", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        let second = Step::new([Put(behind(p, &[]))]).expect(POD, cluster(p), Refused);
        vec![first, second, Step::new([Put(behind(p, &THREE))]).expect(POD, cluster(p), reaches(&THREE))]
    }),
    ("an endpoint is not ready any more", |p| {
        let of = endpoints(&p.name("a")).subset(&PODS[..1], &PODS[1..2], &[WEB]).build();
        let first = put(web(p), behind(p, &PODS[..2])).expect(POD, cluster(p), reaches(&PODS[..2]));
        vec![first, Step::new([Put(of)]).expect(POD, cluster(p), reaches(&PODS[..1]))]
    }),
    ("the Endpoints object goes", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        vec![first, Step::new([Delete(behind(p, &THREE))]).expect(POD, cluster(p), Refused)]
    }),
    ("the Service goes", |p| {
        let made = balanced(p).external_ips(&[p.external_ip(2)]);
        let first = put(made.clone(), behind(p, &THREE)).expect(OUT, external(p), reaches(&THREE));
        let second = Step::new([Delete(made.build())]).expect(OUT, external(p), Nothing);
        vec![first, second.expect(OUT, node_port(p), Refused).expect(OUT, cluster(p), Nothing)]
    }),
    ("Service and Endpoints go and come back", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        let second = Step::new([Delete(web(p).build()), Delete(behind(p, &THREE))]);
        let third = put(web(p), behind(p, &PODS[..1])).expect(POD, cluster(p), reaches(&PODS[..1]));
        vec![first, second.expect(POD, cluster(p), Nothing), third]
    }),
    ("Endpoints are there before their Service", |p| {
        let first = Step::new([Put(behind(p, &THREE))]);
        vec![first, Step::new([Put(web(p).build())]).expect(POD, cluster(p), reaches(&THREE))]
    }),
    ("the port's number changes", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        let other = Target::new(Tcp, p.cluster_ip(1), 81);
        let second = Step::new([Put(bare(p).port("web", Tcp, 81).build())]).expect(POD, other, reaches(&THREE));
        vec![first, second.expect(POD, cluster(p), Nothing)]
    }),
    ("the port's name changes", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        let second = Step::new([Put(bare(p).port("http", Tcp, 80).build())]).expect(POD, cluster(p), Refused);
        let of = endpoints(&p.name("a")).subset(&THREE, &[], &[("http", Tcp, 8080)]).build();
        vec![first, second, Step::new([Put(of)]).expect(POD, cluster(p), reaches(&THREE))]
    }),
    ("the port's protocol changes", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        let of = endpoints(&p.name("a")).subset(&THREE, &[], &[("web", Udp, 8080)]).build();
        let second =
            put(bare(p).port("web", Udp, 80), of).expect(POD, Target::new(Udp, p.cluster_ip(1), 80), reaches(&THREE));
        vec![first, second.expect(POD, cluster(p), Nothing)]
    }),
    ("the endpoints' port changes", |p| {
        let of = endpoints(&p.name("a")).subset(&THREE, &[], &[("web", Tcp, 9090)]).build();
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        vec![first, Step::new([Put(of)]).expect(POD, cluster(p), Expected::endpoints(&THREE, 9090))]
    }),
    ("a port is added, and taken away", |p| {
        let of = endpoints(&p.name("a")).subset(&PODS[..2], &[], &[WEB, ("admin", Tcp, 9090)]).build();
        let admin = Target::new(Tcp, p.cluster_ip(1), 9000);
        let first = put(web(p), of).expect(POD, cluster(p), reaches(&PODS[..2]));
        let second = Step::new([Put(web(p).port("admin", Tcp, 9000).build())]);
        let third = Step::new([Put(web(p).build())]).expect(POD, admin, Nothing);
        vec![first, second.expect(POD, admin, Expected::endpoints(&PODS[..2], 9090)), third]
    }),
    ("the type changes to NodePort, to LoadBalancer and back", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        let second =
            Step::new([Put(web(p).node_port(p.node_port(1)).build())]).expect(OUT, node_port(p), reaches(&THREE));
        let third = Step::new([Put(balanced(p).build())]).expect(OUT, external(p), reaches(&THREE));
        // Nobody clears the status here, and upstream goes by the status alone.
        let fourth = Step::new([Put(web(p).build())]).expect(OUT, node_port(p), Refused);
        vec![
            first,
            second,
            third,
            fourth.expect(OUT, external(p), reaches(&THREE)).expect(POD, cluster(p), reaches(&THREE)),
        ]
    }),
    ("the node port's number changes", |p| {
        let first = put(web(p).node_port(p.node_port(1)), behind(p, &THREE)).expect(OUT, node_port(p), reaches(&THREE));
        let second = Step::new([Put(web(p).node_port(p.node_port(2)).build())]).expect(OUT, node_port(p), Refused);
        vec![first, second.expect(OUT, Target::new(Tcp, NODE, p.node_port(2)), reaches(&THREE))]
    }),
    ("deleted and made again with another cluster address", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        let again = service(&p.name("a"), p.cluster_ip(2)).port("web", Tcp, 80);
        let second = Step::new([Delete(web(p).build()), Put(again.build()), Put(behind(p, &THREE))]).expect(
            POD,
            cluster(p),
            Nothing,
        );
        vec![first, second.expect(POD, Target::new(Tcp, p.cluster_ip(2), 80), reaches(&THREE))]
    }),
    ("another Service takes over the cluster address", |p| {
        let first = put(web(p), behind(p, &PODS[..1])).expect(POD, cluster(p), reaches(&PODS[..1]));
        let other = service(&p.name("b"), p.cluster_ip(1)).port("web", Tcp, 80).build();
        let of = endpoints(&p.name("b")).subset(&PODS[1..2], &[], &[WEB]).build();
        let second = Step::new([Delete(web(p).build()), Put(other), Put(of)]);
        vec![first, second.expect(POD, cluster(p), reaches(&PODS[1..2]))]
    }),
    ("another Service takes over the node port", |p| {
        let first = put(web(p).node_port(p.node_port(1)), behind(p, &PODS[..1]));
        let other = service(&p.name("b"), p.cluster_ip(2)).port("web", Tcp, 80).node_port(p.node_port(1)).build();
        let of = endpoints(&p.name("b")).subset(&PODS[1..2], &[], &[WEB]).build();
        let second = Step::new([Delete(web(p).build()), Put(other), Put(of)]);
        vec![
            first.expect(OUT, node_port(p), reaches(&PODS[..1])),
            second.expect(OUT, node_port(p), reaches(&PODS[1..2])),
        ]
    }),
    ("an external address comes and goes", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        let second = Step::new([Put(web(p).external_ips(&[p.external_ip(1)]).build())]);
        let third = Step::new([Put(web(p).build())]).expect(OUT, external(p), Nothing);
        vec![first, second.expect(OUT, external(p), reaches(&THREE)), third]
    }),
    ("the source ranges change", |p| {
        let first = put(balanced(p).source_ranges(&["192.168.50.100/32"]), behind(p, &THREE));
        let first = first.expect(OUT, external(p), reaches(&THREE)).expect(OUT_2, external(p), Nothing);
        let second = Step::new([Put(balanced(p).source_ranges(&["192.168.50.101/32"]).build())]);
        let second = second.expect(OUT, external(p), Nothing).expect(OUT_2, external(p), reaches(&THREE));
        let third = Step::new([Put(balanced(p).build())]).expect(OUT, external(p), reaches(&THREE));
        vec![first, second, third]
    }),
    ("headless and back", |p| {
        let first = put(web(p), behind(p, &THREE)).expect(POD, cluster(p), reaches(&THREE));
        let second = Step::new([Delete(web(p).build()), Put(web(p).headless().build()), Put(behind(p, &THREE))]);
        let third = Step::new([Delete(web(p).build()), Put(web(p).build()), Put(behind(p, &THREE))]).expect(
            POD,
            cluster(p),
            reaches(&THREE),
        );
        vec![first, second.expect(POD, cluster(p), Nothing), third]
    }),
];
