//! One Service: its addresses, ports and policies.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::Protocol;

/// A Service that has a cluster address. Headless and ExternalName Services never become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub cluster_ip: Ipv4Addr,
    pub external_ips: Box<[Ipv4Addr]>,
    /// The addresses in `status.loadBalancer.ingress`.
    pub load_balancer_ips: Box<[Ipv4Addr]>,
    /// Who may come in by `load_balancer_ips`; everyone if empty.
    pub load_balancer_source_ranges: Box<[Ipv4Net]>,
    /// `sessionAffinity: ClientIP` with its timeout in seconds.
    pub affinity_seconds: Option<u32>,
    pub external_traffic_policy: TrafficPolicy,
    pub internal_traffic_policy: TrafficPolicy,
    /// Where load balancers ask whether this node has endpoints; only with `externalTrafficPolicy: Local`.
    pub health_check_node_port: Option<u16>,
    pub ports: Box<[ServicePort]>,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Empty where a Service has one port without a name.
    pub name: Box<str>,
    pub protocol: Protocol,
    pub port: u16,
    pub node_port: Option<u16>,
}

/// Which endpoints traffic may be sent to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficPolicy {
    #[default]
    Cluster,
    Local,
}
