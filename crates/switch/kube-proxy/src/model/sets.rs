//! All Services and endpoints, and how what the watches bring changes them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{Endpoint, EndpointPort, EndpointState, Place, Protocol, Service, ServiceName};

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
    /// This node's address, by its Node object.
    NodeAddress(Ipv4Addr),
    /// The addresses of nodes to which there is no route any more, and of their pods.
    Unrouted(Vec<Ipv4Net>),
}

/// The whole desired state. Nothing may be programmed from it before it [is complete](Model::is_complete).
#[derive(Debug, Default)]
pub struct Model {
    services: BTreeMap<ServiceName, Service>,
    endpoints: BTreeMap<ServiceName, BTreeMap<Box<str>, Box<[EndpointPort]>>>,
    services_listed: bool,
    endpoints_listed: bool,
    node_address: Option<Ipv4Addr>,
    unrouted: Vec<Ipv4Net>,
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
            Change::Unrouted(unrouted) => {
                let before = std::mem::replace(&mut self.unrouted, unrouted);
                let only = |one: &[Ipv4Net], other: &[Ipv4Net]| -> Vec<Ipv4Net> {
                    one.iter().filter(|block| !other.contains(block)).copied().collect()
                };
                let changed = [only(&before, &self.unrouted), only(&self.unrouted, &before)].concat();
                let is_there = |port: &EndpointPort| port.endpoints.iter().any(|endpoint| is_in(&changed, endpoint));
                let of_services = self.endpoints.iter().filter(|(_, objects)| objects.values().flatten().any(is_there));
                touched.extend(of_services.map(|(name, _)| name.clone()));
            }
            Change::NodeAddress(address) => {
                if self.node_address.replace(address) != Some(address) {
                    let services = self.services.iter().filter(|(_, of)| !of.load_balancer_source_ranges.is_empty());
                    touched.extend(services.map(|(name, _)| name.clone()));
                }
            }
        }
    }

    /// This node's address, once it is known.
    pub fn node_address(&self) -> Option<Ipv4Addr> {
        self.node_address
    }

    /// Every Service, in the order of their names.
    pub fn services(&self) -> impl Iterator<Item = (&ServiceName, &Service)> {
        self.services.iter()
    }

    pub fn service(&self, name: &ServiceName) -> Option<&Service> {
        self.services.get(name)
    }

    /// The endpoints behind one port of a Service: sorted, and each address and port once, as its best state has it. Those to which there is no
    /// route are left out, as long as another one is ready.
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
        let is_reached = |of: &Endpoint| of.place == Place::ThisNode || !is_in(&self.unrouted, of);
        if found.iter().any(|endpoint| endpoint.state == EndpointState::Ready && is_reached(endpoint)) {
            found.retain(is_reached);
        }
        found
    }
}

fn is_in(blocks: &[Ipv4Net], endpoint: &Endpoint) -> bool {
    blocks.iter().any(|block| block.contains(&endpoint.ip))
}

fn differing<T: PartialEq>(
    old: &BTreeMap<ServiceName, T>,
    new: &BTreeMap<ServiceName, T>,
    touched: &mut BTreeSet<ServiceName>,
) {
    touched.extend(old.keys().filter(|&name| !new.contains_key(name)).cloned());
    touched.extend(new.iter().filter(|&(name, value)| old.get(name) != Some(value)).map(|(name, _)| name.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TrafficPolicy;

    fn name(text: &str) -> ServiceName {
        ServiceName::new("default", text)
    }

    fn service(last: u8) -> Service {
        Service {
            cluster_ip: Ipv4Addr::new(10, 10, 0, last),
            external_ips: Box::default(),
            load_balancer_ips: Box::default(),
            load_balancer_source_ranges: Box::default(),
            affinity_seconds: None,
            external_traffic_policy: TrafficPolicy::Cluster,
            internal_traffic_policy: TrafficPolicy::Cluster,
            health_check_node_port: None,
            ports: Box::default(),
        }
    }

    fn ports(endpoints: &[(u8, EndpointState)]) -> Box<[EndpointPort]> {
        let endpoints = endpoints.iter().map(|&(last, state)| Endpoint {
            ip: Ipv4Addr::new(10, 16, 0, last),
            port: 80,
            place: Place::ThisNode,
            state,
        });
        Box::new([EndpointPort { name: "http".into(), protocol: Protocol::Tcp, endpoints: endpoints.collect() }])
    }

    fn touched(model: &mut Model, change: Change) -> Vec<String> {
        let mut touched = BTreeSet::new();
        model.apply(change, &mut touched);
        touched.iter().map(|name| name.name.to_string()).collect()
    }

    fn slice(object: &str, ports: Option<Box<[EndpointPort]>>) -> Change {
        Change::Endpoints { service: name("web"), object: object.into(), ports }
    }

    #[test]
    fn nothing_is_complete_before_both_sets_are_listed() {
        let mut model = Model::default();
        touched(&mut model, Change::Service(name("web"), Some(service(1))));
        touched(&mut model, Change::AllServices(BTreeMap::new()));
        assert!(!model.is_complete());
        touched(&mut model, Change::AllEndpoints(BTreeMap::new()));
        assert!(model.is_complete());
    }

    #[test]
    fn a_relist_touches_what_is_new_what_differs_and_what_is_gone() {
        let mut model = Model::default();
        let all = |list: &[(&str, u8)]| {
            Change::AllServices(list.iter().map(|&(text, last)| (name(text), service(last))).collect())
        };
        touched(&mut model, all(&[("gone", 1), ("same", 2), ("moved", 3)]));
        assert_eq!(touched(&mut model, all(&[("same", 2), ("moved", 4), ("new", 5)])), ["gone", "moved", "new"]);
        assert!(model.service(&name("gone")).is_none());
    }

    #[test]
    fn an_event_that_changes_nothing_touches_nothing() {
        let mut model = Model::default();
        assert_eq!(touched(&mut model, slice("web-1", Some(ports(&[(1, EndpointState::Ready)])))), ["web"]);
        assert!(touched(&mut model, slice("web-1", Some(ports(&[(1, EndpointState::Ready)])))).is_empty());
        assert!(touched(&mut model, slice("web-2", None)).is_empty());
        assert!(touched(&mut model, Change::Service(name("web"), None)).is_empty());
        assert_eq!(touched(&mut model, slice("web-1", None)), ["web"]);
    }

    #[test]
    fn this_node_s_address_touches_the_services_with_source_ranges() {
        let mut model = Model::default();
        let ranges = Box::new(["192.168.50.0/24".parse().unwrap()]);
        let balanced = Service { load_balancer_source_ranges: ranges, ..service(1) };
        let all = BTreeMap::from([(name("balanced"), balanced), (name("web"), service(2))]);
        touched(&mut model, Change::AllServices(all));
        let address = Ipv4Addr::new(192, 168, 50, 1);
        assert_eq!(touched(&mut model, Change::NodeAddress(address)), ["balanced"]);
        assert_eq!(model.node_address(), Some(address));
        assert!(touched(&mut model, Change::NodeAddress(address)).is_empty());
    }

    #[test]
    fn endpoints_without_a_route_are_left_out_as_long_as_another_one_is_ready() {
        use EndpointState::{Ready, ServingTerminating};
        let mut model = Model::default();
        let elsewhere = |endpoints: &[(u8, EndpointState)]| {
            let mut ports = ports(endpoints);
            ports[0].endpoints.iter_mut().for_each(|endpoint| endpoint.place = Place::OtherNode);
            ports
        };
        touched(&mut model, slice("web-1", Some(elsewhere(&[(1, Ready), (130, Ready), (131, ServingTerminating)]))));
        let db =
            Change::Endpoints { service: name("db"), object: "db-1".into(), ports: Some(elsewhere(&[(2, Ready)])) };
        touched(&mut model, db);
        let left = |model: &Model, service: &str| {
            let found = model.endpoints(&name(service), "http", Protocol::Tcp);
            found.iter().map(|endpoint| endpoint.ip.octets()[3]).collect::<Vec<_>>()
        };
        let unrouted = |blocks: &[&str]| Change::Unrouted(blocks.iter().map(|block| block.parse().unwrap()).collect());
        assert_eq!(touched(&mut model, unrouted(&["10.16.0.0/25", "2.2.2.2/32"])), ["db", "web"]);
        assert_eq!((left(&model, "web"), left(&model, "db")), (vec![130, 131], vec![2]), "one is better than none");
        assert_eq!(touched(&mut model, unrouted(&["10.16.0.0/25", "10.16.0.130/32"])), ["web"]);
        assert_eq!(left(&model, "web"), [1, 130, 131], "what is about to end stands for no other");
        assert_eq!(touched(&mut model, unrouted(&[])), ["db", "web"]);
        assert_eq!(left(&model, "web"), [1, 130, 131]);
        // Its node is this one, whatever range it is of.
        touched(&mut model, slice("web-2", Some(ports(&[(3, Ready)]))));
        touched(&mut model, unrouted(&["10.16.0.0/25"]));
        assert_eq!(left(&model, "web"), [3, 130, 131]);
    }

    #[test]
    fn endpoints_of_several_slices_are_one_set_and_a_ready_one_wins() {
        let mut model = Model::default();
        touched(
            &mut model,
            slice("web-1", Some(ports(&[(2, EndpointState::ServingTerminating), (1, EndpointState::Ready)]))),
        );
        touched(&mut model, slice("web-2", Some(ports(&[(2, EndpointState::Ready), (3, EndpointState::Ready)]))));
        let found = model.endpoints(&name("web"), "http", Protocol::Tcp);
        let found: Vec<_> = found.iter().map(|endpoint| (endpoint.ip.octets()[3], endpoint.state)).collect();
        assert_eq!(found, [(1, EndpointState::Ready), (2, EndpointState::Ready), (3, EndpointState::Ready)]);
        assert!(model.endpoints(&name("web"), "https", Protocol::Tcp).is_empty());
        assert!(model.endpoints(&name("web"), "http", Protocol::Udp).is_empty());
    }
}
