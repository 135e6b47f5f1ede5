//! Which answers are right for which Service. Of UDP and SCTP: their clients go on in one flow, whoever answers. A TCP client begins anew.

use std::{
    collections::{BTreeSet, HashMap},
    net::{Ipv4Addr, SocketAddrV4},
};

use super::Flow;
use crate::{
    endpoint_selection::{TrafficTarget, select_endpoints},
    model::{Model, Protocol, Service, ServiceName, ServicePort},
};

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answerer {
    /// `None`: any address.
    ip: Option<Ipv4Addr>,
    port: u16,
}

impl Answerer {
    /// From a socket on this node, whichever of the node's addresses was chosen for it.
    pub fn at_any_address(port: u16) -> Self {
        Self { ip: None, port }
    }

    fn is(self, from: SocketAddrV4) -> bool {
        self.port == from.port() && self.ip.is_none_or(|ip| ip == *from.ip())
    }
}

impl From<SocketAddrV4> for Answerer {
    fn from(socket: SocketAddrV4) -> Self {
        Self { ip: Some(*socket.ip()), port: socket.port() }
    }
}

/// Where a Service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asked {
    pub protocol: Protocol,
    /// `None`: at any of this node's addresses, as a node port is.
    pub ip: Option<Ipv4Addr>,
    pub port: u16,
}

impl Asked {
    /// All of a Service's whose flows are judged.
    pub fn of(service: &Service) -> impl Iterator<Item = Self> {
        service.ports.iter().flat_map(|port| Self::of_port(service, port))
    }

    /// Of one of its ports.
    pub fn of_port(service: &Service, port: &ServicePort) -> impl Iterator<Item = Self> {
        let protocol = port.protocol;
        let external = service.external_ips.iter().chain(&service.load_balancer_ips);
        let ips = std::iter::once(&service.cluster_ip).chain(external);
        let by_address = ips.map(move |&ip| Self { protocol, ip: Some(ip), port: port.port });
        let by_node_port = port.node_port.map(|port| Self { protocol, ip: None, port });
        by_address.chain(by_node_port).filter(|asked| Flow::number(asked.protocol).is_some())
    }
}

/// Services by the addresses at which they are asked, and who answers.
#[derive(Clone, Debug, Default)]
pub struct ServedAddresses(HashMap<Asked, Vec<Answerer>>);

impl ServedAddresses {
    /// With those who answer for it; nobody, if it is no Service's any more.
    pub fn insert(&mut self, asked: Asked, answers: &[Answerer]) {
        self.0.entry(asked).or_default().extend_from_slice(answers);
    }

    /// Those of `names` that the model has, answered by their endpoints themselves.
    pub fn of<'a>(model: &Model, names: impl IntoIterator<Item = &'a ServiceName>) -> Self {
        let mut found = Self::default();
        for name in names {
            let Some(service) = model.service(name) else { continue };
            for port in service.ports.iter().filter(|port| Flow::number(port.protocol).is_some()) {
                let selection = select_endpoints(service, &model.endpoints(name, &port.name, port.protocol));
                let chosen: BTreeSet<SocketAddrV4> = [&selection.internal, &selection.external, &selection.cluster]
                    .into_iter()
                    .flat_map(|target| match target {
                        TrafficTarget::Endpoints(endpoints) => endpoints.as_slice(),
                        TrafficTarget::Reject | TrafficTarget::Drop => &[],
                    })
                    .map(|endpoint| endpoint.socket())
                    .collect();
                let answers: Vec<Answerer> = chosen.into_iter().map(Answerer::from).collect();
                Asked::of_port(service, port).for_each(|asked| found.insert(asked, &answers));
            }
        }
        found
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the flow is to one of these, and answered by someone else. A node port is asked at one of this `node`'s addresses, be it by a flow
    /// that is older than the rules and so goes to nobody; at any other address its number is another Service's, or another host's.
    pub(super) fn is_stale(&self, flow: &Flow, node: &BTreeSet<Ipv4Addr>) -> bool {
        let (asked, answering) = (flow.original.destination, flow.reply.source);
        let Some(protocol) = flow.judged_protocol() else { return false };
        let at = |ip| self.0.get(&Asked { protocol, ip, port: asked.port() });
        let at_node = || at(None).filter(|_| node.contains(asked.ip()));
        let Some(answers) = at(Some(*asked.ip())).or_else(at_node) else { return false };
        !answers.iter().any(|answer| answer.is(answering))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::flow::Tuple, *};

    fn socket(text: &str) -> SocketAddrV4 {
        text.parse().unwrap()
    }

    fn flow(asked: &str, answering: &str) -> Flow {
        let client = socket("10.16.0.9:40000");
        let original = Tuple { source: client, destination: socket(asked) };
        let reply = Tuple { source: socket(answering), destination: client };
        Flow { protocol: 17, original, reply, tuple: vec![].into(), zone: None }
    }

    fn dns() -> ServedAddresses {
        let mut desired = ServedAddresses::default();
        let answers = [Answerer::from(socket("10.16.0.2:53")), Answerer::from(socket("10.16.1.2:53"))];
        desired.insert(dns_address(), &answers);
        desired.insert(Asked { protocol: Protocol::Udp, ip: None, port: 30053 }, &answers);
        desired
    }

    fn dns_address() -> Asked {
        Asked { protocol: Protocol::Udp, ip: Some(Ipv4Addr::new(10, 10, 0, 10)), port: 53 }
    }

    /// Of a node with one address.
    fn is_stale(services: &ServedAddresses, asked: &str, answering: &str) -> bool {
        services.is_stale(&flow(asked, answering), &[Ipv4Addr::new(192, 168, 50, 1)].into())
    }

    #[test]
    fn a_flow_to_an_endpoint_that_is_gone_is_stale() {
        assert!(is_stale(&dns(), "10.10.0.10:53", "10.16.0.3:53"));
        assert!(!is_stale(&dns(), "10.10.0.10:53", "10.16.1.2:53"));
        assert!(is_stale(&dns(), "192.168.50.1:30053", "10.16.0.3:53"));
        assert!(!is_stale(&dns(), "192.168.50.1:30053", "10.16.0.2:53"));
    }

    #[test]
    fn a_flow_from_before_there_were_rules_is_stale_at_a_services_address_and_at_the_nodes() {
        assert!(is_stale(&dns(), "10.10.0.10:53", "10.10.0.10:53"));
        assert!(is_stale(&dns(), "192.168.50.1:30053", "192.168.50.1:30053"), "a node port here");
        assert!(!is_stale(&dns(), "192.168.50.7:30053", "192.168.50.7:30053"), "another host's port");
    }

    #[test]
    fn a_port_of_another_service_with_a_node_ports_number_is_not_judged_by_it() {
        assert!(!is_stale(&dns(), "10.10.0.77:30053", "10.16.0.9:5353"));
    }

    #[test]
    fn an_sctp_service_is_judged_as_one_of_udp_is_and_apart_from_it() {
        let m3ua = |ip, port| Asked { protocol: Protocol::Sctp, ip, port };
        let node = [Ipv4Addr::new(192, 168, 50, 1)].into();
        let mut desired = dns();
        let answers = [Answerer::from(socket("10.16.0.7:2905"))];
        for asked in [m3ua(Some(Ipv4Addr::new(10, 10, 0, 10)), 53), m3ua(None, 30053)] {
            desired.insert(asked, &answers);
        }
        let is_stale =
            |asked, answering, protocol| desired.is_stale(&Flow { protocol, ..flow(asked, answering) }, &node);
        for asked in ["10.10.0.10:53", "192.168.50.1:30053"] {
            assert!(is_stale(asked, asked, 132) && is_stale(asked, "10.16.0.2:53", 132), "{asked}");
            assert!(!is_stale(asked, "10.16.0.7:2905", 132) && !is_stale(asked, "10.16.0.2:53", 17), "{asked}");
        }
    }

    #[test]
    fn what_is_no_such_service_is_left_alone() {
        assert!(!is_stale(&dns(), "10.10.0.10:54", "10.16.0.3:53"));
        assert!(!is_stale(&dns(), "10.10.0.11:53", "10.16.0.3:53"));
        let tcp = Flow { protocol: 6, ..flow("10.10.0.10:53", "10.16.0.3:53") };
        assert!(!dns().is_stale(&tcp, &BTreeSet::new()));
    }

    #[test]
    fn an_address_without_answers_has_stale_flows_only() {
        let mut desired = ServedAddresses::default();
        desired.insert(dns_address(), &[]);
        assert!(is_stale(&desired, "10.10.0.10:53", "10.16.1.2:53"));
    }

    #[test]
    fn a_socket_of_ours_answers_from_any_address() {
        let mut desired = ServedAddresses::default();
        desired.insert(dns_address(), &[Answerer::at_any_address(40053)]);
        assert!(!is_stale(&desired, "10.10.0.10:53", "127.0.0.1:40053"));
        assert!(is_stale(&desired, "10.10.0.10:53", "127.0.0.1:40054"));
    }
}
