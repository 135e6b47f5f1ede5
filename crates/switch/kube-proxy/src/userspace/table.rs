//! Where an address leads to: the Service ports as the data path knows them.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddrV4,
    sync::{Arc, PoisonError, RwLock, atomic::AtomicU32},
    time::Duration,
};

/// Which of a port's endpoints traffic may go to. Every lane has a listening port of its own, and the rules choose the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// All endpoints.
    Cluster,
    /// Those that `internalTrafficPolicy: Local` leaves.
    Internal,
    /// Those that `externalTrafficPolicy: Local` leaves.
    External,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Cluster, Self::Internal, Self::External];
}

/// One value for each lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lanes<T> {
    pub cluster: T,
    pub internal: T,
    pub external: T,
}

impl<T> Lanes<T> {
    pub fn get(&self, lane: Lane) -> &T {
        match lane {
            Lane::Cluster => &self.cluster,
            Lane::Internal => &self.internal,
            Lane::External => &self.external,
        }
    }

    pub fn get_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Cluster => &mut self.cluster,
            Lane::Internal => &mut self.internal,
            Lane::External => &mut self.external,
        }
    }
}

/// The endpoints of a lane. Lanes that have the same ones share them.
pub type Endpoints = Arc<[SocketAddrV4]>;

/// One port of a Service.
#[derive(Debug)]
pub struct Port {
    /// Stays the same for as long as the port is there, whatever happens to its endpoints.
    pub id: u32,
    /// `namespace/name:port`, for the log.
    pub name: Box<str>,
    /// How long a client stays with its endpoint.
    pub affinity: Option<Duration>,
    pub endpoints: Lanes<Endpoints>,
    /// Whose turn it is.
    pub turn: AtomicU32,
}

/// Every address that leads here. The TCP ports are found by it; each UDP port has a socket of its own.
#[derive(Debug, Default)]
pub struct Table {
    pub udp_addresses: HashSet<SocketAddrV4>,
    pub addresses: HashMap<SocketAddrV4, Arc<Port>>,
    pub node_ports: HashMap<u16, Arc<Port>>,
}

impl Table {
    /// What `destination` leads to: a Service's address before a node port.
    pub fn find(&self, destination: SocketAddrV4) -> Option<&Arc<Port>> {
        self.addresses.get(&destination).or_else(|| self.node_ports.get(&destination.port()))
    }
}

/// The table in use. A new one takes its place whole.
#[derive(Debug, Default)]
pub struct Lookup(RwLock<Arc<Table>>);

impl Lookup {
    pub fn now(&self) -> Arc<Table> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn replace(&self, table: Table) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
}
