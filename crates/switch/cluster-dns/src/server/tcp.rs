//! By TCP: a bounded number of connections, each with a bounded time, and none that can keep others out.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
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
    let mut by_age: VecDeque<AbortHandle> = VecDeque::new();
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
        if by_age.len() >= MOST_CONNECTIONS {
            by_age.retain(|connection| !connection.is_finished());
        }
        if by_age.len() >= MOST_CONNECTIONS
            && let Some(oldest) = by_age.pop_front()
        {
            oldest.abort();
        }
        let server = server.clone();
        by_age.push_back(connections.spawn(async move {
            // What goes wrong is the client's affair.
            let _ = timeout(LONGEST_CONNECTION, converse(stream, &server)).await;
        }));
    }
}

async fn converse(mut stream: TcpStream, server: &Server) -> io::Result<()> {
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
                    None => server.resolver.resolve(&request).await,
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
