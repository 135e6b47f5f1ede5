//! `v1.Endpoints`.

use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::api::core::v1::{EndpointAddress, Endpoints};

use super::{ObjectEndpoints, Reader, port_number};
use crate::model::{Endpoint, EndpointPort, EndpointState, Protocol, ServiceName};

impl Reader {
    /// Its endpoints. `notReadyAddresses` are not used; with `publishNotReadyAddresses` the API's own controller lists all as ready.
    pub fn endpoints(&self, object: &Endpoints) -> Option<ObjectEndpoints> {
        let name = object.metadata.name.as_deref()?;
        let service = ServiceName::new(object.metadata.namespace.as_deref()?, name);
        let mut ports = Vec::new();
        for subset in object.subsets.iter().flatten() {
            let addresses = subset.addresses.as_deref().unwrap_or_default();
            for port in subset.ports.iter().flatten() {
                let Some((protocol, number)) =
                    self.endpoint_port("Endpoints", &service, port.protocol.as_deref(), Some(port.port))
                else {
                    continue;
                };
                let endpoints = addresses.iter().filter_map(|address| self.endpoint(&service, address, number));
                ports.push(EndpointPort {
                    name: port.name.as_deref().unwrap_or_default().into(),
                    protocol,
                    endpoints: endpoints.collect(),
                });
            }
        }
        Some(ObjectEndpoints { service, object: name.into(), ports: ports.into() })
    }

    fn endpoint(&self, service: &ServiceName, address: &EndpointAddress, port: u16) -> Option<Endpoint> {
        let ip = self.endpoint_address("Endpoints", service, &address.ip)?;
        Some(Endpoint { ip, port, place: self.place(address.node_name.as_deref()), state: EndpointState::Ready })
    }

    /// An endpoint's IPv4 address; those of IPv6 are passed over in silence.
    pub(super) fn endpoint_address(&self, kind: &str, service: &ServiceName, text: &str) -> Option<Ipv4Addr> {
        match text.parse() {
            Ok(IpAddr::V4(ip)) => Some(ip),
            Ok(IpAddr::V6(_)) => None,
            Err(_) => {
                self.complaints.say(kind, service, &format!("its address {text:?} is no IP address"));
                None
            }
        }
    }

    /// Protocol and number of an endpoint port; a slice's without a number means all ports, which is nothing for a proxy.
    pub(super) fn endpoint_port(
        &self,
        kind: &str,
        service: &ServiceName,
        protocol: Option<&str>,
        number: Option<i32>,
    ) -> Option<(Protocol, u16)> {
        let protocol = protocol.unwrap_or("TCP");
        let Some(known) = Protocol::from_api(protocol) else {
            self.complaints.say(kind, service, &format!("a port has the unknown protocol {protocol:?}"));
            return None;
        };
        let number = number?;
        let Some(port) = port_number(number) else {
            self.complaints.say(kind, service, &format!("{number} is no port number"));
            return None;
        };
        Some((known, port))
    }
}
