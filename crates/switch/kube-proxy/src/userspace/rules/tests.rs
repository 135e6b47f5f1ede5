//! The rules of each feature, as text.

use ipnet::Ipv4Net;

use super::*;
use crate::{
    endpoint_selection::select_endpoints,
    model::{Endpoint, EndpointState, Place},
};

fn service() -> Service {
    Service {
        cluster_ip: Ipv4Addr::new(10, 10, 0, 1),
        external_ips: [].into(),
        load_balancer_ips: [].into(),
        load_balancer_source_ranges: [].into(),
        affinity_seconds: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        internal_traffic_policy: TrafficPolicy::Cluster,
        health_check_node_port: None,
        ports: [ServicePort { name: "http".into(), protocol: Protocol::Tcp, port: 80, node_port: None }].into(),
    }
}

fn with_node_port(mut service: Service) -> Service {
    service.ports = service.ports.iter().map(|port| ServicePort { node_port: Some(30080), ..port.clone() }).collect();
    service
}

fn endpoint(place: Place) -> Endpoint {
    Endpoint { ip: Ipv4Addr::new(10, 16, 1, 2), port: 8080, place, state: EndpointState::Ready }
}

fn conditions() -> Conditions {
    let cluster_cidr = Some("10.16.0.0/16".parse().unwrap());
    Conditions { address: Ipv4Addr::UNSPECIFIED, cluster_cidr, features: Features::all().without(Feature::Comment) }
}

fn rendered_with(conditions: &Conditions, service: &Service, endpoints: &[Endpoint]) -> String {
    let mut text = String::new();
    let mut out = |chain: Chain, rule: &str| {
        let _ = writeln!(text, "{} {rule}", chain.name());
    };
    let mut rules = RuleWriter::new(conditions, &mut out);
    let ends = Ends::of(service, &select_endpoints(service, endpoints));
    for port in &service.ports {
        let name = &ServiceName::new("default", "web");
        let listening = PerPolicy { cluster: 40001, internal: 40002, external: 40003 };
        rules.port(&Front { name, service, port, ends, listening });
    }
    text
}

fn rendered(service: &Service, endpoints: &[Endpoint]) -> String {
    rendered_with(&conditions(), service, endpoints)
}

#[track_caller]
fn assert_each_ends_with(text: &str, end: &str) {
    assert!(
        !text.is_empty() && text.lines().all(|line| line.ends_with(end)),
        "not each of these ends with {end}: {text}"
    );
}

#[test]
fn a_cluster_ip_is_redirected_from_everywhere() {
    let expected = "\
KUBE-PORTALS-CONTAINER -d 10.10.0.1/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 40001
KUBE-PORTALS-HOST -d 10.10.0.1/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 40001
";
    assert_eq!(rendered(&service(), &[endpoint(Place::OtherNode)]), expected);
}

#[test]
fn a_bind_address_is_sent_to_by_dnat() {
    let conditions = Conditions { address: Ipv4Addr::new(192, 168, 50, 1), ..conditions() };
    let text = rendered_with(&conditions, &service(), &[endpoint(Place::OtherNode)]);
    assert_each_ends_with(&text, "-j DNAT --to-destination 192.168.50.1:40001");
}

#[test]
fn without_endpoints_every_address_is_refused_at_once() {
    let service = with_node_port(Service { external_ips: [Ipv4Addr::new(192, 0, 2, 1)].into(), ..service() });
    let expected = "\
KUBE-PORTALS-REFUSED -d 10.10.0.1/32 -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset
KUBE-PORTALS-REFUSED -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset
KUBE-NODEPORT-NON-LOCAL -p tcp -m tcp --dport 30080 -j REJECT --reject-with tcp-reset
";
    assert_eq!(rendered(&service, &[]), expected);
    let udp: Vec<_> =
        service.ports.iter().map(|port| ServicePort { protocol: Protocol::Udp, ..port.clone() }).collect();
    let text = rendered(&Service { ports: udp.into(), ..service.clone() }, &[]);
    assert_each_ends_with(&text, "-j REJECT --reject-with icmp-port-unreachable");
    let without = Conditions { features: Features::NONE, ..conditions() };
    assert_each_ends_with(&rendered_with(&without, &service, &[]), "-j DROP");
}

#[test]
fn a_node_port_is_redirected_from_outside_and_from_the_node() {
    let text = rendered(&with_node_port(service()), &[endpoint(Place::OtherNode)]);
    assert!(text.ends_with(
        "\
KUBE-NODEPORT-CONTAINER -p tcp -m tcp --dport 30080 -j REDIRECT --to-ports 40001
KUBE-NODEPORT-HOST -p tcp -m tcp --dport 30080 -j REDIRECT --to-ports 40001
"
    ));
}

#[test]
fn external_policy_local_keeps_outsiders_to_this_nodes_endpoints_and_pods_go_anywhere() {
    let service = with_node_port(Service { external_traffic_policy: TrafficPolicy::Local, ..service() });
    let expected = "\
KUBE-NODEPORT-CONTAINER -s 10.16.0.0/16 -p tcp -m tcp --dport 30080 -j REDIRECT --to-ports 40001
KUBE-NODEPORT-CONTAINER -p tcp -m tcp --dport 30080 -j REDIRECT --to-ports 40003
KUBE-NODEPORT-HOST -p tcp -m tcp --dport 30080 -j REDIRECT --to-ports 40001
";
    let text = rendered(&service, &[endpoint(Place::ThisNode), endpoint(Place::OtherNode)]);
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn external_policy_local_is_silent_to_outsiders_where_this_node_has_no_endpoint() {
    let service = with_node_port(Service { external_traffic_policy: TrafficPolicy::Local, ..service() });
    let expected = "\
KUBE-NODEPORT-CONTAINER -s 10.16.0.0/16 -p tcp -m tcp --dport 30080 -j REDIRECT --to-ports 40001
KUBE-NODEPORT-HOST -p tcp -m tcp --dport 30080 -j REDIRECT --to-ports 40001
KUBE-NODEPORT-NON-LOCAL -p tcp -m tcp --dport 30080 -j DROP
";
    let text = rendered(&service, &[endpoint(Place::OtherNode)]);
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn internal_policy_local_drops_where_this_node_has_no_endpoint() {
    let service = Service { internal_traffic_policy: TrafficPolicy::Local, ..service() };
    let dropped = "KUBE-PORTALS-REFUSED -d 10.10.0.1/32 -p tcp -m tcp --dport 80 -j DROP\n";
    assert_eq!(rendered(&service, &[endpoint(Place::OtherNode)]), dropped);
    let text = rendered(&service, &[endpoint(Place::ThisNode)]);
    assert_each_ends_with(&text, "-j REDIRECT --to-ports 40002");
}

#[test]
fn a_load_balancers_source_ranges_are_let_in_and_nobody_else() {
    let nets: [Ipv4Net; 2] = ["192.168.50.0/24".parse().unwrap(), "203.0.113.7/32".parse().unwrap()];
    let service = Service {
        load_balancer_ips: [Ipv4Addr::new(192, 0, 2, 1)].into(),
        load_balancer_source_ranges: nets.into(),
        ..service()
    };
    let expected = "\
KUBE-PORTALS-CONTAINER -s 192.168.50.0/24 -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 40001
KUBE-PORTALS-HOST -s 192.168.50.0/24 -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 40001
KUBE-PORTALS-CONTAINER -s 203.0.113.7/32 -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 40001
KUBE-PORTALS-HOST -s 203.0.113.7/32 -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 40001
KUBE-PORTALS-REFUSED -d 192.0.2.1/32 -p tcp -m tcp --dport 80 -j DROP
";
    let text = rendered(&service, &[endpoint(Place::OtherNode)]);
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn source_ranges_and_the_policy_local_hold_together() {
    let service = Service {
        load_balancer_ips: [Ipv4Addr::new(192, 0, 2, 1)].into(),
        load_balancer_source_ranges: ["10.0.0.0/8".parse().unwrap(), "10.16.3.0/24".parse().unwrap()].into(),
        external_traffic_policy: TrafficPolicy::Local,
        ..service()
    };
    let text = rendered(&service, &[endpoint(Place::OtherNode)]);
    let sources: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("KUBE-PORTALS-CONTAINER -s "))
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    // The pods among those who may come in; all others are outsiders, and there is no endpoint here for them.
    assert_eq!(sources, ["10.16.0.0/16", "10.16.3.0/24"]);
}

#[test]
fn comments_name_the_service_and_cannot_end_their_rule() {
    let conditions = Conditions { features: Features::all(), ..conditions() };
    let text = rendered_with(&conditions, &service(), &[]);
    assert!(text.contains("-m comment --comment \"default/web:http\" "), "{text}");
    let evil = ServicePort { name: "a\"\nCOMMIT".into(), ..service().ports[0].clone() };
    let text = rendered_with(&conditions, &Service { ports: [evil].into(), ..service() }, &[]);
    assert!(text.contains("\"default/web:a__COMMIT\"") && text.lines().count() == 1, "{text}");
}

#[test]
fn no_rule_leads_to_a_lane_that_the_port_does_not_ask_for() {
    let policies = [TrafficPolicy::Cluster, TrafficPolicy::Local];
    let sets: [&[Endpoint]; 4] = [
        &[],
        &[endpoint(Place::ThisNode)],
        &[endpoint(Place::OtherNode)],
        &[endpoint(Place::ThisNode), endpoint(Place::OtherNode)],
    ];
    let yes_or_no = [false, true];
    let mut leading = 0;
    for (internal, external, endpoints) in combinations(policies, policies, sets) {
        for (addresses, node_port, ranges) in combinations(yes_or_no, yes_or_no, yes_or_no) {
            let ips: Box<[Ipv4Addr]> = if addresses { [Ipv4Addr::new(192, 0, 2, 1)].into() } else { [].into() };
            let mut service = Service {
                external_ips: ips.clone(),
                load_balancer_ips: ips,
                load_balancer_source_ranges: if ranges { ["10.0.0.0/8".parse().unwrap()].into() } else { [].into() },
                internal_traffic_policy: internal,
                external_traffic_policy: external,
                ..service()
            };
            if node_port {
                service = with_node_port(service);
            }
            let ends = Ends::of(&service, &select_endpoints(&service, endpoints));
            let port = &service.ports[0];
            let needed = ends.needed_policies(&service, port);
            let open = |policy| if *needed.get(policy) { 40_000 } else { 0 };
            let listening = PerPolicy {
                cluster: open(AppliedPolicy::Cluster),
                internal: open(AppliedPolicy::Internal),
                external: open(AppliedPolicy::External),
            };
            let mut check = |_, rule: &str| {
                assert!(!rule.ends_with("--to-ports 0"), "{rule} of {service:?}");
                leading += usize::from(rule.contains("--to-ports"));
            };
            let name = &ServiceName::new("default", "web");
            RuleWriter::new(&conditions(), &mut check).port(&Front { name, service: &service, port, ends, listening });
        }
    }
    assert!(leading > 100);
}

/// Every combination.
fn combinations<A: Copy, B: Copy, C: Copy, const L: usize, const M: usize, const N: usize>(
    first: [A; L],
    second: [B; M],
    third: [C; N],
) -> Vec<(A, B, C)> {
    let pairs = first.into_iter().flat_map(|a| second.map(|b| (a, b)));
    pairs.flat_map(|(a, b)| third.map(|c| (a, b, c))).collect()
}
