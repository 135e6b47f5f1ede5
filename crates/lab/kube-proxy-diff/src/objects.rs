//! The objects that the suite writes, and how they are made.

use std::net::{Ipv4Addr, SocketAddrV4};

use k8s_openapi::{
    api::core::v1::{
        ClientIPConfig, EndpointAddress, EndpointPort, EndpointSubset, Endpoints, LoadBalancerIngress,
        LoadBalancerStatus, Node, NodeAddress, NodeStatus, Service, ServicePort, ServiceSpec, ServiceStatus,
        SessionAffinityConfig,
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use serde::Serialize;

use crate::addresses::node_of;

/// A transport protocol, by its name in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    Tcp,
    Udp,
    Sctp,
}

impl Transport {
    /// As the API spells it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
            Transport::Sctp => "SCTP",
        }
    }
}

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";

/// An object of the suite, in the namespace `default`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Object {
    Service(Box<Service>),
    Endpoints(Box<Endpoints>),
}

/// What is done to an object.
#[derive(Debug, Clone, PartialEq)]
pub enum ObjectChange {
    /// It is created, or replaced where it is there.
    Put(Object),
    Delete(Object),
}

impl Object {
    pub fn name(&self) -> &str {
        let metadata = match self {
            Object::Service(service) => &service.metadata,
            Object::Endpoints(endpoints) => &endpoints.metadata,
        };
        metadata.name.as_deref().unwrap_or_default()
    }

    pub fn collection(&self) -> &'static str {
        match self {
            Object::Service(_) => SERVICES,
            Object::Endpoints(_) => ENDPOINTS,
        }
    }

    /// The path of the Endpoints of a Service.
    pub fn endpoints_path(service: &str) -> String {
        format!("{ENDPOINTS}/{service}")
    }

    pub fn path(&self) -> String {
        format!("{}/{}", self.collection(), self.name())
    }
}

/// A node, as kube-proxy looks for its own address.
pub fn node(name: &str, address: Ipv4Addr) -> Node {
    Node {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        status: Some(NodeStatus {
            addresses: Some(vec![NodeAddress { type_: "InternalIP".to_owned(), address: address.to_string() }]),
            ..NodeStatus::default()
        }),
        ..Node::default()
    }
}

/// A port of a Service.
pub fn port(name: &str, protocol: Transport, number: u16) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        protocol: Some(protocol.name().to_owned()),
        port: i32::from(number),
        ..ServicePort::default()
    }
}

/// A Service under construction.
#[derive(Debug, Clone)]
pub struct ServiceBuilder {
    name: String,
    spec: ServiceSpec,
    ingress: Option<Vec<LoadBalancerIngress>>,
}

/// A Service of type ClusterIP, without a port yet.
pub fn service(name: &str, cluster_ip: Ipv4Addr) -> ServiceBuilder {
    let spec = ServiceSpec {
        cluster_ip: Some(cluster_ip.to_string()),
        type_: Some("ClusterIP".to_owned()),
        ports: Some(vec![]),
        ..ServiceSpec::default()
    };
    ServiceBuilder { name: name.to_owned(), spec, ingress: None }
}

impl ServiceBuilder {
    pub fn port(mut self, name: &str, protocol: Transport, number: u16) -> Self {
        self.spec.ports.get_or_insert_default().push(port(name, protocol, number));
        self
    }

    /// The pods' port by its name, where the Service names one.
    pub fn target_name(mut self, name: &str) -> Self {
        if let Some(port) = self.spec.ports.get_or_insert_default().last_mut() {
            port.target_port = Some(IntOrString::String(name.to_owned()));
        }
        self
    }

    /// Opens the last port on every node; the Service becomes one of type NodePort, if it is no load balancer.
    pub fn node_port(mut self, number: u16) -> Self {
        if let Some(port) = self.spec.ports.get_or_insert_default().last_mut() {
            port.node_port = Some(i32::from(number));
        }
        if self.spec.type_.as_deref() == Some("ClusterIP") {
            self.spec.type_ = Some("NodePort".to_owned());
        }
        self
    }

    pub fn load_balancer(mut self, ingress: &[Ipv4Addr]) -> Self {
        self.spec.type_ = Some("LoadBalancer".to_owned());
        let of = |ip: &Ipv4Addr| LoadBalancerIngress { ip: Some(ip.to_string()), ..LoadBalancerIngress::default() };
        self.ingress = Some(ingress.iter().map(of).collect());
        self
    }

    pub fn source_ranges(mut self, ranges: &[&str]) -> Self {
        self.spec.load_balancer_source_ranges = Some(ranges.iter().map(|range| (*range).to_owned()).collect());
        self
    }

    pub fn external_ips(mut self, addresses: &[Ipv4Addr]) -> Self {
        self.spec.external_ips = Some(addresses.iter().map(Ipv4Addr::to_string).collect());
        self
    }

    /// The same endpoint for the same client, for so many seconds after it was last seen.
    pub fn affinity(mut self, seconds: i32) -> Self {
        self.spec.session_affinity = Some("ClientIP".to_owned());
        let client_ip = Some(ClientIPConfig { timeout_seconds: Some(seconds) });
        self.spec.session_affinity_config = Some(SessionAffinityConfig { client_ip });
        self
    }

    /// `externalTrafficPolicy: Local`; load balancers have a port for health checks, too.
    pub fn external_local(mut self, health_check: Option<u16>) -> Self {
        self.spec.external_traffic_policy = Some("Local".to_owned());
        self.spec.health_check_node_port = health_check.map(i32::from);
        self
    }

    pub fn headless(mut self) -> Self {
        self.spec.cluster_ip = Some("None".to_owned());
        self
    }

    pub fn external_name(mut self, name: &str) -> Self {
        self.spec.type_ = Some("ExternalName".to_owned());
        self.spec.external_name = Some(name.to_owned());
        self.spec.cluster_ip = None;
        self
    }

    pub fn build(self) -> Object {
        Object::Service(Box::new(Service {
            metadata: ObjectMeta { name: Some(self.name), ..ObjectMeta::default() },
            spec: Some(self.spec),
            status: self.ingress.map(|ingress| ServiceStatus {
                load_balancer: Some(LoadBalancerStatus { ingress: Some(ingress) }),
                ..ServiceStatus::default()
            }),
        }))
    }
}

/// Endpoints under construction.
#[derive(Debug, Clone)]
pub struct EndpointsBuilder {
    name: String,
    subsets: Vec<EndpointSubset>,
}

/// Endpoints of the Service of that name, without any yet.
pub fn endpoints(name: &str) -> EndpointsBuilder {
    EndpointsBuilder { name: name.to_owned(), subsets: vec![] }
}

impl EndpointsBuilder {
    /// Addresses that have all of `ports`, which are named as the Service's.
    pub fn subset(mut self, ready: &[Ipv4Addr], not_ready: &[Ipv4Addr], ports: &[(&str, Transport, u16)]) -> Self {
        // The API server takes no subset without addresses.
        if ready.is_empty() && not_ready.is_empty() {
            return self;
        }
        let port = |(name, protocol, number): &(&str, Transport, u16)| EndpointPort {
            name: Some((*name).to_owned()),
            protocol: Some(protocol.name().to_owned()),
            port: i32::from(*number),
            ..EndpointPort::default()
        };
        self.subsets.push(EndpointSubset {
            addresses: addresses(ready),
            not_ready_addresses: addresses(not_ready),
            ports: Some(ports.iter().map(port).collect()),
        });
        self
    }

    pub fn build(self) -> Object {
        Object::Endpoints(Box::new(Endpoints {
            metadata: ObjectMeta { name: Some(self.name), ..ObjectMeta::default() },
            subsets: Some(self.subsets),
        }))
    }
}

fn addresses(ips: &[Ipv4Addr]) -> Option<Vec<EndpointAddress>> {
    let address = |ip: &Ipv4Addr| EndpointAddress {
        ip: ip.to_string(),
        node_name: Some(node_of(*ip).to_owned()),
        ..EndpointAddress::default()
    };
    (!ips.is_empty()).then(|| ips.iter().map(address).collect())
}

/// Something that packets are sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub protocol: Transport,
    pub address: SocketAddrV4,
}

impl Target {
    pub fn new(protocol: Transport, address: Ipv4Addr, port: u16) -> Target {
        Target { protocol, address: SocketAddrV4::new(address, port) }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.protocol.name(), self.address)
    }
}
