//! By TCP: a bounded number of connections, each with a bounded time, and none that can keep others out.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_proto::op::ResponseCode;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use super::Server;
use crate::request::{self, Incoming, LONGEST};

/// More at a time, and the oldest is closed.
const MOST_CONNECTIONS: usize = 256;

/// More from one address, and the oldest of these is closed.
const MOST_OF_ONE: usize = MOST_CONNECTIONS / 4;

const BACKLOG: i32 = 128;

/// From one question to the next, and for each to arrive whole.
const IDLE: Duration = Duration::from_secs(10);

/// A connection that goes on for longer is closed, and made anew.
const LONGEST_CONNECTION: Duration = Duration::from_secs(120);

pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

pub async fn serve(listener: TcpListener, server: &Server) -> io::Result<()> {
    let mut connections = JoinSet::new();
    let mut by_age: VecDeque<(IpAddr, AbortHandle)> = VecDeque::new();
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        if !server.admission.admits(client.ip()) {
            server.metrics.not_admitted();
            continue;
        }
        by_age.retain(|(_, connection)| !connection.is_finished());
        let of_one = by_age.iter().filter(|(source, _)| *source == client.ip()).count();
        let oldest = match (of_one >= MOST_OF_ONE, by_age.len() >= MOST_CONNECTIONS) {
            (true, _) => by_age.iter().position(|(source, _)| *source == client.ip()),
            (false, true) => Some(0),
            (false, false) => None,
        };
        if let Some((_, oldest)) = oldest.and_then(|oldest| by_age.remove(oldest)) {
            oldest.abort();
        }
        let server = server.clone();
        let conversation = connections.spawn(async move {
            // What goes wrong is the client's affair.
            let _ = timeout(LONGEST_CONNECTION, converse(stream, client.ip(), &server)).await;
        });
        by_age.push_back((client.ip(), conversation));
    }
}

async fn converse(mut stream: TcpStream, client: IpAddr, server: &Server) -> io::Result<()> {
    loop {
        let length = usize::from(timeout(IDLE, stream.read_u16()).await??);
        if length > LONGEST {
            server.metrics.answered("tcp", None, ResponseCode::FormErr, Instant::now());
            return Ok(());
        }
        let mut packet = vec![0; length];
        timeout(IDLE, stream.read_exact(&mut packet)).await??;
        let begun = Instant::now();
        let answer = match request::read(&packet) {
            Incoming::Nothing => return Ok(()),
            Incoming::Refused(code, answer) => {
                server.metrics.answered("tcp", None, code, begun);
                answer
            }
            Incoming::Question(request) => {
                let reply = match server.resolver.at_once(&request) {
                    Some(reply) => reply,
                    None => server.resolver.resolve(&request, client).await,
                };
                server.metrics.answered("tcp", Some(request.query.query_type()), reply.code, begun);
                reply.to_bytes(&request, u16::MAX)
            }
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let whole = [&length.to_be_bytes(), answer.as_slice()].concat();
        timeout(IDLE, stream.write_all(&whole)).await??;
    }
}
