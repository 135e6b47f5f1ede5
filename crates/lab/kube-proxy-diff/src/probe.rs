//! Questions with real packets, and what comes back.

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket},
    time::Duration,
};

use anyhow::{Result, bail};
use socket2::{Domain, Socket, Type};

use crate::{
    addresses::Vantage,
    objects::{Target, Transport},
    world::{World, parse_answer, read_answer},
};

/// How long nothing may come back until it counts as dropped. Everything is on one machine.
const TIMEOUT: Duration = Duration::from_millis(400);

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// An endpoint answered, which saw that source address.
    From { endpoint: SocketAddrV4, source: Ipv4Addr },
    /// Rejected: at once, and the client knows.
    Refused,
    /// Rejected by a router on the way.
    Unreachable,
    /// Rejected or dropped on the way out of the node that asks: it may not send that.
    NotPermitted,
    /// Dropped somewhere.
    Nothing,
    /// The connection came about and was broken.
    Broken,
}

impl Answer {
    /// Who answered, if somebody did.
    pub fn endpoint(&self) -> Option<SocketAddrV4> {
        match self {
            Answer::From { endpoint, .. } => Some(*endpoint),
            _ => None,
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::From { endpoint, source } => write!(f, "{endpoint} seeing {source}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// What many questions brought, and how often each.
pub type Answers = BTreeMap<Answer, usize>;

/// Asks `count` times. What is refused or dropped once is asked once more, and then believed.
pub fn ask(world: &World, from: Vantage, to: Target, count: usize) -> Result<Answers> {
    let source = from.source();
    world.netns(from)?.enter(|| {
        let mut answers = Answers::new();
        for asked in 0..count {
            *answers.entry(once(source, 0, to)?).or_default() += 1;
            if asked > 0 && answers.keys().all(|answer| answer.endpoint().is_none()) {
                break;
            }
        }
        Ok(answers)
    })?
}

/// Asks once, from a port that is not any.
pub fn ask_from_port(world: &World, from: Vantage, source_port: u16, to: Target) -> Result<Answer> {
    world.netns(from)?.enter(|| once(from.source(), source_port, to))?
}

/// Asks once, from the namespace that the thread is in.
pub fn once(source: Option<Ipv4Addr>, source_port: u16, to: Target) -> Result<Answer> {
    let source = SocketAddrV4::new(source.unwrap_or(Ipv4Addr::UNSPECIFIED), source_port);
    let answer = match to.protocol {
        Transport::Tcp => tcp(source, to.address),
        Transport::Udp => udp(source, to.address),
        Transport::Sctp => {
            bail!("{to} cannot be asked: kernels without SCTP sockets are common; its rules are simulated")
        }
    };
    match answer {
        Ok(text) => match parse_answer(&text) {
            Some((endpoint, source)) => Ok(Answer::From { endpoint, source }),
            None => Ok(Answer::Broken),
        },
        Err(error) => Ok(match error.kind() {
            ErrorKind::ConnectionRefused => Answer::Refused,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Answer::Unreachable,
            ErrorKind::PermissionDenied => Answer::NotPermitted,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Answer::Nothing,
            ErrorKind::ConnectionReset => Answer::Broken,
            _ => bail!("asking {to} from {source} failed: {error}"),
        }),
    }
}

fn tcp(source: SocketAddrV4, to: SocketAddrV4) -> io::Result<String> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::V4(source).into())?;
    socket.connect_timeout(&SocketAddr::V4(to).into(), TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    read_answer(TcpStream::from(socket))
}

fn udp(source: SocketAddrV4, to: SocketAddrV4) -> io::Result<String> {
    let socket = UdpSocket::bind(source)?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.send(b"who is there?")?;
    let mut answer = [0; 64];
    let length = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}
