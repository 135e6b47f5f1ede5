//! Ways in from outside: node ports, load balancers, external addresses.

use super::{Entry, common::*};

pub const CASES: &[Entry] = &[
    ("a node port on every local address", |p| {
        let loopback = Target::new(Tcp, std::net::Ipv4Addr::LOCALHOST, p.node_port(1));
        let step = put(web(p).node_port(p.node_port(1)), behind(p, &THREE)).expect(OUT, node_port(p), reaches(&THREE));
        let step = step.expect(POD, Target::new(Tcp, BRIDGE, p.node_port(1)), reaches(&THREE));
        vec![step.expect(ON_NODE, loopback, reaches(&THREE)).expect(OUT, cluster(p), reaches(&THREE))]
    }),
    ("a node port by UDP", |p| {
        let at = Target::new(Udp, NODE, p.node_port(1));
        vec![put(dns(p).node_port(p.node_port(1)), dns_behind(p, &THREE)).expect(OUT, at, reaches_dns(&THREE))]
    }),
    ("a node port by SCTP, beside one by TCP", |p| {
        let of = endpoints(&p.name("a")).subset(&THREE, &[], &[WEB, ("sig", Sctp, 9999)]).build();
        let made = web(p).node_port(p.node_port(1)).port("sig", Sctp, 99).node_port(p.node_port(2));
        vec![put(made, of).expect(OUT, node_port(p), reaches(&THREE))]
    }),
    ("a node port without endpoints is refused", |p| {
        vec![put(web(p).node_port(p.node_port(1)), behind(p, &[])).expect(OUT, node_port(p), Refused)]
    }),
    ("a node port by UDP without endpoints is refused", |p| {
        let at = Target::new(Udp, NODE, p.node_port(1));
        vec![put(dns(p).node_port(p.node_port(1)), dns_behind(p, &[])).expect(OUT, at, Refused)]
    }),
    ("two node ports", |p| {
        let of = endpoints(&p.name("a")).subset(&PODS[..2], &[], &[WEB, ("admin", Tcp, 9090)]).build();
        let made = web(p).node_port(p.node_port(1)).port("admin", Tcp, 9000).node_port(p.node_port(2));
        let admin = Target::new(Tcp, NODE, p.node_port(2));
        vec![put(made, of).expect(OUT, admin, Expected::endpoints(&PODS[..2], 9090))]
    }),
    ("a node port whose only endpoint is on the other node", |p| {
        let step = put(web(p).node_port(p.node_port(1)), behind(p, &REMOTE_PODS[1..]));
        vec![step.expect(OUT, node_port(p), reaches(&REMOTE_PODS[1..])).expect(OUT, node_port(p), Source(NODE))]
    }),
    ("a node port whose endpoint is in the node's own network", |p| {
        let step = put(web(p).node_port(p.node_port(1)), behind(p, &[NODE]));
        vec![step.expect(OUT, node_port(p), reaches(&[NODE])).expect(POD, node_port(p), reaches(&[NODE]))]
    }),
    ("a load balancer's address", |p| {
        let step = put(balanced(p), behind(p, &THREE)).expect(OUT, external(p), reaches(&THREE));
        vec![step.expect(POD, external(p), reaches(&THREE)).expect(OUT, node_port(p), reaches(&THREE))]
    }),
    ("two addresses of load balancers", |p| {
        let made = web(p).node_port(p.node_port(1)).load_balancer(&[p.external_ip(1), p.external_ip(2)]);
        let second = Target::new(Tcp, p.external_ip(2), 80);
        vec![put(made, behind(p, &THREE)).expect(OUT, second, reaches(&THREE))]
    }),
    ("a load balancer that is not there yet", |p| {
        let pending = web(p).node_port(p.node_port(1)).load_balancer(&[]);
        let step = put(pending, behind(p, &THREE)).expect(OUT, node_port(p), reaches(&THREE));
        let ready = Step::new([Put(balanced(p).build())]).expect(OUT, external(p), reaches(&THREE));
        vec![step, ready]
    }),
    ("a load balancer by UDP", |p| {
        let made = dns(p).node_port(p.node_port(1)).load_balancer(&[p.external_ip(1)]);
        let at = Target::new(Udp, p.external_ip(1), 53);
        vec![put(made, dns_behind(p, &THREE)).expect(OUT, at, reaches_dns(&THREE))]
    }),
    ("a load balancer without endpoints is refused", |p| {
        vec![put(balanced(p), behind(p, &[])).expect(OUT, external(p), Refused)]
    }),
    ("a load balancer for one source", |p| {
        let made = balanced(p).source_ranges(&["192.168.50.100/32"]);
        let step = put(made, behind(p, &THREE)).expect(OUT, external(p), reaches(&THREE));
        vec![step.expect(OUT_2, external(p), Nothing).expect(OUT_2, node_port(p), reaches(&THREE))]
    }),
    ("a load balancer for two ranges", |p| {
        let made = balanced(p).source_ranges(&["192.168.50.101/32", "10.16.0.0/24"]);
        let step = put(made, behind(p, &PODS[..2])).expect(POD, external(p), reaches(&PODS[..2]));
        vec![step.expect(OUT, external(p), Nothing).expect(OUT_2, external(p), reaches(&PODS[..2]))]
    }),
    ("a load balancer for everybody", |p| {
        let made = balanced(p).source_ranges(&["0.0.0.0/0"]);
        vec![put(made, behind(p, &THREE)).expect(OUT_2, external(p), reaches(&THREE))]
    }),
    ("a load balancer for the node itself", |p| {
        let made = balanced(p).source_ranges(&["192.168.50.1/32"]);
        let step = put(made, behind(p, &THREE)).expect(OUT, external(p), Nothing);
        vec![step.expect(ON_NODE, external(p), reaches(&THREE))]
    }),
    ("a load balancer for the node itself, whose address is another one of the node's", |p| {
        let port = 1000 + u16::from(p.0);
        let made = bare(p).port("web", Tcp, port).load_balancer(&[BRIDGE]).source_ranges(&["192.168.50.1/32"]);
        let at = Target::new(Tcp, BRIDGE, port);
        vec![put(made, behind(p, &THREE)).expect(ON_NODE, at, reaches(&THREE)).expect(POD, at, Nothing)]
    }),
    ("a load balancer for a range with spaces around it", |p| {
        let made = balanced(p).source_ranges(&[" 192.168.50.100/32 "]);
        vec![put(made, behind(p, &THREE)).expect(OUT, external(p), reaches(&THREE)).expect(OUT_2, external(p), Nothing)]
    }),
    ("an external address", |p| {
        let made = web(p).external_ips(&[p.external_ip(1)]);
        let step = put(made, behind(p, &THREE)).expect(OUT, external(p), reaches(&THREE));
        vec![step.expect(ON_NODE, external(p), Nothing)]
    }),
    ("two external addresses, TCP and UDP", |p| {
        let of = endpoints(&p.name("a")).subset(&PODS[..2], &[], &[WEB, DNS]).build();
        let made = web(p).port("dns", Udp, 53).external_ips(&[p.external_ip(1), p.external_ip(2)]);
        let at = Target::new(Udp, p.external_ip(2), 53);
        vec![put(made, of).expect(OUT, at, reaches_dns(&PODS[..2]))]
    }),
    ("an external address without endpoints is refused", |p| {
        let made = web(p).external_ips(&[p.external_ip(1)]);
        vec![put(made, behind(p, &[])).expect(OUT, external(p), Refused)]
    }),
    ("an external address that is the node's own", |p| {
        let port = 1000 + u16::from(p.0);
        let made = bare(p).port("web", Tcp, port).external_ips(&[NODE]);
        vec![put(made, behind(p, &THREE)).expect(OUT, Target::new(Tcp, NODE, port), reaches(&THREE))]
    }),
    ("two Services share an external address by different ports", |p| {
        let other = service(&p.name("b"), p.cluster_ip(2)).port("web", Tcp, 81).external_ips(&[p.external_ip(1)]);
        let of = endpoints(&p.name("b")).subset(&PODS[2..3], &[], &[WEB]).build();
        let mut step = put(web(p).external_ips(&[p.external_ip(1)]), behind(p, &PODS[..1]));
        step.changes.extend([Put(other.build()), Put(of)]);
        let second = Target::new(Tcp, p.external_ip(1), 81);
        vec![step.expect(OUT, external(p), reaches(&PODS[..1])).expect(OUT, second, reaches(&PODS[2..3]))]
    }),
    ("node port, load balancer and external address at once", |p| {
        let step = put(balanced(p).external_ips(&[p.external_ip(2)]), behind(p, &THREE));
        let step = step.expect(OUT, external(p), reaches(&THREE));
        vec![step.expect(OUT, Target::new(Tcp, p.external_ip(2), 80), reaches(&THREE))]
    }),
];

/// The Service `a` behind a load balancer, with its node port.
pub fn balanced(p: Plot) -> ServiceBuilder {
    web(p).node_port(p.node_port(1)).load_balancer(&[p.external_ip(1)])
}
