//! The master's server: who is let in, how many at once, and how it ends. What is said then is in [`crate::exchange`].

use std::{
    io,
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

use crate::{
    event::Event,
    exchange::{Exchange, Signer},
    message::LONGEST,
    places::{Kept, Place, Places},
    rate_limit::{RateLimit, Verdict},
    tls::{ServerTls, ServerTlsError},
    token::Token,
};

/// How long to wait when the kernel has no connection to give, in the hope that it has one then.
const PAUSE: Duration = Duration::from_secs(1);

/// What a stranger can take from the master at most.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Bytes in one message.
    pub message: usize,
    /// Until the other side has proven that it knows the token, or has a key that is known.
    pub before_proof: Duration,
    /// For a whole exchange, from the first byte to the last.
    pub exchange: Duration,
    /// Connections at once of all whom no places are kept for.
    pub connections: usize,
    /// Connections at once of one address, whether places are kept for it or not.
    pub of_one_address: usize,
    /// Of one address; a connection more is closed.
    pub attempts_a_minute: u32,
    /// Of one address that places are kept for.
    pub attempts_a_minute_of_nodes: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            message: LONGEST,
            before_proof: Duration::from_secs(5),
            exchange: Duration::from_secs(10),
            connections: 8,
            of_one_address: 2,
            attempts_a_minute: 10,
            attempts_a_minute_of_nodes: 120,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen for workers on TCP {address}: {error}; see with `ss -tlnp` whether something else does")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("cannot prepare TLS for workers: {0}; this is a fault of the program")]
    Tls(#[from] ServerTlsError),
}

pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    tls: ServerTls,
    token: Option<Token>,
    signer: Arc<dyn Signer>,
    limits: ServerLimits,
    events: Box<dyn Fn(Event) + Send + Sync>,
    kept: Kept,
    places: Places,
}

/// Ends a server from another thread.
pub struct Stop {
    listener: TcpStream,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// Without a token nobody new can join. `events` is called from several threads.
    pub fn bind(
        address: SocketAddr,
        token: Option<Token>,
        signer: Arc<dyn Signer>,
        limits: ServerLimits,
        events: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Server, ServerError> {
        let tls = ServerTls::new()?;
        let refused = |error| ServerError::Listen { address, error };
        let listener = TcpListener::bind(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Server {
            listener,
            address,
            stopped: Arc::default(),
            tls,
            token,
            signer,
            limits,
            events: Box::new(events),
            kept: Kept::default(),
            places: Places::new(limits),
        })
    }

    /// Keeps places for these, where they come to this address of the master: whatever strangers do, they are heard.
    pub fn keep_places_for(mut self, peers: impl IntoIterator<Item = IpAddr>, at: IpAddr) -> Server {
        self.kept = Kept::new(peers, at);
        self
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn stop_handle(&self) -> io::Result<Stop> {
        let listener = TcpStream::from(OwnedFd::from(self.listener.try_clone()?));
        Ok(Stop { listener, stopped: self.stopped.clone() })
    }

    /// Serves until it is stopped; exchanges that have begun then come to their end, which their time limit bounds.
    pub fn run(&self) {
        let mut rate_limits = RateLimits {
            strangers: RateLimit::new(self.limits.attempts_a_minute),
            nodes: RateLimit::new(self.limits.attempts_a_minute_of_nodes),
        };
        thread::scope(|scope| {
            loop {
                let accepted = self.listener.accept();
                if self.stopped.load(Ordering::Acquire) {
                    return;
                }
                match accepted {
                    Ok((socket, peer)) => self.receive(scope, &mut rate_limits, socket, peer),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        (self.events)(Event::NotTaken { error: error.to_string() });
                        thread::sleep(PAUSE);
                    }
                }
            }
        });
    }

    fn receive<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        rate_limits: &mut RateLimits,
        socket: TcpStream,
        peer: SocketAddr,
    ) {
        let is_kept = self.kept.is_for(peer.ip(), &socket);
        let rate_limit = if is_kept { &mut rate_limits.nodes } else { &mut rate_limits.strangers };
        match rate_limit.count(peer.ip(), Instant::now()) {
            Verdict::Listen => {}
            Verdict::FirstTooMany => return (self.events)(Event::TooManyAttempts { address: peer.ip() }),
            Verdict::TooMany => return,
        }
        let place = match self.places.take(&socket, peer, is_kept) {
            Ok(Some(place)) => place,
            Ok(None) => return (self.events)(Event::Busy { peer }),
            Err(error) => return (self.events)(Event::NotTaken { error: error.to_string() }),
        };
        let serve = move || self.serve(socket, peer, &place);
        if let Err(error) = thread::Builder::new().name("enrolment".to_owned()).spawn_scoped(scope, serve) {
            (self.events)(Event::NotTaken { error: error.to_string() });
        }
    }

    fn serve(&self, socket: TcpStream, peer: SocketAddr, place: &Place<'_>) {
        let exchange = Exchange {
            tls: &self.tls,
            token: self.token.as_ref(),
            signer: self.signer.as_ref(),
            longest: self.limits.message,
        };
        let outcome = exchange.execute(socket, peer, place);
        (self.events)(outcome.unwrap_or_else(|error| match place.was_taken_away() {
            true => Event::Busy { peer },
            false => Event::Broken { peer, error: error.to_string() },
        }));
    }
}

impl Stop {
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // Linux wakes a thread out of accept() when the socket is shut down. The only error is that it already is.
        let _ = self.listener.shutdown(Shutdown::Both);
    }
}

/// Separate, so that what others send in a node's name to another address of the master counts for no node.
struct RateLimits {
    strangers: RateLimit,
    nodes: RateLimit,
}
