//! From the API's objects to what is kept of them. What is bad in one is left out, and the rest of it stays.

use std::net::Ipv4Addr;

use k8s_openapi::api::core::v1::{self, EndpointAddress, Endpoints};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Endpoint, Kind, Port, Protocol, Service, ServiceName, Subset};

/// The label that says which Service a slice belongs to.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What was there before `publishNotReadyAddresses`.
const TOLERATE_UNREADY: &str = "service.alpha.kubernetes.io/tolerate-unready-endpoints";

/// The label of the Service that the project makes, and whose.
const MANAGED_BY: (&str, &str) = contract::dns::MANAGED_BY;

/// The Service, or `None` with its name where no name leads anywhere: IPv6 only, or no address yet.
pub fn service(object: &v1::Service) -> Option<(ServiceName, Option<Service>)> {
    let name = service_name(&object.metadata, object.metadata.name.as_deref()?)?;
    let Some(spec) = object.spec.as_ref() else { return Some((name, None)) };
    let kind = match (spec.type_.as_deref(), spec.cluster_ip.as_deref()) {
        (Some("ExternalName"), _) => spec.external_name.as_deref().map(|name| Kind::ExternalName(name.into())),
        (_, Some("None")) => Some(Kind::Headless),
        (_, ip) => {
            let all = ip.into_iter().chain(spec.cluster_ips.iter().flatten().map(String::as_str));
            all.into_iter().find_map(|ip| ip.parse().ok()).map(Kind::ClusterIp)
        }
    };
    let ports = spec.ports.iter().flatten();
    let ports = ports.filter_map(|of| port(of.name.as_deref(), of.protocol.as_deref(), Some(of.port))).collect();
    let annotations = object.metadata.annotations.as_ref();
    let tolerates = annotations.and_then(|all| all.get(TOLERATE_UNREADY)).is_some_and(|value| value == "true");
    let labels = object.metadata.labels.as_ref();
    let managed = labels.and_then(|all| all.get(MANAGED_BY.0)).is_some_and(|value| value == MANAGED_BY.1);
    // Whoever gives it a selector has pods behind it: it is the operator's from then on.
    let has_selector = spec.selector.as_ref().is_some_and(|selector| !selector.is_empty());
    let publish_not_ready = spec.publish_not_ready_addresses.unwrap_or(false) || tolerates;
    let service = |kind| Service { kind, ports, publish_not_ready, is_ours: managed && !has_selector };
    Some((name, kind.map(service)))
}

/// The Service that an object is of, the object's name, and what it says.
pub type OfObject = (ServiceName, Box<str>, Box<[Subset]>);

pub fn endpoints(object: &Endpoints) -> Option<OfObject> {
    let own = object.metadata.name.as_deref()?;
    let name = service_name(&object.metadata, own)?;
    let subsets = object.subsets.iter().flatten().map(|subset| {
        let ports = subset.ports.iter().flatten();
        let ready = subset.addresses.iter().flatten().filter_map(|address| of_address(address, true));
        let not_ready = subset.not_ready_addresses.iter().flatten().filter_map(|address| of_address(address, false));
        Subset {
            ports: ports.filter_map(|of| port(of.name.as_deref(), of.protocol.as_deref(), Some(of.port))).collect(),
            endpoints: ready.chain(not_ready).collect(),
        }
    });
    Some((name, own.into(), subsets.collect()))
}

/// `None` where it belongs to no Service or is not one of IPv4 addresses.
pub fn slice(object: &EndpointSlice) -> Option<OfObject> {
    if object.address_type != "IPv4" {
        return None;
    }
    let name = service_name(&object.metadata, object.metadata.labels.as_ref()?.get(SERVICE_NAME)?)?;
    let ports = object.ports.iter().flatten();
    let endpoints = object.endpoints.iter().flat_map(|endpoint| {
        let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
        let hostname = label(endpoint.hostname.as_deref());
        let addresses = endpoint.addresses.iter().filter_map(|ip| ip.parse().ok());
        addresses.map(move |ip| Endpoint { ip, hostname: hostname.clone(), ready })
    });
    let subset = Subset {
        ports: ports.filter_map(|of| port(of.name.as_deref(), of.protocol.as_deref(), of.port)).collect(),
        endpoints: endpoints.collect(),
    };
    Some((name, object.metadata.name.as_deref()?.into(), [subset].into()))
}

fn service_name(metadata: &ObjectMeta, name: &str) -> Option<ServiceName> {
    let namespace = label(metadata.namespace.as_deref())?;
    Some(ServiceName { namespace, name: label(Some(name))? })
}

/// What can be a label of a name, as names are looked up.
fn label(text: Option<&str>) -> Option<Box<str>> {
    text.filter(|text| (1..=63).contains(&text.len()) && text.is_ascii() && !text.contains(['.', '/']))
        .map(|text| text.to_ascii_lowercase().into())
}

fn of_address(address: &EndpointAddress, ready: bool) -> Option<Endpoint> {
    let ip: Ipv4Addr = address.ip.parse().ok()?;
    Some(Endpoint { ip, hostname: label(address.hostname.as_deref()), ready })
}

fn port(name: Option<&str>, protocol: Option<&str>, number: Option<i32>) -> Option<Port> {
    Some(Port {
        name: name.unwrap_or_default().to_ascii_lowercase().into(),
        protocol: Protocol::named(protocol.unwrap_or("TCP"))?,
        number: u16::try_from(number?).ok().filter(|&number| number != 0)?,
    })
}
