//! The cluster's domain as the Kubernetes DNS specification 1.1.0 has it: from a question and what is known to records, and nothing else.

mod backwards;
mod services;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

use hickory_proto::rr::rdata::{A, NS, SOA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use ipnet::Ipv4Net;

use crate::knowledge::{Knowledge, ServiceName};

/// What `dns-version` says.
const SCHEMA_VERSION: &str = "1.1.0";

/// How long an answer may be kept, also one that there is nothing: a Service that is made is looked for again this soon.
pub const TTL: u32 = 5;

/// Where the name servers of the domain have their names.
const SERVERS: &str = "dns";
const SERVER: &str = "ns";

/// The cluster's domain, and the ranges whose names are ours to know.
#[derive(Clone, Debug)]
pub struct Zone {
    domain: Name,
    address: Ipv4Addr,
    /// Of Services and of pods: nobody else can know names of their addresses.
    ranges: Vec<Ipv4Net>,
}

/// What a question has for an answer.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    pub exists: bool,
    pub answers: Vec<Record>,
    pub additionals: Vec<Record>,
    /// The answer goes on with this name.
    pub alias: Option<Name>,
}

impl Found {
    /// There is no such name.
    fn nothing() -> Self {
        Self::default()
    }

    /// The name is there, and has no record of this type.
    fn no_data() -> Self {
        Self { exists: true, ..Self::default() }
    }

    fn records(answers: Vec<Record>) -> Self {
        Self { exists: true, answers, ..Self::default() }
    }
}

/// Whose a name is.
#[derive(Debug, PartialEq, Eq)]
pub enum Place {
    /// In the domain, with the labels before it, in lower case and from the right.
    Domain(Vec<String>),
    /// The name of an address of ours.
    Backwards(Ipv4Addr),
    Elsewhere,
}

impl Zone {
    /// `domain` without or with a dot at its end.
    pub fn new(domain: &str, address: Ipv4Addr, ranges: Vec<Ipv4Net>) -> Result<Self, String> {
        let mut name = Name::from_ascii(domain).map_err(|error| format!("{domain:?} is no domain: {error}"))?;
        name.set_fqdn(true);
        Ok(Self { domain: name, address, ranges })
    }

    pub fn domain(&self) -> &Name {
        &self.domain
    }

    pub fn place(&self, name: &Name) -> Place {
        if self.domain.zone_of(name) {
            let own = usize::from(name.num_labels() - self.domain.num_labels());
            let labels = name.iter().take(own).map(|label| String::from_utf8_lossy(label).to_ascii_lowercase());
            return Place::Domain(labels.rev().collect());
        }
        match backwards::address(name) {
            Some(ip) if self.ranges.iter().any(|range| range.contains(&ip)) => Place::Backwards(ip),
            _ => Place::Elsewhere,
        }
    }

    /// Answers a question for a name that is ours.
    pub fn find(&self, knowledge: &Knowledge, place: &Place, name: &Name, kind: RecordType) -> Found {
        let labels = match place {
            Place::Elsewhere => return Found::nothing(),
            Place::Backwards(ip) => return self.backwards(knowledge, *ip, name, kind),
            Place::Domain(labels) => labels,
        };
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let has = |kinds: &[RecordType]| kinds.contains(&kind) || kind == RecordType::ANY;
        match labels.as_slice() {
            [] if has(&[RecordType::SOA]) => Found::records(vec![self.soa()]),
            [] if has(&[RecordType::NS]) => {
                let record = |data| Record::from_rdata(name.clone(), TTL, data);
                let server = self.below(&[SERVER, SERVERS]);
                let address = Record::from_rdata(server.clone(), TTL, RData::A(A(self.address)));
                Found { additionals: vec![address], ..Found::records(vec![record(RData::NS(NS(server)))]) }
            }
            ["dns-version"] if has(&[RecordType::TXT]) => {
                let data = RData::TXT(TXT::new(vec![SCHEMA_VERSION.to_owned()]));
                Found::records(vec![Record::from_rdata(name.clone(), TTL, data)])
            }
            [SERVERS, SERVER] if has(&[RecordType::A]) => {
                Found::records(vec![Record::from_rdata(name.clone(), TTL, RData::A(A(self.address)))])
            }
            [] | ["dns-version"] | [SERVERS] | [SERVERS, SERVER] | ["svc"] | ["pod"] => Found::no_data(),
            ["pod", _] => Found::no_data(),
            ["pod", _, dashed] => match of_dashes(dashed) {
                Some(ip) if has(&[RecordType::A]) => {
                    Found::records(vec![Record::from_rdata(name.clone(), TTL, RData::A(A(ip)))])
                }
                Some(_) => Found::no_data(),
                None => Found::nothing(),
            },
            ["svc", namespace] if knowledge.has_namespace(namespace) => Found::no_data(),
            ["svc", namespace, service, rest @ ..] => {
                self.of_service(knowledge, &ServiceName::new(namespace, service), rest, name, kind)
            }
            _ => Found::nothing(),
        }
    }

    /// What stands beside an answer without records: how long that may be kept.
    pub fn soa(&self) -> Record {
        let data = SOA::new(self.below(&[SERVER, SERVERS]), self.below(&["hostmaster"]), 1, 7200, 1800, 86_400, TTL);
        Record::from_rdata(self.domain.clone(), TTL, RData::SOA(data))
    }

    /// A name of the domain, of labels from the left. Where one would be too long, the domain itself: who made the labels has checked them.
    fn below(&self, labels: &[&str]) -> Name {
        let name = Name::from_labels(labels.iter().map(|label| label.as_bytes()).chain(self.domain.iter()));
        let mut name = name.unwrap_or_else(|_| self.domain.clone());
        name.set_fqdn(true);
        name
    }
}

/// `10-16-0-5`
fn of_dashes(text: &str) -> Option<Ipv4Addr> {
    (!text.contains('.')).then(|| text.replace('-', ".").parse().ok())?
}
