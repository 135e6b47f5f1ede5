//! From an address to the Services that have it, for questions that go backwards.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;

use super::{Kind, Service, ServiceName, Subsets};

#[derive(Debug, Default)]
pub struct Index {
    names: HashMap<Ipv4Addr, BTreeSet<ServiceName>>,
}

impl Index {
    pub fn at(&self, ip: Ipv4Addr) -> impl Iterator<Item = &ServiceName> {
        self.names.get(&ip).into_iter().flatten()
    }

    pub fn add(&mut self, name: &ServiceName, service: Option<&Service>, subsets: Option<&Subsets>) {
        for ip in addresses(service, subsets) {
            self.names.entry(ip).or_default().insert(name.clone());
        }
    }

    pub fn forget(&mut self, name: &ServiceName, service: Option<&Service>, subsets: Option<&Subsets>) {
        for ip in addresses(service, subsets) {
            let Some(names) = self.names.get_mut(&ip) else { continue };
            names.remove(name);
            if names.is_empty() {
                self.names.remove(&ip);
            }
        }
    }
}

/// A Service's own address, or its endpoints' where it has none.
fn addresses(service: Option<&Service>, subsets: Option<&Subsets>) -> Vec<Ipv4Addr> {
    match service.map(|service| &service.kind) {
        Some(Kind::ClusterIp(ip)) => vec![*ip],
        Some(Kind::Headless) => {
            let subsets = subsets.into_iter().flat_map(|all| all.values()).flat_map(|subsets| subsets.iter());
            subsets.flat_map(|subset| subset.endpoints.iter().map(|endpoint| endpoint.ip)).collect()
        }
        Some(Kind::ExternalName(_)) | None => Vec::new(),
    }
}
