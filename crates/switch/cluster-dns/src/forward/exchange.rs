//! One question to one server: by UDP from a port of its own, and by TCP where the answer is too long. What does not fit the question is
//! no answer to it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::Question;
use crate::metrics::Metrics;
use crate::request;

/// What we take by UDP: what comes through anywhere in one piece.
const PAYLOAD: u16 = 1232;

/// A server that sends more than it was told.
const BUFFER: usize = 4096;

/// Asks until an answer comes; whoever calls gives up.
pub async fn ask(server: SocketAddr, question: &Question, metrics: &Metrics) -> io::Result<Message> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    let message = message(u16::from_be_bytes(id), question);
    let bytes = message.to_vec().map_err(io::Error::other)?;
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&bytes).await?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = socket.recv(&mut buffer).await?;
        match Message::from_vec(&buffer[..length]) {
            Ok(answer) if fits(&answer, &message) => {
                return if answer.metadata.truncation { by_tcp(server, &message, &bytes).await } else { Ok(answer) };
            }
            // A guess, or an answer that came late to another question.
            _ => metrics.forward_lie(server),
        }
    }
}

async fn by_tcp(server: SocketAddr, message: &Message, bytes: &[u8]) -> io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await?;
    let answer = Message::from_vec(&answer).map_err(io::Error::other)?;
    if fits(&answer, message) { Ok(answer) } else { Err(io::Error::other("it answers another question")) }
}

fn message(id: u16, question: &Question) -> Message {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.metadata.checking_disabled = question.checking_disabled;
    message.add_query(Query::query(question.name.clone(), question.kind));
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD).set_dnssec_ok(question.dnssec);
    message.set_edns(edns);
    message
}

/// Names are the same in any case of letters: some servers answer in their own.
fn fits(answer: &Message, asked: &Message) -> bool {
    request::is_answer(&answer.metadata)
        && answer.metadata.id == asked.metadata.id
        && answer.queries.len() == 1
        && answer.queries == asked.queries
}
