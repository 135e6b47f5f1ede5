//! A client: whole messages by UDP or TCP, and bytes of any kind.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};

/// An answer as a test looks at it.
#[derive(Debug)]
pub struct Answer {
    /// As it is written, `NXDomain` say.
    pub code: String,
    /// In order.
    pub data: Vec<String>,
    pub message: Message,
}

impl From<Message> for Answer {
    fn from(message: Message) -> Self {
        let mut data: Vec<String> = message.answers.iter().map(|record| record.data.to_string()).collect();
        data.sort();
        Answer { code: format!("{:?}", message.metadata.response_code), data, message }
    }
}

pub fn question(name: &str, kind: &str) -> Message {
    let mut message = Message::new(fastrand::u16(..), MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind.parse::<RecordType>().unwrap()));
    message
}

pub fn with_edns(mut message: Message, payload: u16) -> Message {
    let mut edns = Edns::new();
    edns.set_max_payload(payload);
    message.set_edns(edns);
    message
}

/// Asks again where a packet was lost, as every client does.
pub fn ask(server: SocketAddr, name: &str, kind: &str) -> Option<Answer> {
    let message = question(name, kind);
    let bytes = message.to_vec().unwrap();
    let patience = [500, 1000, 8000].map(Duration::from_millis);
    let answer = patience.into_iter().find_map(|patience| raw_by_udp(server, &bytes, patience))?;
    Some(Message::from_vec(&answer).unwrap().into())
}

pub fn by_udp(server: SocketAddr, message: &Message) -> Option<Answer> {
    let bytes = raw_by_udp(server, &message.to_vec().unwrap(), Duration::from_secs(8))?;
    let answer = Message::from_vec(&bytes).unwrap();
    assert_eq!(answer.metadata.id, message.metadata.id);
    Some(answer.into())
}

/// None where nothing comes.
pub fn raw_by_udp(server: SocketAddr, bytes: &[u8], patience: Duration) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.set_read_timeout(Some(patience)).unwrap();
    socket.connect(server).ok()?;
    socket.send(bytes).ok()?;
    let mut buffer = vec![0; 65_535];
    let length = socket.recv(&mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

pub fn by_tcp(server: SocketAddr, message: &Message) -> Option<Answer> {
    let mut stream = TcpStream::connect(server).ok()?;
    on(&mut stream, message)
}

/// On a connection that may be used again.
pub fn on(stream: &mut TcpStream, message: &Message) -> Option<Answer> {
    stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
    let bytes = message.to_vec().unwrap();
    stream.write_all(&u16::try_from(bytes.len()).unwrap().to_be_bytes()).ok()?;
    stream.write_all(&bytes).ok()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut answer = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut answer).ok()?;
    Some(Message::from_vec(&answer).unwrap().into())
}
