//! By UDP: what is known is answered at once and in turn, everything else by a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

use super::Server;
use crate::request::{self, Incoming, LONGEST};

/// Room for a burst of all pods together.
const RECEIVE_BUFFER: usize = 1 << 20;

/// Questions that wait for a resolver, or for a word that who asks has its share of these. More are dropped, and asked again.
const MOST_WAITING: usize = 512;

/// In a row, before others have their turn.
const IN_A_ROW: usize = 64;

pub fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // As much as the kernel lets us have.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.bind(&address.into())?;
    UdpSocket::from_std(socket.into())
}

pub async fn serve(socket: UdpSocket, server: &Server) -> io::Result<()> {
    let socket = Arc::new(socket);
    let waiting = Arc::new(Semaphore::new(MOST_WAITING));
    let mut buffer = vec![0; LONGEST + 1];
    loop {
        socket.readable().await?;
        for _ in 0..IN_A_ROW {
            match socket.try_recv_from(&mut buffer) {
                Ok((length, client)) => take(&socket, server, &waiting, &buffer[..length], client),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Of a client that has gone before it had its answer.
                Err(error) => {
                    tracing::debug!(%error, "cannot take a question");
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    break;
                }
            }
        }
        tokio::task::yield_now().await;
    }
}

fn take(socket: &Arc<UdpSocket>, server: &Server, waiting: &Arc<Semaphore>, packet: &[u8], client: SocketAddr) {
    if !server.admission.admits(client.ip()) {
        server.metrics.not_admitted();
        return;
    }
    let begun = Instant::now();
    let request = match request::read(packet) {
        Incoming::Nothing => return,
        Incoming::Refused(code, answer) => {
            server.metrics.answered("udp", None, code, begun);
            send(socket, &answer, client);
            return;
        }
        Incoming::Question(request) => request,
    };
    let kind = request.query.query_type();
    if let Some(reply) = server.resolver.at_once(&request) {
        server.metrics.answered("udp", Some(kind), reply.code, begun);
        send(socket, &reply.to_bytes(&request, request.payload()), client);
        return;
    }
    let Ok(turn) = Arc::clone(waiting).try_acquire_owned() else {
        server.metrics.dropped();
        return;
    };
    let (socket, server) = (Arc::clone(socket), server.clone());
    tokio::spawn(async move {
        let _turn = turn;
        let reply = server.resolver.resolve(&request, client.ip()).await;
        server.metrics.answered("udp", Some(kind), reply.code, begun);
        send(&socket, &reply.to_bytes(&request, request.payload()), client);
    });
}

/// Whoever does not get its answer asks again.
fn send(socket: &UdpSocket, answer: &[u8], client: SocketAddr) {
    if let Err(error) = socket.try_send_to(answer, client) {
        tracing::debug!(%error, %client, "an answer could not be sent");
    }
}
