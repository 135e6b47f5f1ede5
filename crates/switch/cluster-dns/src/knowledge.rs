//! What is known of the cluster: Services, and the endpoints of each, as small as names need them. A watch changes it, a question reads it.

mod index;
mod keeper;
mod objects;
mod watch;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};

pub use api_watch::ServiceName;
use index::Index;
pub use keeper::{Keeper, load};
pub use objects::{endpoints, service, slice};
pub use watch::run;

/// What a Service's name leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    ClusterIp(Ipv4Addr),
    Headless,
    ExternalName(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub kind: Kind,
    pub ports: Box<[Port]>,
    /// Endpoints have names before they are ready.
    pub publish_not_ready: bool,
    /// It is the one that this project makes for tools that look for a DNS Service.
    pub is_ours: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// From the API's spelling, or from a label without its underscore.
    pub fn named(text: &str) -> Option<Self> {
        [("tcp", Self::Tcp), ("udp", Self::Udp), ("sctp", Self::Sctp)]
            .into_iter()
            .find_map(|(name, protocol)| text.eq_ignore_ascii_case(name).then_some(protocol))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub name: Box<str>,
    pub protocol: Protocol,
    pub number: u16,
}

/// Endpoints that have the same ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subset {
    pub ports: Box<[Port]>,
    pub endpoints: Box<[Endpoint]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub ip: Ipv4Addr,
    pub hostname: Option<Box<str>>,
    pub ready: bool,
}

impl Endpoint {
    /// Its label below its Service: its hostname, or its address with dashes.
    pub fn label(&self) -> Box<str> {
        match &self.hostname {
            Some(name) => name.clone(),
            None => self.ip.to_string().replace('.', "-").into(),
        }
    }
}

/// Subsets by the name of the object that they are from.
type Subsets = BTreeMap<Box<str>, Box<[Subset]>>;

/// How true what is known still is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nothing has been heard yet, and nothing was kept.
    #[default]
    Unknown,
    /// It was kept from an earlier run, or the API server is not heard.
    Stale,
    Current,
}

/// Of Services, or of endpoints.
#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    listed: bool,
    heard: bool,
}

#[derive(Debug, Default)]
pub struct Knowledge {
    services: BTreeMap<ServiceName, Service>,
    endpoints: BTreeMap<ServiceName, Subsets>,
    index: Index,
    /// Something was kept from an earlier run.
    kept: bool,
    watched_services: Watched,
    watched_endpoints: Watched,
    /// Counts changes; what is written names the one that it has.
    version: u64,
}

impl Knowledge {
    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.get(name)
    }

    pub fn services(&self) -> impl Iterator<Item = (&ServiceName, &Service)> {
        self.services.iter()
    }

    pub fn has_namespace(&self, namespace: &str) -> bool {
        let first = ServiceName::new(namespace, "");
        self.services.range(first..).next().is_some_and(|(name, _)| &*name.namespace == namespace)
    }

    /// The endpoints of a Service that have names, each with the ports of its subset.
    pub fn endpoints<'a>(
        &'a self,
        name: &ServiceName,
        service: &'a Service,
    ) -> impl Iterator<Item = (&'a Endpoint, &'a [Port])> {
        let subsets = self.endpoints.get(name).into_iter().flat_map(BTreeMap::values).flat_map(|all| all.iter());
        let all = subsets.flat_map(|subset| subset.endpoints.iter().map(|endpoint| (endpoint, &*subset.ports)));
        all.filter(|(endpoint, _)| endpoint.ready || service.publish_not_ready)
    }

    /// The Services that have this address for their own, or for an endpoint's.
    pub fn at(&self, ip: Ipv4Addr) -> impl Iterator<Item = (&ServiceName, &Service)> {
        self.index.at(ip).filter_map(|name| Some((name, self.services.get(name)?)))
    }

    pub fn standing(&self) -> Standing {
        let listed = self.watched_services.listed && self.watched_endpoints.listed;
        let heard = self.watched_services.heard && self.watched_endpoints.heard;
        match (listed, heard) {
            (true, true) => Standing::Current,
            (true, false) => Standing::Stale,
            (false, _) if self.kept => Standing::Stale,
            (false, _) => Standing::Unknown,
        }
    }

    /// Counts every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn set_service(&mut self, name: ServiceName, service: Option<Service>) {
        self.index.forget(&name, self.services.get(&name), self.endpoints.get(&name));
        match service {
            Some(service) => self.services.insert(name.clone(), service),
            None => self.services.remove(&name),
        };
        self.index.add(&name, self.services.get(&name), self.endpoints.get(&name));
        self.version += 1;
    }

    pub fn set_services(&mut self, all: BTreeMap<ServiceName, Service>) {
        self.services = all;
        self.watched_services.listed = true;
        self.reindex();
    }

    /// `object` is what the endpoints are from; without subsets it is gone.
    pub fn set_endpoints(&mut self, name: ServiceName, object: Box<str>, subsets: Option<Box<[Subset]>>) {
        self.index.forget(&name, self.services.get(&name), self.endpoints.get(&name));
        let of_service = self.endpoints.entry(name.clone()).or_default();
        match subsets {
            Some(subsets) => of_service.insert(object, subsets),
            None => of_service.remove(&object),
        };
        if of_service.is_empty() {
            self.endpoints.remove(&name);
        }
        self.index.add(&name, self.services.get(&name), self.endpoints.get(&name));
        self.version += 1;
    }

    pub fn set_all_endpoints(&mut self, all: BTreeMap<ServiceName, Subsets>) {
        self.endpoints = all;
        self.watched_endpoints.listed = true;
        self.reindex();
    }

    fn reindex(&mut self) {
        self.index = Index::default();
        let names = self.services.keys().chain(self.endpoints.keys().filter(|name| !self.services.contains_key(name)));
        for name in names {
            self.index.add(name, self.services.get(name), self.endpoints.get(name));
        }
        self.version += 1;
    }
}

/// The same knowledge for everybody.
#[derive(Clone, Debug, Default)]
pub struct Shared(Arc<RwLock<Knowledge>>);

impl Shared {
    pub fn read(&self) -> RwLockReadGuard<'_, Knowledge> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Knowledge> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
