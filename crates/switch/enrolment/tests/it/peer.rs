//! The protocol once more, from its description alone: a worker and a master that can be told to do wrong.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use ring::{digest, hmac};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, DigitallySignedStruct, Error, ServerConfig, ServerConnection,
    SideData, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde_json::{Value, json};

trait ReadWrite: Read + Write + Send {}
impl<T: Read + Write + Send> ReadWrite for T {}

/// One end of an established TLS session.
pub struct Peer {
    stream: Box<dyn ReadWrite>,
    pub keying: Vec<u8>,
    /// As ALPN has it.
    pub version: u32,
}

impl Peer {
    pub fn connect(master: SocketAddr) -> io::Result<Peer> {
        Peer::client(TcpStream::connect(master)?)
    }

    pub fn client(socket: TcpStream) -> io::Result<Peer> {
        Peer::client_that_offers(socket, &[])
    }

    /// The newest version is offered by this, the oldest one by nothing.
    pub const VERSION_2: &[&[u8]] = &[b"kubernetes-on-eos-enrolment/2"];
    pub const VERSION_3: &[&[u8]] = &[b"kubernetes-on-eos-enrolment/3"];

    pub fn client_that_offers(socket: TcpStream, alpn: &[&[u8]]) -> io::Result<Peer> {
        Peer::client_that_shows(socket, alpn, None)
    }

    /// Shows a certificate, of the key that it has or another one's.
    pub fn client_that_shows(socket: TcpStream, alpn: &[&[u8]], shown: Option<CertifiedKey>) -> io::Result<Peer> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(NoCheck));
        let name = ServerName::try_from("anything").unwrap();
        let mut config = match shown {
            Some(shown) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(shown))),
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|offered| offered.to_vec()).collect();
        let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let keying = handshake(&mut tls, &socket)?;
        let version = version(tls.alpn_protocol());
        Ok(Peer { stream: Box::new(StreamOwned::new(tls, socket)), keying, version })
    }

    /// A master of the old release, which knows no ALPN.
    pub fn server(socket: TcpStream) -> io::Result<Peer> {
        Peer::server_that_takes(socket, &[])
    }

    pub fn server_that_takes(socket: TcpStream, alpn: &[&[u8]]) -> io::Result<Peer> {
        let made = rcgen::generate_simple_self_signed(["somebody".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|taken| taken.to_vec()).collect();
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        let keying = handshake(&mut tls, &socket)?;
        let version = version(tls.alpn_protocol());
        Ok(Peer { stream: Box::new(StreamOwned::new(tls, socket)), keying, version })
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    pub fn send_frame(&mut self, frame: &[u8]) -> io::Result<()> {
        self.send_bytes(&[&(frame.len() as u32).to_be_bytes(), frame].concat())
    }

    pub fn send(&mut self, message: &Value) -> io::Result<()> {
        self.send_frame(message.to_string().as_bytes())
    }

    pub fn receive_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame)?;
        Ok(frame)
    }

    pub fn receive(&mut self) -> io::Result<Value> {
        Ok(serde_json::from_slice(&self.receive_frame()?)?)
    }

    /// Reads until the other side has closed or reset the connection, and fails when it does neither.
    pub fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 1024]) {
            Ok(length) => length == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

fn version(alpn: Option<&[u8]>) -> u32 {
    alpn.map_or(1, |alpn| u32::from(alpn[alpn.len() - 1] - b'0'))
}

fn handshake<S: SideData>(tls: &mut ConnectionCommon<S>, mut socket: &TcpStream) -> io::Result<Vec<u8>> {
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    tls.export_keying_material(vec![0; 32], b"EXPORTER-kubernetes-on-eos-enrolment", None).map_err(io::Error::other)
}

/// The worker's side of TLS does not look at the certificate at all.
#[derive(Debug)]
struct NoCheck;

impl ServerCertVerifier for NoCheck {
    fn verify_server_cert(
        &self,
        _: &CertificateDer,
        _: &[CertificateDer],
        _: &ServerName,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// What proofs are made over; each part can be set wrong.
#[derive(Clone)]
pub struct Seen {
    pub version: u32,
    pub token: String,
    pub keying: Vec<u8>,
    pub name: String,
    pub worker_nonce: Vec<u8>,
    pub master_nonce: Vec<u8>,
    pub csrs: Vec<String>,
}

impl Seen {
    fn transcript(&self) -> Vec<u8> {
        let csrs: Vec<u8> = self.csrs.iter().flat_map(|csr| field(csr.as_bytes())).collect();
        [
            field(format!("kubernetes-on-eos enrolment {}", self.version).as_bytes()),
            field(&self.keying),
            field(self.name.as_bytes()),
            field(&self.worker_nonce),
            field(&self.master_nonce),
            field(&sha256(&csrs)),
        ]
        .concat()
    }

    fn proof(&self, bytes: &[u8]) -> String {
        let key = mac(self.token.as_bytes(), b"kubernetes-on-eos enrolment 1 key");
        hex::encode(mac(&key, bytes))
    }

    pub fn worker_proof(&self) -> String {
        self.proof(&[field(b"worker"), self.transcript()].concat())
    }

    pub fn master_proof(&self, body: &str) -> String {
        self.proof(&[field(b"master"), self.transcript(), field(&sha256(body.as_bytes()))].concat())
    }

    pub fn hello(&self) -> Value {
        json!({"hello": {"version": self.version, "name": self.name, "nonce": hex::encode(&self.worker_nonce)}})
    }

    pub fn request(&self) -> Value {
        json!({"request": {"proof": self.worker_proof(), "csrs": self.csrs}})
    }

    pub fn answer(&self, body: &str) -> Value {
        json!({"answer": {"proof": self.master_proof(body), "body": body}})
    }

    /// The worker's side up to the challenge.
    pub fn as_worker(peer: &mut Peer, token: &str, name: &str, csrs: &[String]) -> io::Result<Seen> {
        let mut seen = Seen {
            version: peer.version,
            token: token.to_owned(),
            keying: peer.keying.clone(),
            name: name.to_owned(),
            worker_nonce: vec![7; 32],
            master_nonce: vec![],
            csrs: csrs.to_vec(),
        };
        peer.send(&seen.hello())?;
        seen.master_nonce = nonce(&peer.receive()?, "challenge");
        Ok(seen)
    }

    /// The master's side up to the worker's request, whose proof is not looked at but handed over.
    pub fn as_master(peer: &mut Peer, token: &str) -> io::Result<(Seen, String)> {
        let hello = peer.receive()?;
        let master_nonce = vec![9; 32];
        peer.send(&json!({"challenge": {"nonce": hex::encode(&master_nonce)}}))?;
        let request = peer.receive()?["request"].take();
        let seen = Seen {
            version: peer.version,
            token: token.to_owned(),
            keying: peer.keying.clone(),
            name: hello["hello"]["name"].as_str().unwrap().to_owned(),
            worker_nonce: nonce(&hello, "hello"),
            master_nonce,
            csrs: serde_json::from_value(request["csrs"].clone())?,
        };
        Ok((seen, request["proof"].as_str().unwrap().to_owned()))
    }
}

/// An answer's body with a certificate for each request.
pub fn body(csrs: &[String]) -> String {
    json!({"issued": {"ca": "the CA", "certificates": csrs, "time": 1_600_000_000}}).to_string()
}

fn nonce(message: &Value, kind: &str) -> Vec<u8> {
    hex::decode(message[kind]["nonce"].as_str().unwrap_or_else(|| panic!("no {kind} in {message}"))).unwrap()
}

fn field(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn mac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), bytes).as_ref().to_vec()
}
