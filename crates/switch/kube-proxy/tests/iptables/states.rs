//! Models to render, in few words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use kube_proxy::iptables::{Features, IptablesSettings};
use kube_proxy::model::{
    Change, Endpoint, EndpointPort, EndpointState, Model, Place, Protocol, Service, ServiceName, ServicePort,
    TrafficPolicy,
};

/// As on a switch: pods have a range, and everything is there.
pub fn settings() -> IptablesSettings {
    IptablesSettings {
        cluster_cidr: Some("10.16.0.0/16".parse().expect("it is a range")),
        masquerade_all: false,
        masquerade_bit: 14,
        nodeport_addresses: Vec::new(),
        node_ip: Some(Ipv4Addr::new(1, 1, 1, 1)),
        pod_bridge: None,
        features: Features::all(),
    }
}

pub fn name(name: &str) -> ServiceName {
    ServiceName::new("default", name)
}

/// A ClusterIP Service with one TCP port 80 called `http`.
pub fn service() -> Service {
    Service {
        cluster_ip: Ipv4Addr::new(10, 10, 0, 1),
        external_ips: [].into(),
        load_balancer_ips: [].into(),
        load_balancer_source_ranges: [].into(),
        affinity_seconds: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        internal_traffic_policy: TrafficPolicy::Cluster,
        health_check_node_port: None,
        ports: [port("http", Protocol::Tcp, 80)].into(),
    }
}

/// The same, reachable from outside in every way.
pub fn external_service() -> Service {
    let mut service = service();
    service.external_ips = [Ipv4Addr::new(192, 0, 2, 1)].into();
    service.load_balancer_ips = [Ipv4Addr::new(192, 0, 2, 2)].into();
    for port in &mut service.ports {
        port.node_port = Some(30080);
    }
    service
}

pub fn port(name: &str, protocol: Protocol, port: u16) -> ServicePort {
    ServicePort { name: name.into(), protocol, port, node_port: None }
}

pub fn endpoint(last: u8, place: Place) -> Endpoint {
    Endpoint { ip: Ipv4Addr::new(10, 16, 0, last), port: 8080, place, state: EndpointState::Ready }
}

pub fn remote(count: u8) -> Vec<Endpoint> {
    (1..=count).map(|last| endpoint(last, Place::OtherNode)).collect()
}

pub fn endpoints(service: &ServiceName, port: &ServicePort, endpoints: &[Endpoint]) -> Change {
    let ports = [EndpointPort { name: port.name.clone(), protocol: port.protocol, endpoints: endpoints.into() }];
    let object = format!("{}-{}", port.name, port.protocol).into();
    Change::Endpoints { service: service.clone(), object, ports: Some(ports.into()) }
}

/// A complete model without anything in it.
pub fn empty() -> Model {
    let mut model = Model::default();
    model.apply(Change::AllServices(BTreeMap::new()), &mut BTreeSet::new());
    model.apply(Change::AllEndpoints(BTreeMap::new()), &mut BTreeSet::new());
    model
}

/// One Service called `default/web`, each of its ports with the same endpoints.
pub fn one(service: Service, behind: &[Endpoint]) -> Model {
    let mut model = empty();
    add(&mut model, "web", service, behind);
    model
}

/// Adds a Service, and returns what that touched.
pub fn add(model: &mut Model, called: &str, service: Service, behind: &[Endpoint]) -> BTreeSet<ServiceName> {
    let mut touched = BTreeSet::new();
    for port in &service.ports {
        model.apply(endpoints(&name(called), port, behind), &mut touched);
    }
    model.apply(Change::Service(name(called), Some(service)), &mut touched);
    touched
}

/// Plain Services with addresses of their own.
pub fn many(services: u8, behind: u8) -> Model {
    let mut model = empty();
    for index in 0..services {
        let service = Service { cluster_ip: Ipv4Addr::new(10, 10, 1, index), ..service() };
        let base = usize::from(index) * usize::from(behind);
        let behind: Vec<Endpoint> = (base..base + usize::from(behind))
            .map(|number| Endpoint {
                ip: Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 16, 1, 0)) + number as u32),
                port: 8080,
                place: if number % 3 == 0 { Place::ThisNode } else { Place::OtherNode },
                state: EndpointState::Ready,
            })
            .collect();
        add(&mut model, &format!("service-{index}"), service, &behind);
    }
    model
}
