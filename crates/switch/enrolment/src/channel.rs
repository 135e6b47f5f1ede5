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
    ClientConfig, ConnectionCommon, DigitallySignedStruct, ServerConfig, SideData, SignatureScheme, StreamOwned,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring::default_provider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::NoServerSessionStorage,
    version::TLS13,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::message::{BadMessage, Bytes32, OLD_VERSION, VERSION};

const EXPORTER: &[u8] = b"EXPORTER-kubernetes-on-eos-enrolment";

/// Agreed on in the handshake by two sides of version 2; a side of version 1 passes it over.
const ALPN: &[u8] = b"kubernetes-on-eos-enrolment/2";

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
}

impl<C, S> Channel<C, S>
where
    C: DerefMut + Deref<Target = ConnectionCommon<S>>,
    S: SideData,
{
    /// Carries out the handshake.
    pub fn open(mut tls: C, socket: TcpStream, deadline: Instant, longest: usize) -> Result<Self, ChannelError> {
        socket.set_nodelay(true)?;
        let mut socket = Timed { socket, deadline };
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut socket) {
                return Err(tls_or_io(error));
            }
        }
        let keying_material = Bytes32(tls.export_keying_material([0; 32], EXPORTER, None)?);
        let version = if tls.alpn_protocol() == Some(ALPN) { VERSION } else { OLD_VERSION };
        Ok(Channel { stream: StreamOwned::new(tls, socket), longest, keying_material, version })
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
    pub socket: TcpStream,
    pub deadline: Instant,
}

impl Timed {
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

/// A server with a certificate of its own making, which no worker looks at. No session is resumed: each exchange stands
/// alone.
pub fn server_config() -> Result<Arc<ServerConfig>, ServerConfigError> {
    let made = rcgen::generate_simple_self_signed(["kubernetes-on-eos-enrolment".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

#[derive(Debug, thiserror::Error)]
pub enum ServerConfigError {
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

pub fn client_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// Takes every certificate whose key the other side has: what is made of it is the caller's matter.
#[derive(Debug)]
pub struct AnyCertificate(pub Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer,
        _: &[CertificateDer],
        _: &ServerName,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
