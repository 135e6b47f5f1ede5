//! What waits for the syncer: one piece for each object, whatever happened to it meanwhile. A flood of changes, or a syncer that hangs, costs no
//! more memory than the objects that changed.
//!
//! A whole list takes the place of all that waits of its kind, and later changes are worked into it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use ipnet::Ipv4Net;

use crate::model::{Change, EndpointPort, Service, ServiceName};

/// Where watches put what they bring.
#[derive(Clone, Debug)]
pub struct NewsSender {
    waiting: Arc<Mutex<Waiting>>,
    wake: SyncSender<()>,
}

/// Where the syncer takes it from.
#[derive(Debug)]
pub struct NewsQueue {
    waiting: Arc<Mutex<Waiting>>,
    woken: Receiver<()>,
}

/// What a look at the queue gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrived {
    News(News),
    Nothing,
    /// It was said, or nobody is left who could bring anything.
    End,
}

/// All that waited.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// With the time that the cause of it happened, the oldest one where there are several.
    pub changes: Vec<(Change, Option<SystemTime>)>,
    pub seen: Seen,
}

/// How many changes the watches brought, each counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub services: u32,
    pub endpoints: u32,
}

/// The other end is gone.
#[derive(Debug, thiserror::Error)]
#[error("nobody listens for news any more")]
pub struct NobodyListens;

type Objects = BTreeMap<Box<str>, Box<[EndpointPort]>>;
/// An Endpoints or EndpointSlice object, by whose it is and its own name.
type ObjectName = (ServiceName, Box<str>);
/// What it has; `None` where it is gone.
type Ports = Option<Box<[EndpointPort]>>;

#[derive(Debug, Default)]
struct Waiting {
    all_services: Option<BTreeMap<ServiceName, Service>>,
    services: BTreeMap<ServiceName, Option<Service>>,
    all_endpoints: Option<(BTreeMap<ServiceName, Objects>, Option<SystemTime>)>,
    endpoints: BTreeMap<ObjectName, (Ports, Option<SystemTime>)>,
    node_address: Option<Ipv4Addr>,
    unrouted: Option<Vec<Ipv4Net>>,
    seen: Seen,
    end: bool,
}

pub fn channel() -> (NewsSender, NewsQueue) {
    let waiting = Arc::default();
    let (wake, woken) = mpsc::sync_channel(1);
    (NewsSender { waiting: Arc::clone(&waiting), wake }, NewsQueue { waiting, woken })
}

impl NewsSender {
    /// A change, with the time that the cause of it happened, where the object says so. Never waits.
    pub fn tell(&self, change: Change, trigger: Option<SystemTime>) -> Result<(), NobodyListens> {
        lock(&self.waiting).add(change, trigger);
        self.wake()
    }

    /// End, and leave what is programmed.
    pub fn end(&self) {
        lock(&self.waiting).end = true;
        // Who does not listen has ended.
        let _ = self.wake();
    }

    fn wake(&self) -> Result<(), NobodyListens> {
        match self.wake.try_send(()) {
            // It has been told and not looked yet, so that it will see this as well.
            Ok(()) | Err(TrySendError::Full(())) => Ok(()),
            Err(TrySendError::Disconnected(())) => Err(NobodyListens),
        }
    }
}

impl NewsQueue {
    /// Waits for news, for no longer than `limit` if there is one, and takes all that there is.
    pub fn wait(&self, limit: Option<Duration>) -> Arrived {
        let until = limit.map(|limit| Instant::now() + limit);
        loop {
            let woken = match until {
                Some(until) => self.woken.recv_timeout(until.saturating_duration_since(Instant::now())),
                None => self.woken.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match woken {
                // What it was woken for may have been taken with what came before.
                Ok(()) => match lock(&self.waiting).take() {
                    Arrived::Nothing => {}
                    arrived => return arrived,
                },
                Err(RecvTimeoutError::Timeout) => return Arrived::Nothing,
                Err(RecvTimeoutError::Disconnected) => return Arrived::End,
            }
        }
    }
}

/// What panicked with it in hand has ended the process.
fn lock(waiting: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Waiting {
    fn add(&mut self, change: Change, trigger: Option<SystemTime>) {
        match change {
            Change::AllServices(all) => {
                self.seen.services = self.seen.services.saturating_add(count(all.len()));
                self.services.clear();
                self.all_services = Some(all);
            }
            Change::Service(name, service) => {
                self.seen.services = self.seen.services.saturating_add(1);
                match (&mut self.all_services, service) {
                    (None, service) => drop(self.services.insert(name, service)),
                    (Some(all), Some(service)) => drop(all.insert(name, service)),
                    (Some(all), None) => drop(all.remove(&name)),
                }
            }
            Change::AllEndpoints(all) => {
                self.seen.endpoints = self.seen.endpoints.saturating_add(count(all.len()));
                self.endpoints.clear();
                self.all_endpoints = Some((all, trigger));
            }
            Change::NodeAddress(address) => self.node_address = Some(address),
            Change::Unrouted(blocks) => self.unrouted = Some(blocks),
            Change::Endpoints { service, object, ports } => {
                self.seen.endpoints = self.seen.endpoints.saturating_add(1);
                self.add_endpoints(service, object, ports, trigger);
            }
        }
    }

    fn add_endpoints(&mut self, service: ServiceName, object: Box<str>, ports: Ports, trigger: Option<SystemTime>) {
        let Some((all, of_all)) = &mut self.all_endpoints else {
            let before = self.endpoints.remove(&(service.clone(), object.clone()));
            // What is gone says nothing of when it was asked for.
            let before = before.and_then(|(_, trigger)| trigger).filter(|_| ports.is_some());
            self.endpoints.insert((service, object), (ports, oldest(before, trigger)));
            return;
        };
        *of_all = oldest(*of_all, trigger);
        match ports {
            Some(ports) => drop(all.entry(service).or_default().insert(object, ports)),
            None => {
                let objects = all.get_mut(&service);
                let left = objects.map(|objects| {
                    objects.remove(&object);
                    objects.len()
                });
                if left == Some(0) {
                    all.remove(&service);
                }
            }
        }
    }

    fn take(&mut self) -> Arrived {
        let Self { all_services, services, all_endpoints, endpoints, node_address, unrouted, seen, end } =
            std::mem::take(self);
        if end {
            // Whoever looks once more is told so again.
            self.end = true;
            return Arrived::End;
        }
        let services = services.into_iter().map(|(name, service)| (Change::Service(name, service), None));
        let endpoints = endpoints.into_iter().map(|((service, object), (ports, trigger))| {
            let change = Change::Endpoints { service, object, ports };
            (change, trigger)
        });
        let all_services = all_services.map(|all| (Change::AllServices(all), None)).into_iter();
        let all_endpoints = all_endpoints.map(|(all, trigger)| (Change::AllEndpoints(all), trigger)).into_iter();
        let node_address = node_address.map(|address| (Change::NodeAddress(address), None)).into_iter();
        let unrouted = unrouted.map(|blocks| (Change::Unrouted(blocks), None)).into_iter();
        let objects = all_services.chain(services).chain(all_endpoints).chain(endpoints);
        let changes: Vec<_> = objects.chain(node_address).chain(unrouted).collect();
        if changes.is_empty() { Arrived::Nothing } else { Arrived::News(News { changes, seen }) }
    }
}

fn oldest(one: Option<SystemTime>, other: Option<SystemTime>) -> Option<SystemTime> {
    one.into_iter().chain(other).min()
}

fn count(changes: usize) -> u32 {
    u32::try_from(changes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(object: &str, there: bool) -> Change {
        let service = ServiceName::new("default", "web");
        Change::Endpoints { service, object: object.into(), ports: there.then(Box::default) }
    }

    fn taken(queue: &NewsQueue) -> News {
        match queue.wait(Some(Duration::ZERO)) {
            Arrived::News(news) => news,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_last_change_of_an_object_is_what_waits_with_the_oldest_cause() {
        let (sender, queue) = channel();
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        for (change, trigger) in
            [(slice("web-1", true), at(5)), (slice("web-2", true), None), (slice("web-1", true), at(9))]
        {
            sender.tell(change, trigger).unwrap();
        }
        sender.tell(slice("web-2", false), None).unwrap();
        let news = taken(&queue);
        assert_eq!(news.changes, [(slice("web-1", true), at(5)), (slice("web-2", false), None)]);
        assert_eq!(news.seen, Seen { services: 0, endpoints: 4 });
        assert_eq!(queue.wait(Some(Duration::ZERO)), Arrived::Nothing);
    }

    #[test]
    fn a_list_takes_the_place_of_what_waits_and_later_changes_are_worked_into_it() {
        let (sender, queue) = channel();
        sender.tell(slice("before", true), None).unwrap();
        let web = ServiceName::new("default", "web");
        let objects = |names: &[&str]| names.iter().map(|&name| (name.into(), Box::default())).collect();
        let all = |names: &[&str]| Change::AllEndpoints(BTreeMap::from([(web.clone(), objects(names))]));
        sender.tell(all(&["web-1", "web-2"]), None).unwrap();
        sender.tell(slice("web-3", true), None).unwrap();
        sender.tell(slice("web-1", false), None).unwrap();
        assert_eq!(taken(&queue).changes, [(all(&["web-2", "web-3"]), None)]);
        sender.tell(all(&["web-1"]), None).unwrap();
        sender.tell(slice("web-1", false), None).unwrap();
        assert_eq!(taken(&queue).changes, [(Change::AllEndpoints(BTreeMap::new()), None)]);
        sender.tell(Change::Service(web.clone(), None), None).unwrap();
        sender.tell(Change::AllServices(BTreeMap::new()), None).unwrap();
        assert_eq!(taken(&queue).changes, [(Change::AllServices(BTreeMap::new()), None)]);
    }

    #[test]
    fn both_ends_are_told_when_the_other_is_gone() {
        let (sender, queue) = channel();
        sender.tell(slice("web-1", true), None).unwrap();
        drop(sender);
        taken(&queue);
        assert_eq!(queue.wait(None), Arrived::End);
        let (sender, queue) = channel();
        drop(queue);
        assert!(sender.tell(slice("web-1", true), None).is_err());
    }
}
