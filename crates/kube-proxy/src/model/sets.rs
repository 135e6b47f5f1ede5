//! All Services and endpoints, and how what the watches bring changes them.

use std::collections::{BTreeMap, BTreeSet};

use super::{Endpoint, EndpointPort, Protocol, Service, ServiceName};

/// What a watch brings, already made of API objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The whole set of Services, after a list.
    AllServices(BTreeMap<ServiceName, Service>),
    /// One Service; `None` where it is gone or is none that is proxied (headless, ExternalName, bad).
    Service(ServiceName, Option<Service>),
    /// The whole set of Endpoints or EndpointSlices, after a list, by Service and object name.
    AllEndpoints(BTreeMap<ServiceName, BTreeMap<Box<str>, Box<[EndpointPort]>>>),
    /// One Endpoints or EndpointSlice object of a Service; `None` where it is gone.
    Endpoints { service: ServiceName, object: Box<str>, ports: Option<Box<[EndpointPort]>> },
}

/// The whole wanted state. Nothing may be programmed from it before it [is complete](Model::is_complete).
#[derive(Debug, Default)]
pub struct Model {
    services: BTreeMap<ServiceName, Service>,
    endpoints: BTreeMap<ServiceName, BTreeMap<Box<str>, Box<[EndpointPort]>>>,
    services_listed: bool,
    endpoints_listed: bool,
}

impl Model {
    /// Both sets have been listed at least once.
    pub fn is_complete(&self) -> bool {
        self.services_listed && self.endpoints_listed
    }

    /// Applies a change, and adds to `touched` each Service that it made a difference to.
    pub fn apply(&mut self, change: Change, touched: &mut BTreeSet<ServiceName>) {
        match change {
            Change::AllServices(services) => {
                self.services_listed = true;
                differing(&self.services, &services, touched);
                self.services = services;
            }
            Change::Service(name, Some(service)) => {
                if self.services.get(&name) != Some(&service) {
                    touched.insert(name.clone());
                    self.services.insert(name, service);
                }
            }
            Change::Service(name, None) => {
                if self.services.remove(&name).is_some() {
                    touched.insert(name);
                }
            }
            Change::AllEndpoints(endpoints) => {
                self.endpoints_listed = true;
                differing(&self.endpoints, &endpoints, touched);
                self.endpoints = endpoints;
            }
            Change::Endpoints { service, object, ports: Some(ports) } => {
                let objects = self.endpoints.entry(service.clone()).or_default();
                if objects.get(&object) != Some(&ports) {
                    objects.insert(object, ports);
                    touched.insert(service);
                }
            }
            Change::Endpoints { service, object, ports: None } => {
                if let Some(objects) = self.endpoints.get_mut(&service)
                    && objects.remove(&object).is_some()
                {
                    if objects.is_empty() {
                        self.endpoints.remove(&service);
                    }
                    touched.insert(service);
                }
            }
        }
    }

    /// Every Service, in the order of their names.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceName, &Service)> {
        self.services.iter()
    }

    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.get(name)
    }

    /// The endpoints behind one port of a Service: sorted, and each address and port once, as its best state has it.
    pub fn endpoints(&self, service: &ServiceName, port: &str, protocol: Protocol) -> Vec<Endpoint> {
        let mut found: Vec<Endpoint> = self
            .endpoints
            .get(service)
            .into_iter()
            .flat_map(BTreeMap::values)
            .flatten()
            .filter(|of| &*of.name == port && of.protocol == protocol)
            .flat_map(|of| of.endpoints.iter().copied())
            .collect();
        found.sort_unstable_by_key(|endpoint| (endpoint.ip, endpoint.port, endpoint.state, endpoint.place));
        found.dedup_by_key(|endpoint| endpoint.socket());
        found
    }
}

fn differing<T: PartialEq>(
    old: &BTreeMap<ServiceName, T>,
    new: &BTreeMap<ServiceName, T>,
    touched: &mut BTreeSet<ServiceName>,
) {
    touched.extend(old.keys().filter(|&name| !new.contains_key(name)).cloned());
    touched.extend(new.iter().filter(|&(name, value)| old.get(name) != Some(value)).map(|(name, _)| name.clone()));
}
