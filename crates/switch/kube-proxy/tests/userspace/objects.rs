//! Services and endpoints for the model.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use kube_proxy::model::{
    Change, Endpoint, EndpointPort, EndpointState, Model, Place, Protocol, Service, ServiceName, ServicePort,
    TrafficPolicy,
};

pub fn name(of: &str) -> ServiceName {
    ServiceName::new("default", of)
}

/// An empty cluster, listed.
pub fn model() -> Model {
    let mut model = Model::default();
    model.apply(Change::AllServices([].into()), &mut BTreeSet::new());
    model.apply(Change::AllEndpoints([].into()), &mut BTreeSet::new());
    model
}

/// A Service with one port that has no name.
pub fn service(cluster_ip: Ipv4Addr, protocol: Protocol, port: u16, node_port: Option<u16>) -> Service {
    Service {
        cluster_ip,
        external_ips: [].into(),
        load_balancer_ips: [].into(),
        load_balancer_source_ranges: [].into(),
        affinity_seconds: None,
        external_traffic_policy: TrafficPolicy::Cluster,
        internal_traffic_policy: TrafficPolicy::Cluster,
        health_check_node_port: None,
        ports: [ServicePort { name: "".into(), protocol, port, node_port }].into(),
    }
}

pub fn put(model: &mut Model, of: &str, service: Service) -> BTreeSet<ServiceName> {
    let mut touched = BTreeSet::new();
    model.apply(Change::Service(name(of), Some(service)), &mut touched);
    touched
}

pub fn endpoints(model: &mut Model, of: &str, protocol: Protocol, at: &[SocketAddrV4]) -> BTreeSet<ServiceName> {
    let endpoint = |at: &SocketAddrV4| Endpoint {
        ip: *at.ip(),
        port: at.port(),
        place: Place::OtherNode,
        state: EndpointState::Ready,
    };
    let ports = [EndpointPort { name: "".into(), protocol, endpoints: at.iter().map(endpoint).collect() }];
    let change = Change::Endpoints { service: name(of), object: of.into(), ports: Some(ports.into()) };
    let mut touched = BTreeSet::new();
    model.apply(change, &mut touched);
    touched
}
