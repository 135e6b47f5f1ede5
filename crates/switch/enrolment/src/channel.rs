//! The TLS session that an exchange runs in: messages as frames, all of them before one deadline, and the keying
//! material that ties proofs to the session.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConnection, ConnectionCommon, ServerConnection, SideData, StreamOwned,
    client::ClientConnectionData,
    server::{Accepted, Acceptor, ServerConnectionData},
    sign::CertifiedKey,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    message::{BadMessage, Bytes32},
    tls::{self, ServerTls},
};

const EXPORTER: &[u8] = b"EXPORTER-kubernetes-on-eos-enrolment";

/// Why a message did not come or go.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("TLS failed: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the other side sent {0}")]
    Received(BadMessage),
    #[error("this side would send {0}")]
    Sent(BadMessage),
}

pub struct Channel<C, S>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    stream: StreamOwned<C, Timed>,
    longest: usize,
    pub keying_material: Bytes32,
    /// Of the protocol, as the handshake has it.
    pub version: u32,
    /// What the other side has shown of itself and has the key of, in DER.
    pub certificate: Option<Vec<u8>>,
}

pub type WorkersEnd = Channel<ClientConnection, ClientConnectionData>;
pub type MastersEnd = Channel<ServerConnection, ServerConnectionData>;

impl MastersEnd {
    /// Hears which version the worker speaks, and carries out that handshake. The master's identity is asked for where it is shown.
    pub fn accept(
        tls: &ServerTls,
        identity: impl FnOnce() -> Option<Arc<CertifiedKey>>,
        socket: TcpStream,
        deadline: Instant,
        longest: usize,
    ) -> Result<Self, ChannelError> {
        let mut socket = Timed::new(socket, deadline)?;
        let accepted = hello(&mut socket)?;
        let config = tls.config_for(&accepted.client_hello(), identity)?;
        let connection = accepted.into_connection(config).map_err(|(error, mut alert)| {
            // That it does not hear why changes nothing.
            let _ = alert.write_all(&mut socket);
            error
        })?;
        Channel::open(connection, socket, longest)
    }
}

fn hello(socket: &mut Timed) -> Result<Accepted, ChannelError> {
    let mut acceptor = Acceptor::default();
    loop {
        if acceptor.read_tls(socket)? == 0 {
            return Err(tls_or_io(io::ErrorKind::UnexpectedEof.into()));
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let _ = alert.write_all(socket);
                return Err(error.into());
            }
        }
    }
}

impl<C, S> Channel<C, S>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    /// Carries out the handshake.
    pub fn open(mut tls: C, mut socket: Timed, longest: usize) -> Result<Self, ChannelError> {
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut socket) {
                return Err(tls_or_io(error));
            }
        }
        let keying_material = Bytes32(tls.export_keying_material([0; 32], EXPORTER, None)?);
        let version = tls::version(tls.alpn_protocol());
        let shown = tls.peer_certificates().and_then(<[_]>::first);
        let certificate = shown.map(|certificate| certificate.to_vec());
        Ok(Channel { stream: StreamOwned::new(tls, socket), longest, keying_material, version, certificate })
    }

    /// From here on everything has to be over by then.
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.stream.sock.deadline = deadline;
    }

    pub fn send(&mut self, message: &impl Serialize) -> Result<(), ChannelError> {
        let mut frame = vec![0; 4];
        serde_json::to_writer(&mut frame, message).map_err(io::Error::from)?;
        let length = frame.len() - 4;
        if length > self.longest {
            return Err(ChannelError::Sent(BadMessage::TooLong { length, longest: self.longest }));
        }
        frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
        self.stream.write_all(&frame).and_then(|()| self.stream.flush()).map_err(tls_or_io)
    }

    /// `expected` names the message for the error.
    pub fn receive<M: DeserializeOwned>(&mut self, expected: &'static str) -> Result<M, ChannelError> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(tls_or_io)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > self.longest {
            return Err(ChannelError::Received(BadMessage::TooLong { length, longest: self.longest }));
        }
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).map_err(tls_or_io)?;
        serde_json::from_slice(&frame).map_err(|_| not_expected(expected))
    }

    /// Says that nothing more follows. Whether the other side hears it changes nothing.
    pub fn close(mut self) {
        self.stream.conn.send_close_notify();
        let _ = self.stream.flush();
    }
}

pub fn not_expected(expected: &'static str) -> ChannelError {
    ChannelError::Received(BadMessage::NotExpected { expected })
}

/// rustls hands its own errors over as I/O errors, and says it at length when a connection ends.
fn tls_or_io(error: io::Error) -> ChannelError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => ChannelError::Tls(tls.clone()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            ChannelError::Io(io::Error::new(error.kind(), "the other side closed the connection"))
        }
        None => ChannelError::Io(error),
    }
}

/// A socket on which every read and write ends at the deadline, so that nobody holds it longer a byte at a time.
pub struct Timed {
    socket: TcpStream,
    deadline: Instant,
}

impl Timed {
    pub fn new(socket: TcpStream, deadline: Instant) -> io::Result<Timed> {
        socket.set_nodelay(true)?;
        Ok(Timed { socket, deadline })
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(too_late()) } else { Ok(left) }
    }

    fn retried<T>(&self, mut once: impl FnMut(&TcpStream, Duration) -> io::Result<T>) -> io::Result<T> {
        loop {
            match once(&self.socket, self.left()?) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(too_late()),
                done => return done,
            }
        }
    }
}

fn too_late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the exchange took too long")
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.retried(|mut socket, left| {
            socket.set_read_timeout(Some(left))?;
            socket.read(into)
        })
    }
}

impl Write for Timed {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.retried(|mut socket, left| {
            socket.set_write_timeout(Some(left))?;
            socket.write(from)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
