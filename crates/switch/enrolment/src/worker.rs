//! The worker's side of one exchange.

use std::{
    net::{IpAddr, SocketAddr, TcpStream},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustls::{ClientConnection, pki_types::ServerName};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    Issued,
    channel::{self, Channel, ChannelError, not_expected},
    error::EnrolError,
    message::{self, Body, Bytes32, FromMaster, FromWorker, LONGEST},
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
    pub token: &'a Token,
    /// Certificate signing requests, PEM.
    pub csrs: &'a [String],
    /// For one whole try.
    pub timeout: Duration,
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
    let Request { master, from, name, token, csrs, timeout } = *request;
    if !message::is_name(name) {
        return Err(EnrolError::Request { what: format!("{name:?} is not a node's name; repair cluster.toml") });
    }
    let deadline = Instant::now() + timeout;
    let broken = |error| EnrolError::of_channel(master, error);

    let socket = connect(master, from, timeout)?;
    let tls = channel::client_config()
        .and_then(|config| ClientConnection::new(config, ServerName::from(master.ip())))
        .map_err(|error| broken(error.into()))?;
    let mut channel = Channel::open(tls, socket, deadline, LONGEST).map_err(broken)?;

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
        Ok(Body::Issued { ca, certificates, time }) => {
            if certificates.len() != csrs.len() {
                let what = format!("{} certificates for {} requests", certificates.len(), csrs.len());
                return Err(EnrolError::Protocol { master, what });
            }
            let master_time = UNIX_EPOCH.checked_add(Duration::from_secs(time)).ok_or_else(|| {
                EnrolError::Protocol { master, what: format!("its clock says {time} seconds since 1970") }
            })?;
            Ok(Enrolled { issued: Issued { ca, certificates }, master_time })
        }
        Ok(Body::Declined { reason }) => Err(EnrolError::Declined { master, name: name.to_owned(), reason }),
        Err(_) => Err(broken(ChannelError::Received(message::BadMessage::NotExpected { expected: "certificates" }))),
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
