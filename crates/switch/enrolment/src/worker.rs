//! The worker's side of one try: by its own key where the master may know that, else by the token.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustls::{ClientConnection, pki_types::ServerName, sign::CertifiedKey};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    Issued,
    channel::{ChannelError, Timed, WorkersEnd, not_expected},
    error::EnrolError,
    message::{self, BadMessage, Body, Bytes32, FromMaster, FromWorker, LONGEST, VERSION},
    tls::{self, IsMaster},
    token::Token,
    transcript::{Transcript, TranscriptParts},
};

/// What a worker asks for, and of whom.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub master: SocketAddr,
    /// This node's address in cluster.toml, which the master knows its requests by; none for one that the kernel chooses.
    pub from: Option<IpAddr>,
    /// This node's name in cluster.toml.
    pub name: &'a str,
    /// The node's key, with a certificate of it: whichever.
    pub identity: &'a Arc<CertifiedKey>,
    pub trust: &'a Trust,
    /// Without one, the master has to know the key.
    pub token: Option<&'a Token>,
    /// Certificate signing requests, PEM.
    pub csrs: &'a [String],
    /// For one way to ask, of the two that there are.
    pub timeout: Duration,
}

/// What a worker takes for the master.
#[derive(Clone)]
pub enum Trust {
    /// Who knows the token: all that is known before the first join.
    Token,
    /// Who shows this, and nobody else: of the certificate authority, something is known before the first join.
    Authority(Arc<IsMaster>),
    /// Who shows this, and else who knows the token: what that one's certificate authority is, is judged by who takes its answer.
    Pinned(Arc<IsMaster>),
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trust::Token => "Token",
            Trust::Authority(_) => "Authority",
            Trust::Pinned(_) => "Pinned",
        })
    }
}

/// What the master has given, and proven to be the master.
#[derive(Clone, Debug)]
pub struct Enrolled {
    pub issued: Issued,
    /// The master's clock when it answered.
    pub master_time: SystemTime,
}

/// One try.
pub fn enrol(request: &Request) -> Result<Enrolled, EnrolError> {
    let Request { name, trust, token, .. } = *request;
    if !message::is_name(name) {
        return Err(EnrolError::Request { what: format!("{name:?} is not a node's name; repair cluster.toml") });
    }
    let (by_key, by_token) = match trust {
        Trust::Token => (None, None),
        // Who joins is not known by its key yet, unless the operator has said so.
        Trust::Authority(is_master) => (token.is_none().then_some(is_master), Some(is_master)),
        Trust::Pinned(is_master) => (Some(is_master), None),
    };
    let known = by_key.map(|is_master| request.by_key(is_master));
    match (known, token) {
        (Some(Ok(enrolled)), _) => Ok(enrolled),
        (Some(Err(error)), Some(token)) if error.is_by_the_other_side() => {
            request.by_token(token, by_token).map_err(|other| error.or(other))
        }
        (Some(Err(error)), _) => Err(error),
        (None, Some(token)) => request.by_token(token, by_token),
        (None, None) => Err(EnrolError::NoToken),
    }
}

impl Request<'_> {
    /// By a key that the master knows. Nobody but the master is asked.
    fn by_key(&self, is_master: &Arc<IsMaster>) -> Result<Enrolled, EnrolError> {
        let broken = |error| EnrolError::of_renewal(self.master, error);
        let mut channel = self.open(Some(is_master), false).map_err(|error| error.unwrap_or_else(broken))?;
        if channel.version != VERSION {
            return Err(EnrolError::OldMaster { master: self.master });
        }
        let renewal = FromWorker::Renewal { name: self.name.to_owned(), csrs: self.csrs.to_vec() };
        channel.send(&renewal).map_err(broken)?;
        let body = channel.receive("certificates").map_err(broken)?;
        channel.close();
        self.taken(body)
    }

    fn by_token(&self, token: &Token, is_master: Option<&Arc<IsMaster>>) -> Result<Enrolled, EnrolError> {
        let Request { master, name, csrs, .. } = *self;
        let broken = |error| EnrolError::of_channel(master, error);
        let mut channel = self.open(is_master, is_master.is_none()).map_err(|error| error.unwrap_or_else(broken))?;

        let worker_nonce = Bytes32::random()?;
        let version = channel.version;
        let hello = FromWorker::Hello { version, name: name.to_owned(), nonce: worker_nonce.clone() };
        channel.send(&hello).map_err(broken)?;
        let master_nonce = match channel.receive("a challenge").map_err(broken)? {
            FromMaster::Challenge { nonce } => nonce,
            FromMaster::Refused(refusal) => return Err(EnrolError::of_refusal(master, name, refusal)),
            FromMaster::Answer { .. } => return Err(broken(not_expected("a challenge"))),
        };

        let transcript = Transcript::of(&TranscriptParts {
            version,
            keying_material: &channel.keying_material,
            name,
            worker_nonce: &worker_nonce,
            master_nonce: &master_nonce,
            csrs,
        });
        let proof = transcript.worker_proof(token);
        channel.send(&FromWorker::Request { proof, csrs: csrs.to_vec() }).map_err(broken)?;
        let body = match channel.receive("an answer").map_err(broken)? {
            FromMaster::Answer { proof, body } if transcript.is_from_master(token, &body, &proof) => body,
            FromMaster::Answer { .. } => return Err(EnrolError::NotTheMaster { master }),
            FromMaster::Refused(refusal) => return Err(EnrolError::of_refusal(master, name, refusal)),
            FromMaster::Challenge { .. } => return Err(broken(not_expected("an answer"))),
        };
        channel.close();
        match serde_json::from_str(&body) {
            Ok(body) => self.taken(body),
            Err(_) => Err(broken(ChannelError::Received(BadMessage::NotExpected { expected: "certificates" }))),
        }
    }

    fn taken(&self, body: Body) -> Result<Enrolled, EnrolError> {
        let Request { master, name, csrs, .. } = *self;
        match body {
            Body::Issued { ca, certificates, time } => {
                if certificates.len() != csrs.len() {
                    let what = format!("{} certificates for {} requests", certificates.len(), csrs.len());
                    return Err(EnrolError::Protocol { master, what });
                }
                let master_time = UNIX_EPOCH.checked_add(Duration::from_secs(time)).ok_or_else(|| {
                    EnrolError::Protocol { master, what: format!("its clock says {time} seconds since 1970") }
                })?;
                Ok(Enrolled { issued: Issued { ca, certificates }, master_time })
            }
            Body::Declined { reason } => Err(EnrolError::Declined { master, name: name.to_owned(), reason }),
        }
    }

    /// What fails before there is a session is an error of its own.
    fn open(&self, is_master: Option<&Arc<IsMaster>>, old_masters: bool) -> Result<WorkersEnd, Unopened> {
        let deadline = Instant::now() + self.timeout;
        let socket = connect(self.master, self.from, self.timeout)?;
        let config = tls::client_config(self.identity, is_master, old_masters).map_err(ChannelError::from)?;
        let tls = ClientConnection::new(config, ServerName::from(self.master.ip())).map_err(ChannelError::from)?;
        let socket = Timed::new(socket, deadline).map_err(ChannelError::from)?;
        Ok(WorkersEnd::open(tls, socket, LONGEST)?)
    }
}

/// Why there is no session.
enum Unopened {
    Connection(EnrolError),
    Channel(ChannelError),
}

impl Unopened {
    fn unwrap_or_else(self, of_channel: impl FnOnce(ChannelError) -> EnrolError) -> EnrolError {
        match self {
            Unopened::Connection(error) => error,
            Unopened::Channel(error) => of_channel(error),
        }
    }
}

impl From<EnrolError> for Unopened {
    fn from(error: EnrolError) -> Self {
        Unopened::Connection(error)
    }
}

impl From<ChannelError> for Unopened {
    fn from(error: ChannelError) -> Self {
        Unopened::Channel(error)
    }
}

fn connect(master: SocketAddr, from: Option<IpAddr>, timeout: Duration) -> Result<TcpStream, EnrolError> {
    let unreachable = |error| EnrolError::Unreachable { master, error };
    let socket = Socket::new(Domain::for_address(master), Type::STREAM, Some(Protocol::TCP)).map_err(unreachable)?;
    if let Some(address) = from {
        let bound = socket.bind(&SocketAddr::new(address, 0).into());
        bound.map_err(|error| EnrolError::NotOurAddress { address, error })?;
    }
    socket.connect_timeout(&master.into(), timeout).map_err(unreachable)?;
    Ok(socket.into())
}
