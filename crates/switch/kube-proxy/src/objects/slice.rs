//! `discovery.k8s.io/v1.EndpointSlice`.

use k8s_openapi::api::discovery::v1::{self, EndpointConditions, EndpointSlice};

use super::{ObjectEndpoints, Reader};
use crate::model::{Endpoint, EndpointPort, EndpointState, ServiceName};

/// The label that says which Service a slice belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

impl Reader {
    /// The endpoints of a slice; `None` where it belongs to no Service or is not one of IPv4 addresses.
    pub fn slice(&self, object: &EndpointSlice) -> Option<ObjectEndpoints> {
        if object.address_type != "IPv4" {
            return None;
        }
        let label = object.metadata.labels.as_ref()?.get(SERVICE_NAME)?;
        let service = ServiceName::new(object.metadata.namespace.as_deref()?, label);
        let mut ports = Vec::new();
        for port in object.ports.iter().flatten() {
            let Some((protocol, number)) =
                self.endpoint_port("EndpointSlice", &service, port.protocol.as_deref(), port.port)
            else {
                continue;
            };
            let endpoints =
                object.endpoints.iter().filter_map(|endpoint| self.slice_endpoint(&service, endpoint, number));
            ports.push(EndpointPort {
                name: port.name.as_deref().unwrap_or_default().into(),
                protocol,
                endpoints: endpoints.collect(),
            });
        }
        let object = object.metadata.name.as_deref()?.into();
        Some(ObjectEndpoints { service, object, ports: ports.into() })
    }

    /// An endpoint's addresses are all the same one's; consumers use the first.
    fn slice_endpoint(&self, service: &ServiceName, endpoint: &v1::Endpoint, port: u16) -> Option<Endpoint> {
        let state = state(endpoint.conditions.as_ref())?;
        let ip = self.endpoint_address("EndpointSlice", service, endpoint.addresses.first()?)?;
        Some(Endpoint { ip, port, place: self.place(endpoint.node_name.as_deref()), state })
    }
}

/// Conditions that are missing mean ready, serving and not terminating.
fn state(conditions: Option<&EndpointConditions>) -> Option<EndpointState> {
    let ready = conditions.and_then(|conditions| conditions.ready).unwrap_or(true);
    let serving = conditions.and_then(|conditions| conditions.serving).unwrap_or(true);
    let terminating = conditions.and_then(|conditions| conditions.terminating).unwrap_or(false);
    match (ready, serving && terminating) {
        (true, _) => Some(EndpointState::Ready),
        (false, true) => Some(EndpointState::ServingTerminating),
        (false, false) => None,
    }
}
