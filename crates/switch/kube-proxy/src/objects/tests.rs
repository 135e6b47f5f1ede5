//! Objects as the API server sends them, in JSON.

use ipnet::Ipv4Net;
use k8s_openapi::api::core::v1::{Endpoints, Service as ApiService};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::{Value, json};

use super::*;
use crate::model::{EndpointState, Protocol, Service, TrafficPolicy};

fn read(spec: Value) -> Option<Service> {
    read_with_status(spec, json!({}))
}

fn read_with_status(spec: Value, status: Value) -> Option<Service> {
    let object = json!({"metadata": {"namespace": "default", "name": "web"}, "spec": spec, "status": status});
    let object: ApiService = serde_json::from_value(object).unwrap();
    let (name, service) = Reader::new("veos-b").service(&object).unwrap();
    assert_eq!(name.to_string(), "default/web");
    service
}

fn endpoints(subsets: Value) -> Box<[EndpointPort]> {
    let object = json!({"metadata": {"namespace": "default", "name": "web"}, "subsets": subsets});
    let object: Endpoints = serde_json::from_value(object).unwrap();
    Reader::new("veos-b").endpoints(&object).unwrap().ports
}

fn slice(slice: Value) -> Option<ObjectEndpoints> {
    let mut object = json!({
        "metadata": {"namespace": "default", "name": "web-x7", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
        "endpoints": [],
    });
    object.as_object_mut().unwrap().extend(slice.as_object().unwrap().clone());
    let object: EndpointSlice = serde_json::from_value(object).unwrap();
    Reader::new("veos-b").slice(&object)
}

const ONE_PORT: &str = r#"[{"port": 80, "targetPort": "http", "protocol": "TCP"}]"#;

fn one_port() -> Value {
    serde_json::from_str(ONE_PORT).unwrap()
}

#[test]
fn a_service_keeps_its_addresses_ports_and_policies() {
    let spec = json!({
        "type": "LoadBalancer",
        "clusterIP": "10.10.0.20",
        "externalIPs": ["203.0.113.7"],
        "externalTrafficPolicy": "Local",
        "internalTrafficPolicy": "Local",
        "healthCheckNodePort": 32000,
        "loadBalancerSourceRanges": [" 198.51.100.9/24 "],
        "sessionAffinity": "ClientIP",
        "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}},
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053},
            {"name": "assoc", "port": 9999, "protocol": "SCTP"},
        ],
    });
    let service = read_with_status(spec, json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}})).unwrap();
    assert_eq!(service.cluster_ip.to_string(), "10.10.0.20");
    assert_eq!(*service.external_ips, ["203.0.113.7".parse::<std::net::Ipv4Addr>().unwrap()]);
    assert_eq!(*service.load_balancer_ips, ["192.0.2.1".parse::<std::net::Ipv4Addr>().unwrap()]);
    assert_eq!(*service.load_balancer_source_ranges, ["198.51.100.0/24".parse::<Ipv4Net>().unwrap()]);
    assert_eq!(service.affinity_seconds, Some(60));
    assert_eq!(service.external_traffic_policy, TrafficPolicy::Local);
    assert_eq!(service.internal_traffic_policy, TrafficPolicy::Local);
    assert_eq!(service.health_check_node_port, Some(32000));
    assert_eq!((service.ports[0].protocol, service.ports[0].node_port), (Protocol::Udp, Some(30053)));
    assert_eq!((service.ports[1].protocol, service.ports[1].node_port), (Protocol::Sctp, None));
}

#[test]
fn headless_and_external_name_services_are_left_alone() {
    assert_eq!(read(json!({"clusterIP": "None", "ports": one_port()})), None);
    assert_eq!(read(json!({"type": "ExternalName", "externalName": "example.net"})), None);
    assert_eq!(read(json!({"type": "ExternalName", "clusterIP": "", "ports": one_port()})), None);
}

#[test]
fn affinity_without_a_timeout_lasts_three_hours() {
    let service = read(json!({"clusterIP": "10.10.0.20", "sessionAffinity": "ClientIP", "ports": one_port()}));
    assert_eq!(service.unwrap().affinity_seconds, Some(10_800));
}

#[test]
fn a_bad_port_leaves_the_other_ports_as_they_are() {
    let ports = json!([
        {"name": "a", "port": 80, "protocol": "QUIC"},
        {"name": "b", "port": 70000},
        {"name": "c", "port": 0},
        {"name": "d", "port": 443},
    ]);
    let service = read(json!({"clusterIP": "10.10.0.20", "ports": ports})).unwrap();
    assert_eq!(service.ports.iter().map(|port| &*port.name).collect::<Vec<_>>(), ["d"]);
}

#[test]
fn of_a_dual_stack_service_the_ipv4_address_is_used() {
    let spec = json!({"clusterIP": "fd00::1", "clusterIPs": ["fd00::1", "10.10.0.9"], "ports": one_port()});
    assert_eq!(read(spec).unwrap().cluster_ip.to_string(), "10.10.0.9");
    assert_eq!(read(json!({"clusterIP": "fd00::1", "ports": one_port()})), None);
    assert_eq!(read(json!({"clusterIP": "10.10.0.900", "ports": one_port()})), None);
}

#[test]
fn source_ranges_that_are_all_bad_let_nobody_in() {
    let spec =
        |ranges: Value| json!({"clusterIP": "10.10.0.20", "loadBalancerSourceRanges": ranges, "ports": one_port()});
    let nobody = read(spec(json!(["10.0.0.0/99"]))).unwrap().load_balancer_source_ranges;
    assert_eq!(*nobody, ["0.0.0.0/32".parse::<Ipv4Net>().unwrap()]);
    let one = read(spec(json!(["10.0.0.0/99", "10.1.0.0/16"]))).unwrap().load_balancer_source_ranges;
    assert_eq!(*one, ["10.1.0.0/16".parse::<Ipv4Net>().unwrap()]);
    assert!(read(spec(json!([]))).unwrap().load_balancer_source_ranges.is_empty());
}

#[test]
fn a_load_balancer_that_proxies_by_itself_is_passed_by() {
    let spec = json!({"type": "LoadBalancer", "clusterIP": "10.10.0.20", "ports": one_port()});
    let status =
        json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "Proxy"}, {"hostname": "lb.example.net"}]}});
    assert!(read_with_status(spec, status).unwrap().load_balancer_ips.is_empty());
}

#[test]
fn endpoints_know_their_place_and_skip_what_is_not_ready_or_no_address() {
    let ports = endpoints(json!([{
        "addresses": [
            {"ip": "10.16.0.2", "nodeName": "veos-b"},
            {"ip": "10.16.1.2", "nodeName": "veos-l1"},
            {"ip": "10.16.300.2"},
            {"ip": "fd00::2"},
            {"ip": "192.0.2.9"},
        ],
        "notReadyAddresses": [{"ip": "10.16.0.3"}],
        "ports": [{"name": "http", "port": 8080}, {"name": "odd", "port": 9, "protocol": "QUIC"}],
    }]));
    assert_eq!(ports.len(), 1);
    let found: Vec<_> = ports[0].endpoints.iter().map(|endpoint| (endpoint.ip.to_string(), endpoint.place)).collect();
    let desired = [("10.16.0.2", Place::ThisNode), ("10.16.1.2", Place::OtherNode), ("192.0.2.9", Place::Unknown)];
    assert_eq!(found, desired.map(|(ip, place)| (ip.to_owned(), place)));
}

#[test]
fn a_slice_says_which_endpoints_are_ready_and_which_still_serve_while_they_terminate() {
    let endpoint =
        |ip: &str, conditions: Value| json!({"addresses": [ip], "nodeName": "veos-b", "conditions": conditions});
    let found = slice(json!({"endpoints": [
        endpoint("10.16.0.1", json!({})),
        endpoint("10.16.0.2", json!({"ready": true, "serving": true, "terminating": false})),
        endpoint("10.16.0.3", json!({"ready": false, "serving": true, "terminating": true})),
        endpoint("10.16.0.4", json!({"ready": false, "serving": false, "terminating": true})),
        endpoint("10.16.0.5", json!({"ready": false})),
        // publishNotReadyAddresses: the API's controller says ready whatever the pod is.
        endpoint("10.16.0.6", json!({"ready": true, "serving": true, "terminating": true})),
    ]}))
    .unwrap();
    assert_eq!((found.service.to_string().as_str(), &*found.object), ("default/web", "web-x7"));
    let found: Vec<_> = found.ports[0].endpoints.iter().map(|one| (one.ip.octets()[3], one.state)).collect();
    use EndpointState::{Ready, ServingTerminating};
    assert_eq!(found, [(1, Ready), (2, Ready), (3, ServingTerminating), (6, Ready)]);
}

#[test]
fn slices_of_other_families_or_of_no_service_are_passed_over() {
    assert_eq!(slice(json!({"addressType": "FQDN"})), None);
    assert_eq!(slice(json!({"addressType": "IPv6"})), None);
    assert_eq!(slice(json!({"metadata": {"namespace": "default", "name": "lonely"}})), None);
    let all_ports = slice(json!({"ports": [{"name": "any"}]})).unwrap();
    assert!(all_ports.ports.is_empty());
}

#[test]
fn a_hundred_thousand_endpoints_of_one_service_are_read() {
    let addresses: Vec<Value> =
        (0..100_000u32).map(|n| json!({"ip": std::net::Ipv4Addr::from(0x0a10_0000 + n).to_string()})).collect();
    let ports = endpoints(json!([{"addresses": addresses, "ports": [{"port": 80}]}]));
    assert_eq!(ports[0].endpoints.len(), 100_000);
}
