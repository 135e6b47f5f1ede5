//! TCP: one listening socket for each traffic policy. Which Service a connection was for is what the kernel remembers of it from before
//! the REDIRECT.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use rustix::net::sockopt;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    balance::{Affinity, candidates},
    destinations::{AppliedPolicy, CurrentDestinations, ProxiedPort},
    relay::relay,
};

/// How long each endpoint may take to answer, one after the other; as upstream's.
const TIMEOUTS: [Duration; 4] =
    [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// As many connections may wait to be accepted as the kernel allows, up to this.
const BACKLOG: u32 = 4096;

/// How long to leave connections waiting when there is no room for another one.
const PAUSE: Duration = Duration::from_millis(100);

/// A silent peer is asked whether it is still there after this time, and then each [`KEEPALIVE_EACH`].
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EACH: Duration = Duration::from_secs(15);

/// Where a connection was going before the rules sent it here.
pub type OriginalDestination = fn(&TcpStream) -> io::Result<SocketAddrV4>;

/// As the kernel's connection tracking has it.
pub fn original_destination(client: &TcpStream) -> io::Result<SocketAddrV4> {
    Ok(sockopt::ip_original_dst(client)?)
}

/// What serving a connection needs.
pub struct Proxy {
    pub destinations: Arc<CurrentDestinations>,
    pub affinity: Arc<Affinity>,
    pub original_destination: OriginalDestination,
    /// A permit for each connection that there may be at once.
    pub room: Arc<Semaphore>,
    /// A permit for each pipe.
    pub pipes: Arc<Semaphore>,
}

/// A listening socket on `address`, which several threads may share.
pub fn listen(address: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseport(true)?;
    // Accepted sockets inherit these.
    tune(&socket)?;
    socket.bind(address.into())?;
    socket.listen(BACKLOG)
}

fn tune(socket: &TcpSocket) -> io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_EACH)?;
    Ok(())
}

/// Accepts and serves connections for ever.
pub async fn serve(listener: TcpListener, policy: AppliedPolicy, proxy: Arc<Proxy>) {
    let mut failing = false;
    // Ends only if the semaphore is closed, which nobody does.
    while let Ok(permit) = Arc::clone(&proxy.room).acquire_owned().await {
        match listener.accept().await {
            Ok((client, SocketAddr::V4(from))) => {
                failing = false;
                let proxy = Arc::clone(&proxy);
                tokio::spawn(async move {
                    handle(client, *from.ip(), policy, &proxy).await;
                    drop(permit);
                });
            }
            Ok((_, SocketAddr::V6(_))) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !failing {
                    warn!(%error, "cannot accept connections; those to Services wait");
                }
                failing = true;
                sleep(PAUSE).await;
            }
        }
    }
}

async fn handle(client: TcpStream, from: Ipv4Addr, policy: AppliedPolicy, proxy: &Proxy) {
    let Some(port) = port_asked(&client, proxy) else {
        // Someone connected straight to this port, or to a Service that went away meanwhile.
        let _ = client.set_zero_linger();
        return;
    };
    match connect(&port, policy, from, proxy).await {
        Some(endpoint) => {
            if let Err(error) = relay(client, endpoint, &proxy.pipes).await {
                debug!(port = %port.name, %from, %error, "a connection broke");
            }
        }
        None => {
            debug!(port = %port.name, %from, "no endpoint answers");
            let _ = client.set_zero_linger();
        }
    }
}

fn port_asked(client: &TcpStream, proxy: &Proxy) -> Option<Arc<ProxiedPort>> {
    let destination = (proxy.original_destination)(client).ok()?;
    proxy.destinations.now().find(destination).cloned()
}

/// A connection to the first endpoint that answers.
async fn connect(port: &ProxiedPort, policy: AppliedPolicy, from: Ipv4Addr, proxy: &Proxy) -> Option<TcpStream> {
    let destinations = proxy.destinations.now();
    for (limit, endpoint) in TIMEOUTS.into_iter().zip(candidates(port, policy, from, &proxy.affinity)) {
        if destinations.addresses.contains_key(&endpoint) {
            debug!(port = %port.name, %endpoint, "the endpoint is itself an address of a Service");
            continue;
        }
        match timeout(limit, open(endpoint)).await {
            Ok(Ok(stream)) => {
                proxy.affinity.remember(port, from, endpoint);
                return Some(stream);
            }
            Ok(Err(error)) => debug!(port = %port.name, %endpoint, %error, "cannot connect to the endpoint"),
            Err(_) => debug!(port = %port.name, %endpoint, ?limit, "the endpoint does not answer"),
        }
    }
    None
}

async fn open(endpoint: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    tune(&socket)?;
    socket.connect(endpoint.into()).await
}
