//! The master's server: who is let in, how many at once, and how it ends. What is said then is in [`crate::exchange`].

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, Scope},
    time::{Duration, Instant},
};

use rustls::ServerConfig;

use crate::{
    channel::{self, ServerConfigError},
    event::Event,
    exchange::{Exchange, Signer},
    message::LONGEST,
    rate_limit::{RateLimit, Verdict},
    token::Token,
};

/// How long to wait when the kernel has no connection to give, in the hope that it has one then.
const PAUSE: Duration = Duration::from_secs(1);

/// What a stranger can take from the master at most.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Bytes in one message.
    pub message: usize,
    /// For a whole exchange, from the first byte to the last.
    pub exchange: Duration,
    /// Connections at once; another one is closed.
    pub connections: usize,
    /// Of one address; a connection more is closed.
    pub attempts_a_minute: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits { message: LONGEST, exchange: Duration::from_secs(10), connections: 8, attempts_a_minute: 10 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot listen for workers on TCP {address}: {error}; see with `ss -tlnp` whether something else does")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("cannot prepare TLS for workers: {0}; this is a fault of the program")]
    Tls(#[from] ServerConfigError),
}

pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    tls: Arc<ServerConfig>,
    token: Token,
    signer: Arc<dyn Signer>,
    limits: ServerLimits,
    events: Box<dyn Fn(Event) + Send + Sync>,
    connections: AtomicUsize,
}

/// Ends a server from another thread.
pub struct Stop {
    listener: TcpStream,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// `events` is called from several threads.
    pub fn bind(
        address: SocketAddr,
        token: Token,
        signer: Arc<dyn Signer>,
        limits: ServerLimits,
        events: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Server, ServerError> {
        let tls = channel::server_config()?;
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
            connections: AtomicUsize::new(0),
        })
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
        let mut rate_limit = RateLimit::new(self.limits.attempts_a_minute);
        thread::scope(|scope| {
            loop {
                let accepted = self.listener.accept();
                if self.stopped.load(Ordering::Acquire) {
                    return;
                }
                match accepted {
                    Ok((socket, peer)) => self.receive(scope, &mut rate_limit, socket, peer),
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
        rate_limit: &mut RateLimit,
        socket: TcpStream,
        peer: SocketAddr,
    ) {
        let now = Instant::now();
        match rate_limit.count(peer.ip(), now) {
            Verdict::Listen => {}
            Verdict::FirstTooMany => return (self.events)(Event::TooManyAttempts { address: peer.ip() }),
            Verdict::TooMany => return,
        }
        let Some(place) = Place::take(&self.connections, self.limits.connections) else {
            return (self.events)(Event::Busy { peer });
        };
        let serve = move || {
            self.serve(socket, peer, now + self.limits.exchange);
            drop(place);
        };
        if let Err(error) = thread::Builder::new().name("enrolment".to_owned()).spawn_scoped(scope, serve) {
            (self.events)(Event::NotTaken { error: error.to_string() });
        }
    }

    fn serve(&self, socket: TcpStream, peer: SocketAddr, deadline: Instant) {
        let exchange =
            Exchange { tls: &self.tls, token: &self.token, signer: self.signer.as_ref(), longest: self.limits.message };
        let outcome = exchange.execute(socket, peer, deadline);
        (self.events)(outcome.unwrap_or_else(|error| Event::Broken { peer, error: error.to_string() }));
    }
}

impl Stop {
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        // Linux wakes a thread out of accept() when the socket is shut down. The only error is that it already is.
        let _ = self.listener.shutdown(Shutdown::Both);
    }
}

/// One of the connections that may be open at once.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    /// Only the accepting thread takes places, so none is taken between the look and the count.
    fn take(taken: &'a AtomicUsize, all: usize) -> Option<Place<'a>> {
        if taken.load(Ordering::Acquire) >= all {
            return None;
        }
        taken.fetch_add(1, Ordering::AcqRel);
        Some(Place(taken))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}
