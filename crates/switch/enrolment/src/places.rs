//! The connections that may be open at once, and who has to go where there are too many: the one that is open longest of those
//! that have proven nothing. So whoever is idle on many connections, from however many addresses, keeps nobody out.
//!
//! A node of the cluster has places of its own beside those that all others share.

use std::{
    collections::HashSet,
    io,
    net::{IpAddr, Shutdown, SocketAddr, TcpStream},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::server::ServerLimits;

/// Whose places are kept.
#[derive(Debug, Default)]
pub struct Kept {
    peers: HashSet<IpAddr>,
    /// Where those come to, so that what comes to another address of the master in a node's name, as that node's pods do, is none.
    at: Option<IpAddr>,
}

impl Kept {
    pub fn new(peers: impl IntoIterator<Item = IpAddr>, at: IpAddr) -> Kept {
        Kept { peers: peers.into_iter().collect(), at: Some(at) }
    }

    pub fn is_for(&self, peer: IpAddr, socket: &TcpStream) -> bool {
        let local = socket.local_addr().map(|local| local.ip().to_canonical()).ok();
        self.peers.contains(&peer.to_canonical()) && self.at.is_some() && self.at == local
    }
}

pub struct Places {
    limits: ServerLimits,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    next: u64,
    /// In the order in which they came.
    open: Vec<Open>,
}

struct Open {
    number: u64,
    address: IpAddr,
    is_kept: bool,
    has_proven: bool,
    /// To end it with.
    socket: TcpStream,
}

/// One of the connections that are open.
pub struct Place<'a> {
    places: &'a Places,
    number: u64,
    began: Instant,
}

impl Places {
    pub fn new(limits: ServerLimits) -> Places {
        Places { limits, taken: Mutex::default() }
    }

    /// None where all that are in the way have proven who they are: they are soon done.
    pub fn take(&self, socket: &TcpStream, peer: SocketAddr, is_kept: bool) -> io::Result<Option<Place<'_>>> {
        let address = peer.ip().to_canonical();
        let socket = socket.try_clone()?;
        let mut taken = self.taken();
        let of_address = |open: &Open| open.address == address && open.is_kept == is_kept;
        if !taken.make_room(self.limits.of_one_address, of_address)
            || !is_kept && !taken.make_room(self.limits.connections, |open| !open.is_kept)
        {
            return Ok(None);
        }
        let number = taken.next;
        taken.next += 1;
        taken.open.push(Open { number, address, is_kept, has_proven: false, socket });
        Ok(Some(Place { places: self, number, began: Instant::now() }))
    }

    /// A thread that panicked has left it whole: nothing in here is done by halves.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Sees to it that fewer than `most` of these are open.
    fn make_room(&mut self, most: usize, of: impl Fn(&Open) -> bool) -> bool {
        if self.open.iter().filter(|open| of(open)).count() < most {
            return true;
        }
        let Some(oldest) = self.open.iter().position(|open| of(open) && !open.has_proven) else { return false };
        // The only error is that the other side has closed it already.
        let _ = self.open.remove(oldest).socket.shutdown(Shutdown::Both);
        true
    }
}

impl Place<'_> {
    /// Until when the other side has to have proven that it knows the token, or has a key that is known.
    pub fn before_proof(&self) -> Instant {
        self.began + self.places.limits.before_proof
    }

    /// From here on nobody takes the place away. Until when the exchange has to be over.
    pub fn has_proven(&self) -> Instant {
        if let Some(open) = self.places.taken().open.iter_mut().find(|open| open.number == self.number) {
            open.has_proven = true;
        }
        self.began + self.places.limits.exchange
    }

    /// Whether it had to go for somebody else.
    pub fn was_taken_away(&self) -> bool {
        self.places.taken().open.iter().all(|open| open.number != self.number)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.places.taken().open.retain(|open| open.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn who_has_proven_that_it_knows_the_token_is_sent_away_for_nobody() {
        let places = Places::new(ServerLimits { of_one_address: 2, ..ServerLimits::default() });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sockets: Vec<TcpStream> =
            (0..4).map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap()).collect();
        let take = |number: usize| {
            let peer = sockets[number].local_addr().unwrap();
            places.take(&sockets[number], peer, false).unwrap()
        };
        let (proven, idle) = (take(0).unwrap(), take(1).unwrap());
        proven.has_proven();
        let newer = take(2).unwrap();
        assert!(idle.was_taken_away() && !proven.was_taken_away());
        newer.has_proven();
        assert!(take(3).is_none());
        drop(proven);
        assert!(take(3).is_some());
    }
}
