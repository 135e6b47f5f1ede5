//! Whose turn it is: round robin among the endpoints that a policy leaves, and clients that stay with the endpoint that they had.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use lru::LruCache;

use super::destinations::{AppliedPolicy, ProxiedPort};

/// How many clients are remembered, over all Services. The one that was away for longest is forgotten first.
const CLIENTS: usize = 16_384;

/// Which endpoint each client of a port with session affinity was sent to.
pub struct Affinity(Mutex<LruCache<(u32, Ipv4Addr), (SocketAddrV4, Instant)>>);

impl Default for Affinity {
    fn default() -> Self {
        Self(Mutex::new(LruCache::unbounded()))
    }
}

impl Affinity {
    /// The endpoint that `client` had less than `timeout` ago.
    fn recall(&self, port: u32, client: Ipv4Addr, timeout: Duration) -> Option<SocketAddrV4> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let &(endpoint, last) = clients.get(&(port, client))?;
        (last.elapsed() < timeout).then_some(endpoint)
    }

    /// To be called once `client` has got `endpoint`.
    pub fn remember(&self, port: &ProxiedPort, client: Ipv4Addr, endpoint: SocketAddrV4) {
        if port.affinity.is_none() {
            return;
        }
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clients.put((port.id, client), (endpoint, Instant::now()));
        if clients.len() > CLIENTS {
            clients.pop_lru();
        }
    }
}

/// The endpoints to try for `client`, first to last; the same one may come again. Empty only where the policy leaves none.
pub fn candidates<'a>(
    port: &'a ProxiedPort,
    policy: AppliedPolicy,
    client: Ipv4Addr,
    affinity: &Affinity,
) -> impl Iterator<Item = SocketAddrV4> + use<'a> {
    let endpoints = port.endpoints.get(policy);
    let kept = port.affinity.and_then(|timeout| affinity.recall(port.id, client, timeout));
    let kept = kept.filter(|endpoint| endpoints.contains(endpoint));
    let first = match kept {
        Some(_) => port.turn.load(Ordering::Relaxed),
        None => take_turn(&port.turn),
    };
    let in_turn = endpoints.iter().copied().cycle().skip(first as usize % endpoints.len().max(1));
    kept.into_iter().chain(in_turn)
}

fn take_turn(turn: &AtomicU32) -> u32 {
    turn.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::destinations::PerPolicy, *};

    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 16, 0, 9);

    fn port(id: u32, count: u8, affinity: Option<Duration>) -> ProxiedPort {
        let all: Arc<[_]> = (0..count).map(|last| SocketAddrV4::new(Ipv4Addr::new(10, 16, 0, last), 80)).collect();
        let endpoints = PerPolicy { cluster: Arc::clone(&all), internal: all, external: Arc::from([]) };
        ProxiedPort { id, name: "default/web:http".into(), affinity, endpoints, turn: AtomicU32::new(0) }
    }

    fn first(port: &ProxiedPort, affinity: &Affinity) -> Option<SocketAddrV4> {
        candidates(port, AppliedPolicy::Cluster, CLIENT, affinity).next()
    }

    #[test]
    fn every_endpoint_gets_its_turn_and_a_failed_one_is_followed_by_the_next() {
        let (port, affinity) = (port(1, 3, None), Affinity::default());
        let firsts: Vec<u8> = (0..6).map(|_| first(&port, &affinity).unwrap().ip().octets()[3]).collect();
        assert_eq!(firsts, [0, 1, 2, 0, 1, 2]);
        let tried = candidates(&port, AppliedPolicy::Cluster, CLIENT, &affinity).take(4).map(|of| of.ip().octets()[3]);
        assert_eq!(tried.collect::<Vec<_>>(), [0, 1, 2, 0]);
    }

    #[test]
    fn a_lane_without_endpoints_has_no_candidates() {
        let (port, affinity) = (port(1, 3, None), Affinity::default());
        assert_eq!(candidates(&port, AppliedPolicy::External, CLIENT, &affinity).next(), None);
    }

    #[test]
    fn a_client_stays_with_its_endpoint_until_the_timeout_or_until_the_endpoint_is_gone() {
        let affinity = Affinity::default();
        let long = port(1, 3, Some(Duration::from_secs(600)));
        let had = first(&long, &affinity).unwrap();
        affinity.remember(&long, CLIENT, had);
        assert!((0..5).all(|_| first(&long, &affinity) == Some(had)));
        assert_ne!(first(&port(2, 3, Some(Duration::ZERO)), &affinity), None);

        let short = ProxiedPort { affinity: Some(Duration::ZERO), ..port(1, 3, None) };
        short.turn.store(1, Ordering::Relaxed);
        assert_ne!(first(&short, &affinity), Some(had), "the time is over");

        let mut without = port(1, 3, Some(Duration::from_secs(600)));
        without.endpoints.cluster = without.endpoints.cluster.iter().copied().filter(|&of| of != had).collect();
        assert!(first(&without, &affinity).is_some_and(|endpoint| endpoint != had), "it is gone");
    }

    #[test]
    fn no_more_clients_are_remembered_than_there_is_room_for() {
        let affinity = Affinity::default();
        let port = port(1, 1, Some(Duration::from_secs(600)));
        for number in 0..CLIENTS as u32 + 10 {
            affinity.remember(&port, Ipv4Addr::from_bits(number), SocketAddrV4::new(CLIENT, 80));
        }
        assert_eq!(affinity.0.lock().unwrap().len(), CLIENTS);
    }
}
