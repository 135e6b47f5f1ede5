//! The UDP sessions that there are: which client talks to which endpoint, the one used last at the front.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use lru::LruCache;
use tokio::{
    net::UdpSocket,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::Instant,
};

use super::destinations::AppliedPolicy;

/// So many sockets of sessions that have ended may wait for their tasks to be taken down.
const ENDING: usize = 32;

/// A client of one socket, and the local address that it asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UdpClient {
    pub port: u32,
    pub policy: AppliedPolicy,
    pub from: SocketAddrV4,
    pub to: Ipv4Addr,
}

pub struct Session {
    pub endpoint: SocketAddrV4,
    /// Connected to the endpoint.
    pub socket: UdpSocket,
    used: Mutex<Instant>,
    _permit: OwnedSemaphorePermit,
}

impl Session {
    pub fn new(endpoint: SocketAddrV4, socket: UdpSocket, permit: OwnedSemaphorePermit) -> Self {
        Self { endpoint, socket, used: Mutex::new(Instant::now()), _permit: permit }
    }

    pub fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    pub fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session and the task that passes its answers on, which ends with it.
struct Running {
    session: Arc<Session>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub struct Sessions {
    running: Mutex<LruCache<UdpClient, Running>>,
    most: usize,
    /// A permit for each socket that is open.
    room: Arc<Semaphore>,
}

impl Sessions {
    /// No more than `most` at once.
    pub fn new(most: usize) -> Self {
        let room = Arc::new(Semaphore::new(most + ENDING));
        Self { running: Mutex::new(LruCache::unbounded()), most, room }
    }

    /// Leave to open the socket of a new session. There is none in a flood of new clients, before the sockets of those who gave way to them are
    /// closed.
    pub fn permit(&self) -> io::Result<OwnedSemaphorePermit> {
        let permit = Arc::clone(&self.room).try_acquire_owned();
        permit.map_err(|_| io::Error::other("too many clients are new at this moment"))
    }

    pub fn get(&self, client: &UdpClient) -> Option<Arc<Session>> {
        self.lock().get(client).map(|running| Arc::clone(&running.session))
    }

    /// Makes room first if there is none: the session that was silent for longest ends.
    pub fn insert(&self, client: UdpClient, session: Arc<Session>, task: AbortHandle) {
        let mut running = self.lock();
        if running.len() >= self.most {
            running.pop_lru();
        }
        running.put(client, Running { session, task });
    }

    /// Ends `session`, unless another one has taken its place.
    pub fn end(&self, client: &UdpClient, session: &Arc<Session>) {
        let mut running = self.lock();
        if running.peek(client).is_some_and(|running| Arc::ptr_eq(&running.session, session)) {
            running.pop(client);
        }
    }

    /// Ends all those of a port under a policy whose endpoint is not among `endpoints`.
    pub fn end_all_but(&self, port: u32, policy: AppliedPolicy, endpoints: &[SocketAddrV4]) {
        let mut running = self.lock();
        let ended: Vec<UdpClient> = running
            .iter()
            .filter(|(client, running)| {
                (client.port, client.policy) == (port, policy) && !endpoints.contains(&running.session.endpoint)
            })
            .map(|(client, _)| *client)
            .collect();
        for client in ended {
            running.pop(&client);
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<UdpClient, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_that_are_not_closed_yet_count() {
        let sessions = Sessions::new(4);
        let mut open: Vec<_> = (0..4 + ENDING).map(|_| sessions.permit().unwrap()).collect();
        assert!(sessions.permit().is_err());
        open.pop();
        assert!(sessions.permit().is_ok());
    }
}
