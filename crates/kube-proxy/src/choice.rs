//! Which endpoints of a Service's port this node sends traffic to: a pure function of the model.

use crate::model::{Endpoint, Place, Service, State, TrafficPolicy};

/// Where the traffic of one Service port goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Traffic to the cluster IP, and whatever comes from pods and from the node itself.
    pub internal: Target,
    /// Traffic from outside to node ports, external IPs and load balancer addresses.
    pub external: Target,
    /// What traffic of pods and of this node gets at those external addresses: every endpoint, whatever the external policy says.
    pub cluster: Target,
}

/// The end of the way for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One of these, at random; never empty.
    Endpoints(Vec<Endpoint>),
    /// Nobody answers anywhere: refuse at once.
    Reject,
    /// The policy is Local and endpoints are on other nodes only: be silent, so that a load balancer tries another node.
    Drop,
}

/// Chooses among `endpoints`, all those of one port of `service`.
pub fn choose(service: &Service, endpoints: &[Endpoint]) -> Choice {
    Choice {
        internal: target(service.internal_traffic_policy, endpoints),
        external: target(service.external_traffic_policy, endpoints),
        cluster: target(TrafficPolicy::Cluster, endpoints),
    }
}

fn target(policy: TrafficPolicy, endpoints: &[Endpoint]) -> Target {
    let everywhere = usable(endpoints.iter().copied());
    if everywhere.is_empty() {
        return Target::Reject;
    }
    match policy {
        TrafficPolicy::Cluster => Target::Endpoints(everywhere),
        TrafficPolicy::Local => {
            let here = usable(endpoints.iter().copied().filter(|endpoint| endpoint.place == Place::ThisNode));
            if here.is_empty() { Target::Drop } else { Target::Endpoints(here) }
        }
    }
}

/// The ready ones, or where there are none those that still serve while they terminate.
fn usable(endpoints: impl Iterator<Item = Endpoint>) -> Vec<Endpoint> {
    let (ready, terminating): (Vec<_>, Vec<_>) = endpoints.partition(|endpoint| endpoint.state == State::Ready);
    if ready.is_empty() { terminating } else { ready }
}
