//! Which endpoints of a Service's port this node sends traffic to: a pure function of the model.

use crate::model::{Endpoint, EndpointState, Place, Service, TrafficPolicy};

/// Where the traffic of one Service port goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSelection {
    /// Traffic to the cluster IP, and whatever comes from pods and from the node itself.
    pub internal: TrafficTarget,
    /// Traffic from outside to node ports, external IPs and load balancer addresses.
    pub external: TrafficTarget,
    /// What traffic of pods and of this node gets at those external addresses: every endpoint, whatever the external policy says.
    pub cluster: TrafficTarget,
}

/// The end of the way for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrafficTarget {
    /// One of these, at random; never empty.
    Endpoints(Vec<Endpoint>),
    /// Nobody answers anywhere: refuse at once.
    Reject,
    /// The policy is Local and endpoints are on other nodes only: be silent, so that a load balancer tries another node.
    Drop,
}

/// Selects among `endpoints`, all those of one port of `service`.
pub fn select_endpoints(service: &Service, endpoints: &[Endpoint]) -> EndpointSelection {
    EndpointSelection {
        internal: target(service.internal_traffic_policy, endpoints),
        external: target(service.external_traffic_policy, endpoints),
        cluster: target(TrafficPolicy::Cluster, endpoints),
    }
}

fn target(policy: TrafficPolicy, endpoints: &[Endpoint]) -> TrafficTarget {
    let everywhere = usable(endpoints.iter().copied());
    if everywhere.is_empty() {
        return TrafficTarget::Reject;
    }
    match policy {
        TrafficPolicy::Cluster => TrafficTarget::Endpoints(everywhere),
        TrafficPolicy::Local => {
            let here = usable(endpoints.iter().copied().filter(|endpoint| endpoint.place == Place::ThisNode));
            if here.is_empty() { TrafficTarget::Drop } else { TrafficTarget::Endpoints(here) }
        }
    }
}

/// The ready ones, or where there are none those that still serve while they terminate.
fn usable(endpoints: impl Iterator<Item = Endpoint>) -> Vec<Endpoint> {
    let (ready, terminating): (Vec<_>, Vec<_>) = endpoints.partition(|endpoint| endpoint.state == EndpointState::Ready);
    if ready.is_empty() { terminating } else { ready }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use EndpointState::{Ready, ServingTerminating};
    use Place::{OtherNode, ThisNode, Unknown};

    fn endpoint(last: u8, place: Place, state: EndpointState) -> Endpoint {
        Endpoint { ip: Ipv4Addr::new(10, 16, 0, last), port: 8080, place, state }
    }

    fn service(internal: TrafficPolicy, external: TrafficPolicy) -> Service {
        Service {
            cluster_ip: Ipv4Addr::new(10, 10, 0, 20),
            external_ips: Box::default(),
            load_balancer_ips: Box::default(),
            load_balancer_source_ranges: Box::default(),
            affinity_seconds: None,
            external_traffic_policy: external,
            internal_traffic_policy: internal,
            health_check_node_port: None,
            ports: Box::default(),
        }
    }

    fn last_numbers(target: &TrafficTarget) -> Vec<u8> {
        match target {
            TrafficTarget::Endpoints(endpoints) => endpoints.iter().map(|endpoint| endpoint.ip.octets()[3]).collect(),
            TrafficTarget::Reject | TrafficTarget::Drop => Vec::new(),
        }
    }

    #[test]
    fn the_cluster_policy_uses_every_ready_endpoint_wherever_it_is() {
        let endpoints = [endpoint(1, ThisNode, Ready), endpoint(2, OtherNode, Ready), endpoint(3, Unknown, Ready)];
        let selection = select_endpoints(&service(TrafficPolicy::Cluster, TrafficPolicy::Cluster), &endpoints);
        for target in [&selection.internal, &selection.external, &selection.cluster] {
            assert_eq!(last_numbers(target), [1, 2, 3]);
        }
    }

    #[test]
    fn each_local_policy_holds_for_its_own_traffic_only() {
        let endpoints = [endpoint(1, ThisNode, Ready), endpoint(2, OtherNode, Ready)];
        let external = select_endpoints(&service(TrafficPolicy::Cluster, TrafficPolicy::Local), &endpoints);
        assert_eq!(
            [&external.internal, &external.external, &external.cluster].map(last_numbers),
            [vec![1, 2], vec![1], vec![1, 2]]
        );
        let internal = select_endpoints(&service(TrafficPolicy::Local, TrafficPolicy::Cluster), &endpoints);
        assert_eq!(
            [&internal.internal, &internal.external, &internal.cluster].map(last_numbers),
            [vec![1], vec![1, 2], vec![1, 2]]
        );
    }

    #[test]
    fn a_local_policy_without_a_local_endpoint_is_silent() {
        let selection =
            select_endpoints(&service(TrafficPolicy::Local, TrafficPolicy::Local), &[endpoint(2, OtherNode, Ready)]);
        assert_eq!((selection.internal, selection.external), (TrafficTarget::Drop, TrafficTarget::Drop));
        assert_eq!(last_numbers(&selection.cluster), [2]);
    }

    #[test]
    fn an_endpoint_of_no_known_node_is_not_local() {
        let selection =
            select_endpoints(&service(TrafficPolicy::Local, TrafficPolicy::Local), &[endpoint(2, Unknown, Ready)]);
        assert_eq!(selection.external, TrafficTarget::Drop);
    }

    #[test]
    fn nobody_anywhere_is_refused_at_once_whatever_the_policy() {
        for policy in [TrafficPolicy::Cluster, TrafficPolicy::Local] {
            let selection = select_endpoints(&service(policy, policy), &[]);
            assert_eq!(
                [selection.internal, selection.external, selection.cluster],
                [TrafficTarget::Reject, TrafficTarget::Reject, TrafficTarget::Reject]
            );
        }
    }

    #[test]
    fn terminating_endpoints_serve_only_where_none_is_ready() {
        let service = service(TrafficPolicy::Cluster, TrafficPolicy::Local);
        let leaving = endpoint(1, ThisNode, ServingTerminating);
        let both = select_endpoints(&service, &[leaving, endpoint(2, OtherNode, Ready)]);
        // A terminating one here is better than none here; elsewhere the ready one is taken.
        assert_eq!([&both.internal, &both.external].map(last_numbers), [vec![2], vec![1]]);
        let alone = select_endpoints(&service, &[leaving]);
        assert_eq!([&alone.internal, &alone.external].map(last_numbers), [vec![1], vec![1]]);
    }
}
