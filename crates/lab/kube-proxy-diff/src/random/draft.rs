//! A random Service with its endpoints, as proptest strategies.

use std::net::Ipv4Addr;

use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use crate::{
    addresses::{NODE, NODE_2, PODS, REMOTE_PODS, Vantage},
    case::Plot,
    objects::{Object, ServiceBuilder, Transport, endpoints, service},
};

/// Where random states are simulated from: every pod can be an endpoint that asks its own Service.
pub const VANTAGES: [Vantage; 9] = [
    Vantage::Node,
    Vantage::Pod(0),
    Vantage::Pod(1),
    Vantage::Pod(2),
    Vantage::Pod(3),
    Vantage::RemotePod(0),
    Vantage::RemotePod(1),
    Vantage::Outside(0),
    Vantage::Outside(1),
];

/// Every address that can be an endpoint.
const ENDPOINTS: [Ipv4Addr; 8] = [PODS[0], PODS[1], PODS[2], PODS[3], REMOTE_PODS[0], REMOTE_PODS[1], NODE, NODE_2];

const RANGES: [&str; 5] = ["192.168.50.100/32", "192.168.50.0/24", "10.16.0.0/16", "10.16.1.2/32", "192.168.50.1/32"];

/// The Service's ports, and those that its endpoints listen on; what both speak about is a name.
const NAMES: [&str; 3] = ["one", "two", "three"];
const PORTS: [u16; 3] = [80, 443, 53];
const TARGET_PORTS: [u16; 3] = [8080, 8081, 9090];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    ClusterIp,
    NodePort,
    LoadBalancer,
    Headless,
    ExternalName,
}

/// What a Service and its Endpoints are made from.
#[derive(Debug, Clone)]
pub struct Draft {
    kind: Kind,
    protocols: Vec<Transport>,
    external_ips: u8,
    ingress: u8,
    ranges: Vec<&'static str>,
    affinity: Option<i32>,
    local: bool,
    ready: Vec<Ipv4Addr>,
    not_ready: Vec<Ipv4Addr>,
    /// Ports that the endpoints have.
    served: Vec<usize>,
    /// Addresses that have the ports of `served` once more, under other numbers.
    more: Vec<Ipv4Addr>,
    with_endpoints: bool,
}

/// Any Service.
pub fn draft() -> impl Strategy<Value = Draft> {
    let kind = prop_oneof![
        1 => Just(Kind::Nothing),
        4 => Just(Kind::ClusterIp),
        4 => Just(Kind::NodePort),
        5 => Just(Kind::LoadBalancer),
        1 => Just(Kind::Headless),
        1 => Just(Kind::ExternalName),
    ];
    let protocol = prop_oneof![4 => Just(Transport::Tcp), 2 => Just(Transport::Udp), 1 => Just(Transport::Sctp)];
    let shape = (kind, vec(protocol, 1..=3), 0_u8..3, 0_u8..3, subsequence(RANGES.to_vec(), 0..=3));
    let policy = (option::of(1..10800_i32), any::<bool>());
    let behind = (
        subsequence(ENDPOINTS.to_vec(), 0..=5),
        subsequence(ENDPOINTS.to_vec(), 0..=2),
        subsequence(vec![0, 1, 2], 0..=3),
        subsequence(ENDPOINTS.to_vec(), 0..=1),
        prop::bool::weighted(0.9),
    );
    (shape, policy, behind).prop_map(|(shape, (affinity, local), (ready, not_ready, served, more, with_endpoints))| {
        let (kind, protocols, external_ips, ingress, ranges) = shape;
        let not_ready = not_ready.into_iter().filter(|ip| !ready.contains(ip)).collect();
        Draft {
            kind,
            protocols,
            external_ips,
            ingress,
            ranges,
            affinity,
            local,
            ready,
            not_ready,
            served,
            more,
            with_endpoints,
        }
    })
}

impl Draft {
    /// The objects, under the names and addresses of a plot: the Service first.
    pub fn objects(&self, plot: Plot) -> Vec<Object> {
        if self.kind == Kind::Nothing {
            return vec![];
        }
        let name = plot.name("random");
        let mut objects = vec![self.service(plot, &name).build()];
        if self.with_endpoints {
            objects.push(self.endpoints(&name));
        }
        objects
    }

    /// The API server takes no load balancer that has ports of several protocols.
    fn protocol(&self, index: usize) -> Transport {
        let index = if self.kind == Kind::LoadBalancer { 0 } else { index };
        self.protocols.get(index).copied().unwrap_or(Transport::Tcp)
    }

    fn service(&self, plot: Plot, name: &str) -> ServiceBuilder {
        let opens_node_ports = matches!(self.kind, Kind::NodePort | Kind::LoadBalancer);
        let mut made = service(name, plot.cluster_ip(1));
        for (index, ((name, number), node_port)) in NAMES.iter().zip(PORTS).zip(1..).enumerate() {
            if index < self.protocols.len() {
                made = made.port(name, self.protocol(index), number);
                if opens_node_ports {
                    made = made.node_port(plot.node_port(node_port));
                }
            }
        }
        let external: Vec<Ipv4Addr> = (0..self.external_ips).map(|number| plot.external_ip(number + 1)).collect();
        if !external.is_empty() {
            made = made.external_ips(&external);
        }
        if let Some(seconds) = self.affinity.filter(|_| self.kind != Kind::ExternalName) {
            made = made.affinity(seconds);
        }
        if self.local && opens_node_ports {
            made = made.external_local((self.kind == Kind::LoadBalancer).then(|| plot.node_port(9)));
        }
        match self.kind {
            Kind::LoadBalancer => {
                let ingress: Vec<Ipv4Addr> = (0..self.ingress).map(|number| plot.external_ip(number + 11)).collect();
                made = made.load_balancer(&ingress);
                if self.ranges.is_empty() { made } else { made.source_ranges(&self.ranges) }
            }
            Kind::Headless => made.headless(),
            Kind::ExternalName => made.external_name("example.com"),
            _ => made,
        }
    }

    fn endpoints(&self, name: &str) -> Object {
        let ports = |shift: usize| -> Vec<(&str, Transport, u16)> {
            let port = |index: &usize| {
                let number = TARGET_PORTS.get((index + shift) % TARGET_PORTS.len())?;
                Some((*NAMES.get(*index)?, self.protocol(*index), *number))
            };
            self.served.iter().filter_map(port).collect()
        };
        let mut made = endpoints(name);
        if !self.served.is_empty() {
            made = made.subset(&self.ready, &self.not_ready, &ports(0)).subset(&self.more, &[], &ports(1));
        }
        made.build()
    }
}
