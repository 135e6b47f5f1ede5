//! UDP: one socket for a lane of a Service port, and a session with a socket of its own for each client of it.

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
    sync::mpsc::UnboundedReceiver,
    task::{AbortHandle, yield_now},
    time::{Instant, sleep, timeout_at},
};
use tracing::{debug, warn};

use super::{
    balance::{Affinity, candidates},
    datagram,
    sessions::{Client, Session, Sessions},
    table::{Lane, Lookup, Port},
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
pub enum Command {
    /// Serve a port's lane on `socket`, made by [`datagram::bind`].
    Open {
        port: Arc<Port>,
        lane: Lane,
        socket: std::net::UdpSocket,
    },
    /// The port has other endpoints: sessions with those that it has no more end.
    Update(Arc<Port>),
    Close {
        port: u32,
        lane: Lane,
    },
}

/// What all sockets share.
pub struct Udp {
    pub lookup: Arc<Lookup>,
    pub affinity: Arc<Affinity>,
    pub sessions: Sessions,
    /// A session that is silent for so long ends.
    pub idle: Duration,
}

/// A socket that clients send to.
struct Gate {
    port: Mutex<Arc<Port>>,
    lane: Lane,
    socket: UdpSocket,
}

impl Gate {
    fn port(&self) -> Arc<Port> {
        Arc::clone(&self.port.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Does what the backend says until the backend is gone.
pub async fn manage(mut commands: UnboundedReceiver<Command>, udp: Arc<Udp>) {
    let mut gates: HashMap<(u32, Lane), (Arc<Gate>, AbortHandle)> = HashMap::new();
    while let Some(command) = commands.recv().await {
        match command {
            Command::Open { port, lane, socket } => {
                let key = (port.id, lane);
                match UdpSocket::from_std(socket) {
                    Ok(socket) => {
                        let gate = Arc::new(Gate { port: Mutex::new(port), lane, socket });
                        let task = tokio::spawn(serve(Arc::clone(&gate), Arc::clone(&udp)));
                        gates.insert(key, (gate, task.abort_handle()));
                    }
                    Err(error) => warn!(port = %port.name, %error, "cannot serve a UDP port"),
                }
            }
            Command::Update(port) => {
                for lane in Lane::ALL {
                    if let Some((gate, _)) = gates.get(&(port.id, lane)) {
                        *gate.port.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&port);
                        udp.sessions.end_all_but(port.id, lane, port.endpoints.get(lane));
                    }
                }
            }
            Command::Close { port, lane } => {
                if let Some((_, task)) = gates.remove(&(port, lane)) {
                    task.abort();
                }
                udp.sessions.end_all_but(port, lane, &[]);
            }
        }
    }
}

async fn serve(gate: Arc<Gate>, udp: Arc<Udp>) {
    let mut failing = false;
    loop {
        match udp.take_some(&gate) {
            Ok(()) => {
                failing = false;
                yield_now().await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if gate.socket.readable().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                if !failing {
                    warn!(port = %gate.port().name, %error, "cannot receive datagrams; tried again and again");
                }
                failing = true;
                sleep(PAUSE).await;
            }
        }
    }
}

impl Udp {
    /// Passes on a burst of datagrams from clients.
    fn take_some(self: &Arc<Self>, gate: &Arc<Gate>) -> io::Result<()> {
        for _ in 0..BURST {
            BUFFER.with_borrow_mut(|(bytes, control)| {
                let fd = gate.socket.as_fd();
                let received = gate.socket.try_io(Interest::READABLE, || datagram::receive(fd, bytes, control))?;
                let bytes = bytes.get(..received.length).unwrap_or_default();
                self.forward(gate, received.from, received.to, bytes);
                io::Result::Ok(())
            })?;
        }
        Ok(())
    }

    /// Sends a client's datagram to its endpoint.
    fn forward(self: &Arc<Self>, gate: &Arc<Gate>, from: SocketAddrV4, to: Ipv4Addr, bytes: &[u8]) {
        let port = gate.port();
        let client = Client { port: port.id, lane: gate.lane, from, to };
        // The first attempt may find out that an earlier datagram was refused; then the next endpoint gets this one.
        for _ in 0..2 {
            let session = match self.sessions.get(&client) {
                Some(session) => session,
                None => match self.open(&port, gate, client) {
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

    fn open(self: &Arc<Self>, port: &Port, gate: &Arc<Gate>, client: Client) -> io::Result<Arc<Session>> {
        let from = *client.from.ip();
        let table = self.lookup.now();
        let endpoint = candidates(port, gate.lane, from, &self.affinity)
            .take(port.endpoints.get(gate.lane).len() + 1)
            .find(|&endpoint| !table.udp_addresses.contains(&endpoint))
            .ok_or_else(|| io::Error::other("no endpoint to send it to"))?;
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect(endpoint)?;
        socket.set_nonblocking(true)?;
        let session = Arc::new(Session::new(endpoint, UdpSocket::from_std(socket)?));
        let task = tokio::spawn(answer(Arc::clone(self), Arc::clone(gate), client, Arc::clone(&session)));
        self.sessions.insert(client, Arc::clone(&session), task.abort_handle());
        self.affinity.remember(port, from, endpoint);
        Ok(session)
    }
}

/// Passes an endpoint's answers on to its client until both are silent, or the endpoint refuses.
async fn answer(udp: Arc<Udp>, gate: Arc<Gate>, client: Client, session: Arc<Session>) {
    loop {
        match timeout_at(session.used() + udp.idle, session.socket.readable()).await {
            Ok(Ok(())) => match pass_answers(&gate, client, &session) {
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

fn pass_answers(gate: &Gate, client: Client, session: &Session) -> io::Result<()> {
    for _ in 0..BURST {
        BUFFER.with_borrow_mut(|(bytes, _)| {
            let length = session.socket.try_recv(bytes)?;
            session.touch();
            let bytes = bytes.get(..length).unwrap_or_default();
            if let Err(error) = datagram::send(gate.socket.as_fd(), bytes, client.to, client.from) {
                debug!(client = %client.from, %error, "an answer is lost");
            }
            io::Result::Ok(())
        })?;
    }
    Ok(())
}
