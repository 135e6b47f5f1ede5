//! Names of Services, of their ports and of their endpoints.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use hickory_proto::rr::rdata::{A, CNAME, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::{Found, TTL, Zone};
use crate::knowledge::{Kind, Knowledge, Port, Protocol, Service, ServiceName};

/// Of every SRV record: all targets are as good.
const PRIORITY: u16 = 0;
const WEIGHT: u16 = 100;

impl Zone {
    /// `rest` is what stands before the Service's name, from the right.
    pub(super) fn of_service(
        &self,
        knowledge: &Knowledge,
        service_name: &ServiceName,
        rest: &[&str],
        name: &Name,
        kind: RecordType,
    ) -> Found {
        let Some(service) = knowledge.service(service_name) else { return Found::nothing() };
        if let Kind::ExternalName(target) = &service.kind {
            return if rest.is_empty() { external(target, name) } else { Found::nothing() };
        }
        match rest {
            [] => {
                let addresses = addresses(knowledge, service_name, service, None);
                match kind {
                    _ if addresses.is_empty() => Found::nothing(),
                    RecordType::SRV => self.srv(knowledge, service_name, service, |_| true, name),
                    _ => of_addresses(&addresses, name, kind),
                }
            }
            [label] => match label.strip_prefix('_') {
                // Ports are below it.
                Some(protocol) => {
                    let protocol = Protocol::named(protocol);
                    let is_it = |port: &Port| Some(port.protocol) == protocol;
                    let below = self.srv(knowledge, service_name, service, is_it, name);
                    if below.answers.is_empty() { Found::nothing() } else { Found::no_data() }
                }
                None if service.kind == Kind::Headless => {
                    of_addresses(&addresses(knowledge, service_name, service, Some(label)), name, kind)
                }
                None => Found::nothing(),
            },
            [protocol, port] => {
                let (Some(protocol), Some(port)) = (protocol.strip_prefix('_'), port.strip_prefix('_')) else {
                    return Found::nothing();
                };
                let protocol = Protocol::named(protocol);
                let is_it = |known: &Port| Some(known.protocol) == protocol && &*known.name == port;
                let found = self.srv(knowledge, service_name, service, is_it, name);
                match (found.answers.is_empty(), kind) {
                    (true, _) => Found::nothing(),
                    (false, RecordType::SRV | RecordType::ANY) => found,
                    (false, _) => Found::no_data(),
                }
            }
            _ => Found::nothing(),
        }
    }

    /// A record for each named port, and of a headless Service for each endpoint of it.
    fn srv(
        &self,
        knowledge: &Knowledge,
        service_name: &ServiceName,
        service: &Service,
        wanted: impl Fn(&Port) -> bool,
        name: &Name,
    ) -> Found {
        let wanted = |port: &&Port| !port.name.is_empty() && wanted(port);
        let (own, namespace) = (&*service_name.name, &*service_name.namespace);
        let mut found = Found::no_data();
        let mut add = |ports: Vec<u16>, target: Name, ip: Ipv4Addr| {
            let srv = |port| RData::SRV(SRV::new(PRIORITY, WEIGHT, port, target.clone()));
            found.answers.extend(ports.iter().map(|port| Record::from_rdata(name.clone(), TTL, srv(*port))));
            if !ports.is_empty() {
                found.additionals.push(Record::from_rdata(target, TTL, RData::A(A(ip))));
            }
        };
        match &service.kind {
            Kind::ClusterIp(ip) => {
                let ports = service.ports.iter().filter(wanted).map(|port| port.number).collect();
                add(ports, self.below(&[own, namespace, "svc"]), *ip);
            }
            Kind::Headless => {
                let mut by_endpoint: BTreeMap<(Box<str>, Ipv4Addr), BTreeSet<u16>> = BTreeMap::new();
                for (endpoint, ports) in knowledge.endpoints(service_name, service) {
                    let of_endpoint = by_endpoint.entry((endpoint.label(), endpoint.ip)).or_default();
                    of_endpoint.extend(ports.iter().filter(wanted).map(|port| port.number));
                }
                for ((label, ip), ports) in by_endpoint {
                    add(ports.into_iter().collect(), self.below(&[&label, own, namespace, "svc"]), ip);
                }
            }
            Kind::ExternalName(_) => {}
        }
        found
    }
}

/// A Service's address, or those of its endpoints; of those alone that have this label where there is one.
fn addresses(knowledge: &Knowledge, name: &ServiceName, service: &Service, label: Option<&str>) -> Vec<Ipv4Addr> {
    match &service.kind {
        Kind::ClusterIp(ip) => vec![*ip],
        Kind::Headless => {
            let endpoints = knowledge.endpoints(name, service).map(|(endpoint, _)| endpoint);
            let endpoints = endpoints.filter(|endpoint| label.is_none_or(|label| &*endpoint.label() == label));
            let mut all: Vec<Ipv4Addr> = endpoints.map(|endpoint| endpoint.ip).collect();
            all.sort_unstable();
            all.dedup();
            // Whoever takes the first is not always led to the same one.
            fastrand::shuffle(&mut all);
            all
        }
        Kind::ExternalName(_) => Vec::new(),
    }
}

fn of_addresses(addresses: &[Ipv4Addr], name: &Name, kind: RecordType) -> Found {
    let record = |ip: &Ipv4Addr| Record::from_rdata(name.clone(), TTL, RData::A(A(*ip)));
    match kind {
        _ if addresses.is_empty() => Found::nothing(),
        RecordType::A | RecordType::ANY => Found::records(addresses.iter().map(record).collect()),
        _ => Found::no_data(),
    }
}

/// The API takes external names that are no names.
fn external(target: &str, name: &Name) -> Found {
    let Ok(mut target) = Name::from_ascii(target) else { return Found::no_data() };
    target.set_fqdn(true);
    let record = Record::from_rdata(name.clone(), TTL, RData::CNAME(CNAME(target.clone())));
    Found { alias: Some(target), ..Found::records(vec![record]) }
}
