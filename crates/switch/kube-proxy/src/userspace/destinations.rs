//! Where an address leads to: the Service ports as the data path knows them.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddrV4,
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU32},
    time::Duration,
};

/// What the Service's `TrafficPolicy` comes to for a kind of traffic: which of a port's endpoints it may go to. Each has a listening
/// port of its own, and the rules choose among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AppliedPolicy {
    /// All endpoints.
    Cluster,
    /// Those that `internalTrafficPolicy: Local` leaves.
    Internal,
    /// Those that `externalTrafficPolicy: Local` leaves.
    External,
}

impl AppliedPolicy {
    pub const ALL: [Self; 3] = [Self::Cluster, Self::Internal, Self::External];
}

/// One value for each policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerPolicy<T> {
    pub cluster: T,
    pub internal: T,
    pub external: T,
}

impl<T> PerPolicy<T> {
    pub fn get(&self, policy: AppliedPolicy) -> &T {
        match policy {
            AppliedPolicy::Cluster => &self.cluster,
            AppliedPolicy::Internal => &self.internal,
            AppliedPolicy::External => &self.external,
        }
    }

    pub fn get_mut(&mut self, policy: AppliedPolicy) -> &mut T {
        match policy {
            AppliedPolicy::Cluster => &mut self.cluster,
            AppliedPolicy::Internal => &mut self.internal,
            AppliedPolicy::External => &mut self.external,
        }
    }
}

/// The endpoints under a policy. Policies that have the same ones share them.
pub type Endpoints = Arc<[SocketAddrV4]>;

/// One port of a Service.
#[derive(Debug)]
pub struct ProxiedPort {
    /// Stays the same for as long as the port is there, whatever happens to its endpoints.
    pub id: u32,
    /// `namespace/name:port`, for the log.
    pub name: Box<str>,
    /// How long a client stays with its endpoint.
    pub affinity: Option<Duration>,
    pub endpoints: PerPolicy<Endpoints>,
    /// Whose turn it is.
    pub turn: AtomicU32,
}

/// Every address that leads here. The TCP ports are found by it; each UDP port has a socket of its own.
#[derive(Debug, Default)]
pub struct Destinations {
    pub udp_addresses: HashSet<SocketAddrV4>,
    pub addresses: HashMap<SocketAddrV4, Arc<ProxiedPort>>,
    pub node_ports: HashMap<u16, Arc<ProxiedPort>>,
}

impl Destinations {
    /// What `destination` leads to: a Service's address before a node port.
    pub fn find(&self, destination: SocketAddrV4) -> Option<&Arc<ProxiedPort>> {
        self.addresses.get(&destination).or_else(|| self.node_ports.get(&destination.port()))
    }
}

/// The destinations in use. New ones take their place whole.
#[derive(Debug, Default)]
pub struct CurrentDestinations(RwLock<Arc<Destinations>>);

impl CurrentDestinations {
    pub fn now(&self) -> Arc<Destinations> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, destinations: Destinations) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(destinations);
    }
}
