//! What the suite wants of the kube-proxy while everything around it goes wrong: Services whose endpoints come and go.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
};

use fastrand::Rng;

use super::echo;
use crate::{
    addresses::{PODS, REMOTE_PODS},
    objects::{Object, ObjectChange, Target, Transport, endpoints, service},
};

/// The Service that connections stay open to.
pub const STEADY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 10, 8, 1), echo::PORT);

/// Its endpoints that are always there.
pub const UNTOUCHED: [Ipv4Addr; 3] = [PODS[0], PODS[1], REMOTE_PODS[0]];

/// And the one that comes and goes.
pub const FLAPPING: Ipv4Addr = PODS[2];

const STEADY_NAME: &str = "steady";

/// How many Services change at random.
const SERVICES: u8 = 24;

/// What their endpoints are chosen from.
const POOL: [Ipv4Addr; 6] = [PODS[0], PODS[1], PODS[2], PODS[3], REMOTE_PODS[0], REMOTE_PODS[1]];

/// The endpoints of each Service that there is, by its number.
pub struct LiveServices {
    random: Rng,
    services: BTreeMap<u8, Vec<Ipv4Addr>>,
}

impl LiveServices {
    pub fn new(random: Rng) -> LiveServices {
        LiveServices { random, services: BTreeMap::new() }
    }

    /// Every object there is at the beginning.
    pub fn first(&mut self) -> Vec<ObjectChange> {
        let steady = service(STEADY_NAME, *STEADY.ip()).port("echo", Transport::Tcp, echo::PORT).build();
        let mut changes = vec![ObjectChange::Put(steady), ObjectChange::Put(steady_endpoints(true))];
        for number in 0..SERVICES {
            changes.extend(self.put(number));
        }
        changes
    }

    /// A Service comes, goes, or gets other endpoints.
    pub fn change(&mut self) -> Vec<ObjectChange> {
        let number = self.random.u8(..SERVICES);
        if self.services.contains_key(&number) && self.random.u8(..4) == 0 {
            self.services.remove(&number);
            // With the Service, the API server deletes its Endpoints.
            return vec![ObjectChange::Delete(behind(number, &[])), ObjectChange::Delete(object(number))];
        }
        self.put(number)
    }

    fn put(&mut self, number: u8) -> Vec<ObjectChange> {
        let count = self.random.usize(..=POOL.len());
        let chosen = self.random.choose_multiple(POOL, count);
        let changes = vec![ObjectChange::Put(object(number)), ObjectChange::Put(behind(number, &chosen))];
        self.services.insert(number, chosen);
        changes
    }

    /// What has to answer at each cluster address; nobody where the list is empty.
    pub fn answers(&self) -> impl Iterator<Item = (Target, &[Ipv4Addr])> {
        self.services
            .iter()
            .map(|(number, behind)| (Target::new(Transport::Tcp, address(*number), 80), behind.as_slice()))
    }
}

/// The endpoints of the Service that connections stay open to, with the one that comes and goes or without.
pub fn steady_endpoints(with_flapping: bool) -> Object {
    let flapping = with_flapping.then_some(FLAPPING);
    let all: Vec<Ipv4Addr> = UNTOUCHED.into_iter().chain(flapping).collect();
    endpoints(STEADY_NAME).subset(&all, &[], &[("echo", Transport::Tcp, echo::PORT)]).build()
}

fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 10, 7, number + 1)
}

fn name(number: u8) -> String {
    format!("chaos-{number}")
}

/// Services of every kind, by turns.
fn object(number: u8) -> Object {
    let one = service(&name(number), address(number)).port("web", Transport::Tcp, 80);
    let node_port = 31000 + u16::from(number);
    match number % 4 {
        0 => one,
        1 => one.node_port(node_port),
        2 => one.affinity(60),
        _ => one.node_port(node_port).external_local(None),
    }
    .build()
}

fn behind(number: u8, addresses: &[Ipv4Addr]) -> Object {
    let some = endpoints(&name(number));
    if addresses.is_empty() {
        some.build()
    } else {
        some.subset(addresses, &[], &[("web", Transport::Tcp, 8080)]).build()
    }
}
