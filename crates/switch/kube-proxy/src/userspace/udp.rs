//! UDP: one socket for each traffic policy of a Service port, and a session with a socket of its own for each client of it.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsFd,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rustix::net::{SendFlags, send};
use tokio::{
    io::Interest,
    net::UdpSocket,
    sync::{OwnedSemaphorePermit, mpsc::UnboundedReceiver},
    task::{AbortHandle, yield_now},
    time::{Instant, sleep, timeout_at},
};
use tracing::{debug, warn};

use super::{
    balance::{Affinity, candidates},
    datagram,
    destinations::{AppliedPolicy, CurrentDestinations, ProxiedPort},
    sessions::{Session, Sessions, UdpClient},
};

/// The largest datagram that there is.
const LARGEST: usize = 64 * 1024;

/// So many datagrams in a row, and then it is another socket's turn.
const BURST: usize = 32;

/// How long a socket that fails is left alone.
const PAUSE: Duration = Duration::from_millis(100);

thread_local! {
    static BUFFER: RefCell<(Box<[u8]>, Vec<u8>)> = RefCell::new((vec![0; LARGEST].into(), datagram::control()));
}

/// What the backend wants of the sockets.
pub enum UdpCommand {
    /// Serve a port under a policy, on `socket`, made by [`datagram::bind`]. The permit is given back when it is closed.
    Open {
        port: Arc<ProxiedPort>,
        policy: AppliedPolicy,
        socket: std::net::UdpSocket,
        permit: OwnedSemaphorePermit,
    },
    /// The port has other endpoints: sessions with those that it has no more end.
    Update(Arc<ProxiedPort>),
    Close {
        port: u32,
        policy: AppliedPolicy,
    },
}

/// What all sockets share.
pub struct Udp {
    pub destinations: Arc<CurrentDestinations>,
    pub affinity: Arc<Affinity>,
    pub sessions: Sessions,
    /// A session that is silent for so long ends.
    pub idle: Duration,
}

/// A socket that clients send to.
struct UdpListener {
    port: Mutex<Arc<ProxiedPort>>,
    policy: AppliedPolicy,
    socket: UdpSocket,
    _permit: OwnedSemaphorePermit,
}

impl UdpListener {
    fn port(&self) -> Arc<ProxiedPort> {
        Arc::clone(&self.port.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Does what the backend says until the backend is gone.
pub async fn manage(mut commands: UnboundedReceiver<UdpCommand>, udp: Arc<Udp>) {
    let mut listeners: HashMap<(u32, AppliedPolicy), (Arc<UdpListener>, AbortHandle)> = HashMap::new();
    while let Some(command) = commands.recv().await {
        match command {
            UdpCommand::Open { port, policy, socket, permit } => {
                let key = (port.id, policy);
                match UdpSocket::from_std(socket) {
                    Ok(socket) => {
                        let port = Mutex::new(port);
                        let listener = Arc::new(UdpListener { port, policy, socket, _permit: permit });
                        let task = tokio::spawn(serve(Arc::clone(&listener), Arc::clone(&udp)));
                        listeners.insert(key, (listener, task.abort_handle()));
                    }
                    Err(error) => warn!(port = %port.name, %error, "cannot serve a UDP port"),
                }
            }
            UdpCommand::Update(port) => {
                for policy in AppliedPolicy::ALL {
                    if let Some((listener, _)) = listeners.get(&(port.id, policy)) {
                        *listener.port.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&port);
                        udp.sessions.end_all_but(port.id, policy, port.endpoints.get(policy));
                    }
                }
            }
            UdpCommand::Close { port, policy } => {
                if let Some((_, task)) = listeners.remove(&(port, policy)) {
                    task.abort();
                }
                udp.sessions.end_all_but(port, policy, &[]);
            }
        }
    }
}

async fn serve(listener: Arc<UdpListener>, udp: Arc<Udp>) {
    let mut failing = false;
    loop {
        match udp.take_some(&listener) {
            Ok(()) => {
                failing = false;
                yield_now().await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if listener.socket.readable().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                if !failing {
                    warn!(port = %listener.port().name, %error, "cannot receive datagrams; tried again and again");
                }
                failing = true;
                sleep(PAUSE).await;
            }
        }
    }
}

impl Udp {
    /// Passes on a burst of datagrams from clients.
    fn take_some(self: &Arc<Self>, listener: &Arc<UdpListener>) -> io::Result<()> {
        for _ in 0..BURST {
            BUFFER.with_borrow_mut(|(bytes, control)| {
                let fd = listener.socket.as_fd();
                let received = listener.socket.try_io(Interest::READABLE, || datagram::receive(fd, bytes, control))?;
                let bytes = bytes.get(..received.length).unwrap_or_default();
                self.forward(listener, received.from, received.to, bytes);
                io::Result::Ok(())
            })?;
        }
        Ok(())
    }

    /// Sends a client's datagram to its endpoint.
    fn forward(self: &Arc<Self>, listener: &Arc<UdpListener>, from: SocketAddrV4, to: Ipv4Addr, bytes: &[u8]) {
        let port = listener.port();
        let client = UdpClient { port: port.id, policy: listener.policy, from, to };
        // The first attempt may find out that an earlier datagram was refused; then the next endpoint gets this one.
        for _ in 0..2 {
            let session = match self.sessions.get(&client) {
                Some(session) => session,
                None => match self.open(&port, listener, client) {
                    Ok(session) => session,
                    Err(error) => {
                        debug!(port = %port.name, %from, %error, "a datagram is lost");
                        return;
                    }
                },
            };
            // Directly, for it is unknown to the runtime yet that a new socket can be written to.
            match send(&session.socket, bytes, SendFlags::empty()) {
                Ok(_) => return session.touch(),
                Err(rustix::io::Errno::CONNREFUSED) => self.sessions.end(&client, &session),
                Err(error) => {
                    debug!(port = %port.name, endpoint = %session.endpoint, %error, "a datagram is lost");
                    return;
                }
            }
        }
    }

    fn open(
        self: &Arc<Self>,
        port: &ProxiedPort,
        listener: &Arc<UdpListener>,
        client: UdpClient,
    ) -> io::Result<Arc<Session>> {
        let from = *client.from.ip();
        let destinations = self.destinations.now();
        let endpoint = candidates(port, listener.policy, from, &self.affinity)
            .take(port.endpoints.get(listener.policy).len() + 1)
            .find(|&endpoint| !destinations.udp_addresses.contains(&endpoint))
            .ok_or_else(|| io::Error::other("no endpoint to send it to"))?;
        let permit = self.sessions.permit()?;
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(endpoint)?;
        socket.set_nonblocking(true)?;
        let session = Arc::new(Session::new(endpoint, UdpSocket::from_std(socket)?, permit));
        let task = tokio::spawn(answer(Arc::clone(self), Arc::clone(listener), client, Arc::clone(&session)));
        self.sessions.insert(client, Arc::clone(&session), task.abort_handle());
        self.affinity.remember(port, from, endpoint);
        Ok(session)
    }
}

/// Passes an endpoint's answers on to its client until both are silent, or the endpoint refuses.
async fn answer(udp: Arc<Udp>, listener: Arc<UdpListener>, client: UdpClient, session: Arc<Session>) {
    loop {
        match timeout_at(session.used() + udp.idle, session.socket.readable()).await {
            Ok(Ok(())) => match pass_answers(&listener, client, &session) {
                Ok(()) => yield_now().await,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    debug!(endpoint = %session.endpoint, %error, "a session ends");
                    break;
                }
            },
            Ok(Err(_)) => break,
            Err(_) if session.used() + udp.idle <= Instant::now() => break,
            Err(_) => {}
        }
    }
    udp.sessions.end(&client, &session);
}

fn pass_answers(listener: &UdpListener, client: UdpClient, session: &Session) -> io::Result<()> {
    for _ in 0..BURST {
        BUFFER.with_borrow_mut(|(bytes, _)| {
            let length = session.socket.try_recv(bytes)?;
            session.touch();
            let bytes = bytes.get(..length).unwrap_or_default();
            if let Err(error) = datagram::send(listener.socket.as_fd(), bytes, client.to, client.from) {
                debug!(client = %client.from, %error, "an answer is lost");
            }
            io::Result::Ok(())
        })?;
    }
    Ok(())
}
