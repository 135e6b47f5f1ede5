//! Names of addresses: the Service's that has it, or the endpoint's of a headless one.

use std::net::Ipv4Addr;

use hickory_proto::rr::rdata::PTR;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::{Found, TTL, Zone};
use crate::knowledge::{Kind, Knowledge};

/// The address that a name below in-addr.arpa is of; none of a range.
pub fn address(name: &Name) -> Option<Ipv4Addr> {
    let labels: Vec<&[u8]> = name.iter().collect();
    let [d, c, b, a, in_addr, arpa] = labels.as_slice() else { return None };
    if !in_addr.eq_ignore_ascii_case(b"in-addr") || !arpa.eq_ignore_ascii_case(b"arpa") {
        return None;
    }
    let octet = |label: &[u8]| std::str::from_utf8(label).ok()?.parse().ok();
    Some(Ipv4Addr::new(octet(a)?, octet(b)?, octet(c)?, octet(d)?))
}

impl Zone {
    pub(super) fn backwards(&self, knowledge: &Knowledge, ip: Ipv4Addr, name: &Name, kind: RecordType) -> Found {
        let mut targets = Vec::new();
        for (service_name, service) in knowledge.at(ip) {
            let (service_label, namespace) = (&*service_name.name, &*service_name.namespace);
            if service.kind == Kind::ClusterIp(ip) {
                targets.push(self.below(&[service_label, namespace, "svc"]));
                continue;
            }
            let here = knowledge.endpoints(service_name, service).filter(|(endpoint, _)| endpoint.ip == ip);
            for (endpoint, _) in here {
                let target = self.below(&[&endpoint.label(), service_label, namespace, "svc"]);
                if !targets.contains(&target) {
                    targets.push(target);
                }
            }
        }
        match (targets.is_empty(), kind) {
            (true, _) => Found::nothing(),
            (false, RecordType::PTR | RecordType::ANY) => {
                let record = |target| Record::from_rdata(name.clone(), TTL, RData::PTR(PTR(target)));
                Found::records(targets.into_iter().map(record).collect())
            }
            (false, _) => Found::no_data(),
        }
    }
}
