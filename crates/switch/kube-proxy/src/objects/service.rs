//! `v1.Service`.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use k8s_openapi::api::core::v1::{self, ServiceSpec};

use super::{Reader, port_number};
use crate::model::{Protocol, Service, ServiceName, ServicePort, TrafficPolicy};

/// What the API server fills in where `sessionAffinityConfig` is missing: three hours.
const DEFAULT_AFFINITY_SECONDS: u32 = 10_800;

/// Stands for "nobody" where source ranges were given and none of them is an IPv4 range.
const NOBODY: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 32);

impl Reader {
    /// The Service, or `None` with its name where it is not proxied: headless, ExternalName, IPv6 only or without a good port.
    pub fn service(&self, object: &v1::Service) -> Option<(ServiceName, Option<Service>)> {
        let name = ServiceName::new(object.metadata.namespace.as_deref()?, object.metadata.name.as_deref()?);
        let service = object.spec.as_ref().and_then(|spec| self.proxied(&name, spec, object));
        Some((name, service))
    }

    fn proxied(&self, name: &ServiceName, spec: &ServiceSpec, object: &v1::Service) -> Option<Service> {
        let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
        if kind == "ExternalName" {
            return None;
        }
        let cluster_ip = self.cluster_ip(name, spec)?;
        let ports: Box<[ServicePort]> = spec.ports.iter().flatten().filter_map(|port| self.port(name, port)).collect();
        if ports.is_empty() {
            return None;
        }
        let external_traffic_policy = policy(spec.external_traffic_policy.as_deref());
        let health_check_node_port = match external_traffic_policy {
            TrafficPolicy::Local if kind == "LoadBalancer" => spec.health_check_node_port.and_then(port_number),
            _ => None,
        };
        let ingress = object.status.iter().filter_map(|status| status.load_balancer.as_ref());
        let load_balancer_ips = ingress
            .flat_map(|balancer| balancer.ingress.iter().flatten())
            .filter(|ingress| ingress.ip_mode.as_deref() != Some("Proxy"))
            .filter_map(|ingress| self.address(name, "load balancer address", ingress.ip.as_deref()?))
            .collect();
        Some(Service {
            cluster_ip,
            external_ips: spec
                .external_ips
                .iter()
                .flatten()
                .filter_map(|text| self.address(name, "external IP", text))
                .collect(),
            load_balancer_ips,
            load_balancer_source_ranges: self.source_ranges(name, spec.load_balancer_source_ranges.as_deref()),
            affinity_seconds: affinity(spec),
            external_traffic_policy,
            internal_traffic_policy: policy(spec.internal_traffic_policy.as_deref()),
            health_check_node_port,
            ports,
        })
    }

    /// The first IPv4 address among the Service's cluster addresses.
    fn cluster_ip(&self, name: &ServiceName, spec: &ServiceSpec) -> Option<Ipv4Addr> {
        let first = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty() && *ip != "None")?;
        let all = spec.cluster_ips.iter().flatten().map(String::as_str);
        match std::iter::once(first).chain(all).find_map(|text| text.parse::<Ipv4Addr>().ok()) {
            Some(ip) => Some(ip),
            None => {
                self.complaints.say("Service", name, &format!("its cluster IP {first:?} is not an IPv4 address"));
                None
            }
        }
    }

    fn port(&self, name: &ServiceName, port: &v1::ServicePort) -> Option<ServicePort> {
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let Some(known) = Protocol::from_api(protocol) else {
            let what = format!("port {} has the unknown protocol {protocol:?}", port.port);
            self.complaints.say("Service", name, &what);
            return None;
        };
        let Some(number) = port_number(port.port) else {
            self.complaints.say("Service", name, &format!("{} is no port number", port.port));
            return None;
        };
        Some(ServicePort {
            name: port.name.as_deref().unwrap_or_default().into(),
            protocol: known,
            port: number,
            node_port: port.node_port.and_then(port_number),
        })
    }

    /// An IPv4 address. One of IPv6 is not ours to serve, and passed over in silence in a Service with both.
    fn address(&self, name: &ServiceName, what: &str, text: &str) -> Option<Ipv4Addr> {
        match text.parse() {
            Ok(IpAddr::V4(ip)) => Some(ip),
            Ok(IpAddr::V6(_)) => None,
            Err(_) => {
                self.complaints.say("Service", name, &format!("its {what} {text:?} is no IP address"));
                None
            }
        }
    }

    /// The ranges. Where some are given and none is good, nobody may come in: a typing error opens nothing.
    fn source_ranges(&self, name: &ServiceName, given: Option<&[String]>) -> Box<[Ipv4Net]> {
        let given = given.unwrap_or_default();
        let mut ranges: Vec<Ipv4Net> = Vec::new();
        for text in given {
            match text.trim().parse() {
                Ok(IpNet::V4(range)) => ranges.push(range.trunc()),
                Ok(IpNet::V6(_)) => {}
                Err(_) => {
                    self.complaints.say("Service", name, &format!("its source range {text:?} is no CIDR"));
                }
            }
        }
        if ranges.is_empty() && !given.is_empty() {
            ranges.push(NOBODY);
        }
        ranges.into()
    }
}

fn policy(text: Option<&str>) -> TrafficPolicy {
    if text == Some("Local") { TrafficPolicy::Local } else { TrafficPolicy::Cluster }
}

fn affinity(spec: &ServiceSpec) -> Option<u32> {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return None;
    }
    let client = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
    let seconds = client.and_then(|client| client.timeout_seconds).and_then(|seconds| u32::try_from(seconds).ok());
    Some(seconds.filter(|&seconds| seconds != 0).unwrap_or(DEFAULT_AFFINITY_SECONDS))
}
