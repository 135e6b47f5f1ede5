//! A master to enrol at, which keeps what it did, and a worker's usual request.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use enrolment::{
    Asked, EnrolError, Enrolled, Event, Issued, Request, Server, ServerLimits, Signed, Signer, Stop, Token, Trust,
    enrol,
};
use rustls::{
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::ParsedCertificate,
    sign::CertifiedKey,
};

pub const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
pub const OTHER_TOKEN: &str = "a token that the other does not have";
pub const NAME: &str = "veos-l1";
pub const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub fn token() -> Token {
    Token::new(TOKEN).unwrap()
}

pub fn csrs() -> Vec<String> {
    vec!["kubelet's request".to_owned(), "kube-proxy's request".to_owned()]
}

/// Many tries come from one address here.
pub fn wide_limits() -> ServerLimits {
    let limits = ServerLimits::default();
    ServerLimits { attempts_a_minute: u32::MAX, of_one_address: limits.connections, ..limits }
}

/// A key of one's own, with a certificate that it has signed itself.
pub fn identity() -> Arc<CertifiedKey> {
    identity_until(2035)
}

/// The same, of which the certificate ends in that year.
pub fn identity_until(year: i32) -> Arc<CertifiedKey> {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut certificate = rcgen::CertificateParams::new(["somebody".to_owned()]).unwrap();
    certificate.not_after = rcgen::date_time_ymd(year, 1, 1);
    identity_of(&key, &certificate)
}

pub fn identity_of(key: &rcgen::KeyPair, certificate: &rcgen::CertificateParams) -> Arc<CertifiedKey> {
    let der = certificate.self_signed(key).unwrap().der().clone();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Arc::new(CertifiedKey::from_der(vec![der], key, &default_provider()).unwrap())
}

fn public_key(certificate: &[u8]) -> Vec<u8> {
    let certificate = CertificateDer::from(certificate.to_vec());
    ParsedCertificate::try_from(&certificate).unwrap().subject_public_key_info().to_vec()
}

/// Signs for veos-l1 alone, and not when asked for too much.
pub struct Names {
    /// What it shows of itself.
    pub identity: Option<Arc<CertifiedKey>>,
    /// The key that is bound to veos-l1.
    known: Mutex<Option<Vec<u8>>>,
    /// Whether each of those who asked had shown a key, and knew the token.
    pub shown: Mutex<Vec<(bool, bool)>>,
    pub asked: AtomicUsize,
    pub signed: AtomicUsize,
    /// Where each request came from, and whether its release lets the kernel choose that.
    pub from: Mutex<Vec<(IpAddr, bool)>>,
}

pub const TOO_MUCH: &str = "request for cluster-admin";

pub const NOT_KNOWN: &str = "not known under that name";

impl Default for Names {
    fn default() -> Names {
        Names {
            identity: Some(identity()),
            known: Mutex::default(),
            shown: Mutex::default(),
            asked: AtomicUsize::default(),
            signed: AtomicUsize::default(),
            from: Mutex::default(),
        }
    }
}

impl Names {
    /// Binds a worker's key.
    pub fn bind(&self, worker: &CertifiedKey) {
        *self.known.lock().unwrap() = Some(public_key(&worker.cert[0]));
    }
}

impl Signer for Names {
    fn knows(&self, name: &str) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        name == NAME
    }

    fn identity(&self) -> Option<Arc<CertifiedKey>> {
        self.identity.clone()
    }

    fn knows_key(&self, name: &str, certificate: &[u8]) -> Result<(), String> {
        let known = name == NAME && self.known.lock().unwrap().as_ref() == Some(&public_key(certificate));
        if known { Ok(()) } else { Err(NOT_KNOWN.to_owned()) }
    }

    fn sign(&self, asked: &Asked) -> Result<Signed, String> {
        let Asked { name, from, any_address, knows_token, certificate, csrs } = *asked;
        self.shown.lock().unwrap().push((certificate.is_some(), knows_token));
        self.from.lock().unwrap().push((from, any_address));
        if csrs.iter().any(|csr| csr == TOO_MUCH) {
            return Err(format!("{name} may not be cluster-admin"));
        }
        self.signed.fetch_add(1, Ordering::SeqCst);
        Ok(Signed { issued: issued(csrs), remark: None })
    }
}

/// What `Names` makes of requests.
pub fn issued(csrs: &[String]) -> Issued {
    let certificates = csrs.iter().map(|csr| format!("signed: {:.40}", csr)).collect();
    Issued { ca: "the CA".to_owned(), certificates }
}

/// A running master; it ends with the test.
pub struct Master {
    pub address: SocketAddr,
    pub names: Arc<Names>,
    pub stop: Stop,
    events: Arc<Mutex<Vec<Event>>>,
    thread: Option<JoinHandle<()>>,
}

impl Master {
    pub fn usual() -> Master {
        Master::start(LOCAL, token(), wide_limits())
    }

    pub fn start(address: SocketAddr, token: Token, limits: ServerLimits) -> Master {
        Master::start_with(address, Some(token), Names::default(), limits, |server| server)
    }

    /// One without a token.
    pub fn closed() -> Master {
        Master::start_with(LOCAL, None, Names::default(), wide_limits(), |server| server)
    }

    /// One that has nothing to show of itself.
    pub fn without_identity() -> Master {
        let names = Names { identity: None, ..Names::default() };
        Master::start_with(LOCAL, Some(token()), names, wide_limits(), |server| server)
    }

    /// One that keeps places for a node at 127.0.0.1, where it comes to 127.0.0.1.
    pub fn with_a_node(address: SocketAddr) -> Master {
        let keep = |server: Server| server.keep_places_for([LOCAL.ip()], LOCAL.ip());
        Master::start_with(address, Some(token()), Names::default(), ServerLimits::default(), keep)
    }

    fn start_with(
        address: SocketAddr,
        token: Option<Token>,
        names: Names,
        limits: ServerLimits,
        more: impl FnOnce(Server) -> Server,
    ) -> Master {
        let names = Arc::new(names);
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = events.clone();
        let server =
            Server::bind(address, token, names.clone(), limits, move |event| sink.lock().unwrap().push(event)).unwrap();
        let server = more(server);
        let (address, stop) = (server.address(), server.stop_handle().unwrap());
        let thread = Some(thread::spawn(move || server.run()));
        Master { address, names, stop, events, thread }
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    /// Waits for so many events; the master tells them after it has answered.
    pub fn events_of(&self, count: usize) -> Vec<Event> {
        let limit = Instant::now() + Duration::from_secs(20);
        while self.events().len() < count {
            assert!(Instant::now() < limit, "{count} events were expected, there are {:?}", self.events());
            thread::sleep(Duration::from_millis(2));
        }
        self.events()
    }

    pub fn signed(&self) -> usize {
        self.names.signed.load(Ordering::SeqCst)
    }

    pub fn enrol(&self) -> Result<Enrolled, EnrolError> {
        enrol_at(self.address)
    }

    /// For a worker that knows this master by what it shows, and keeps to that.
    pub fn pinned(&self) -> Trust {
        let own = self.names.identity.as_ref().unwrap().cert[0].to_vec();
        Trust::Pinned(Arc::new(move |shown: &[&[u8]]| match shown[0] == own {
            true => Ok(()),
            false => Err("its certificate is another one".to_owned()),
        }))
    }

    pub fn end(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.end();
    }
}

pub fn enrol_at(master: SocketAddr) -> Result<Enrolled, EnrolError> {
    enrol_with(master, &token(), NAME, &csrs())
}

pub fn enrol_with(master: SocketAddr, token: &Token, name: &str, csrs: &[String]) -> Result<Enrolled, EnrolError> {
    enrol(&Request { name, csrs, ..request(master, token, &identity()) })
}

/// A first enrolment's.
pub fn request<'a>(master: SocketAddr, token: &'a Token, identity: &'a Arc<CertifiedKey>) -> Request<'a> {
    let (trust, timeout) = (&Trust::Token, Duration::from_secs(10));
    Request { master, from: None, name: NAME, identity, trust, token: Some(token), csrs: &[], timeout }
}

/// An address that nothing listens at yet. It is not the one that connections come from, so that a try at a port that
/// is still free can never happen to connect to itself.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap()
}

/// Runs `other_side` for one connection, on a thread of its own.
pub fn listen_once<T: Send + 'static>(
    other_side: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind(LOCAL).unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || other_side(listener.accept().unwrap().0)))
}
