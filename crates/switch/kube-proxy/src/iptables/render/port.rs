//! One Service port with its selection of endpoints, and the chains that this selection calls for.

use std::net::Ipv4Addr;

use crate::endpoint_selection::{EndpointSelection, TrafficTarget, select_endpoints};
use crate::iptables::chain::{ChainId, Kind, PortName};
use crate::iptables::{Feature, IptablesSettings};
use crate::model::{Endpoint, Model, Protocol, Service, ServiceName, ServicePort, TrafficPolicy};

/// A Service port as rules see it.
pub struct RenderedPort<'a> {
    pub settings: &'a IptablesSettings,
    pub name: PortName<'a>,
    pub service: &'a Service,
    pub port: &'a ServicePort,
    pub selection: EndpointSelection,
    /// This node's address, where it is known.
    pub node_ip: Option<Ipv4Addr>,
}

/// The ports of a Service that can be proxied here. Of two with the same name and protocol, the first counts.
pub fn ports<'a>(
    model: &'a Model,
    settings: &'a IptablesSettings,
    service_name: &'a ServiceName,
    service: &'a Service,
) -> impl Iterator<Item = RenderedPort<'a>> {
    let known = |port: &ServicePort| port.protocol != Protocol::Sctp || settings.features.has(Feature::Sctp);
    let first = |index: usize, port: &ServicePort| {
        let mut before = service.ports.iter().take(index);
        !before.any(|other| other.name == port.name && other.protocol == port.protocol)
    };
    let desired = service.ports.iter().enumerate().filter(move |(index, port)| known(port) && first(*index, port));
    desired.map(move |(_, port)| {
        let endpoints = model.endpoints(service_name, &port.name, port.protocol);
        let name = PortName { service: service_name, port: &port.name, protocol: port.protocol };
        let selection = select_endpoints(service, &endpoints);
        RenderedPort { settings, name, service, port, selection, node_ip: settings.node_ip.or(model.node_address()) }
    })
}

impl RenderedPort<'_> {
    /// Where traffic to the cluster IP goes.
    pub fn internal_chain(&self) -> ChainId {
        self.name.chain(kind_for(self.service.internal_traffic_policy))
    }

    /// The external IPs and load balancer IPs.
    pub fn external_addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.service.external_ips.iter().chain(&self.service.load_balancer_ips).copied()
    }

    pub fn node_port(&self) -> Option<u16> {
        self.port.node_port.filter(|_| self.settings.features.has(Feature::Addrtype))
    }

    pub fn is_external(&self) -> bool {
        self.node_port().is_some() || self.external_addresses().next().is_some()
    }

    pub fn external_is_local(&self) -> bool {
        self.service.external_traffic_policy == TrafficPolicy::Local
    }

    pub fn has_endpoints(&self) -> bool {
        matches!(self.selection.cluster, TrafficTarget::Endpoints(_))
    }

    /// Only those in `loadBalancerSourceRanges` may come in by load balancer addresses.
    pub fn is_firewalled(&self) -> bool {
        !self.service.load_balancer_ips.is_empty()
            && self.service.load_balancer_source_ranges.iter().all(|range| range.prefix_len() > 0)
            && !self.service.load_balancer_source_ranges.is_empty()
    }

    /// What the chain of all endpoints holds, if anything leads to it.
    pub fn everywhere(&self) -> Option<&[Endpoint]> {
        let from_external = self.is_external()
            && (!self.external_is_local()
                || self.settings.pods().is_some()
                || self.settings.features.has(Feature::Addrtype));
        let used = from_external || self.service.internal_traffic_policy == TrafficPolicy::Cluster;
        if used { endpoints(&self.selection.cluster) } else { None }
    }

    /// What the chain of this node's endpoints holds, if anything leads to it.
    pub fn here(&self) -> Option<&[Endpoint]> {
        if self.service.internal_traffic_policy == TrafficPolicy::Local {
            return endpoints(&self.selection.internal);
        }
        if self.external_is_local() && self.is_external() { endpoints(&self.selection.external) } else { None }
    }

    /// The timeout of the session affinity that is asked for and can be had.
    pub fn affinity(&self) -> Option<u32> {
        self.service.affinity_seconds.filter(|_| self.settings.features.has(Feature::Recent))
    }
}

fn kind_for(policy: TrafficPolicy) -> Kind {
    match policy {
        TrafficPolicy::Cluster => Kind::Service,
        TrafficPolicy::Local => Kind::Local,
    }
}

fn endpoints(target: &TrafficTarget) -> Option<&[Endpoint]> {
    match target {
        TrafficTarget::Endpoints(endpoints) => Some(endpoints),
        TrafficTarget::Reject | TrafficTarget::Drop => None,
    }
}
