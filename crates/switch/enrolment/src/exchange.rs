//! The master's side of one exchange.

use std::{
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{ServerConfig, ServerConnection};

use crate::{
    Issued,
    channel::{Channel, ChannelError, not_expected},
    event::Event,
    message::{self, Body, Bytes32, FromMaster, FromWorker, NoRandomness, OLD_VERSION, Refusal},
    places::Place,
    token::Token,
    transcript::{Transcript, TranscriptParts},
};

/// The requests of a worker that has proven that it knows the token.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub name: &'a str,
    /// The address that it asks from.
    pub from: IpAddr,
    /// Whether its release lets the kernel choose that address.
    pub any_address: bool,
    /// Certificate signing requests, PEM.
    pub csrs: &'a [String],
}

/// What it is given.
#[derive(Clone, Debug)]
pub struct Signed {
    pub issued: Issued,
    /// What the master's operator ought to know of it.
    pub remark: Option<String>,
}

/// Decides on the requests of a worker that has proven that it knows the token.
pub trait Signer: Send + Sync {
    /// Whether a node of this name is to be in the cluster.
    fn knows(&self, name: &str) -> bool;

    /// A certificate for each request, or the reason why not, for the worker's operator to read. Knowing the token
    /// makes nobody a master, nor another worker: never for the name of one.
    fn sign(&self, asked: &Asked) -> Result<Signed, String>;
}

/// What an exchange is carried out with.
pub struct Exchange<'a> {
    pub tls: &'a Arc<ServerConfig>,
    pub token: &'a Token,
    pub signer: &'a dyn Signer,
    pub longest: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Exchange<'_> {
    /// Answers one worker and tells what came of it.
    pub fn execute(&self, socket: TcpStream, peer: SocketAddr, place: &Place<'_>) -> Result<Event, Failure> {
        let tls = ServerConnection::new(self.tls.clone()).map_err(ChannelError::from)?;
        let mut channel = Channel::open(tls, socket, place.before_proof(), self.longest)?;

        let FromWorker::Hello { version, name, nonce: worker_nonce } = channel.receive("a hello")? else {
            return Err(not_expected("a hello").into());
        };
        if !message::is_name(&name) {
            return Err(not_expected("a hello with a node's name").into());
        }
        if version != channel.version {
            channel.send(&FromMaster::Refused(Refusal::Version))?;
            channel.close();
            return Ok(Event::OtherVersion { peer, name, version });
        }
        let master_nonce = Bytes32::random()?;
        channel.send(&FromMaster::Challenge { nonce: master_nonce.clone() })?;

        let FromWorker::Request { proof, csrs } = channel.receive("a request")? else {
            return Err(not_expected("a request").into());
        };
        let transcript = Transcript::of(&TranscriptParts {
            version,
            keying_material: &channel.keying_material,
            name: &name,
            worker_nonce: &worker_nonce,
            master_nonce: &master_nonce,
            csrs: &csrs,
        });
        let has_proven = transcript.is_from_worker(self.token, &proof);
        if has_proven {
            channel.set_deadline(place.has_proven());
        }
        // The name is looked up only for those who know the token, so that not even the time it takes tells a stranger
        // anything.
        let (answer, event) = if !has_proven {
            (FromMaster::Refused(Refusal::TokenOrName), Event::WrongToken { peer, name })
        } else if !self.signer.knows(&name) {
            (FromMaster::Refused(Refusal::TokenOrName), Event::UnknownName { peer, name })
        } else {
            let (body, event) = self.decide(peer, name, version, &csrs);
            let body = serde_json::to_string(&body).map_err(|error| ChannelError::Io(error.into()))?;
            (FromMaster::Answer { proof: transcript.master_proof(self.token, &body), body }, event)
        };
        channel.send(&answer)?;
        channel.close();
        Ok(event)
    }

    fn decide(&self, peer: SocketAddr, name: String, version: u32, csrs: &[String]) -> (Body, Event) {
        let from = peer.ip().to_canonical();
        match self.signer.sign(&Asked { name: &name, from, any_address: version == OLD_VERSION, csrs }) {
            Ok(Signed { issued: Issued { ca, certificates }, remark }) => {
                let event = Event::Issued { peer, name, certificates: certificates.len(), remark };
                (Body::Issued { ca, certificates, time: now() }, event)
            }
            Err(reason) => (Body::Declined { reason: reason.clone() }, Event::Declined { peer, name, reason }),
        }
    }
}

/// A clock from before 1970 is given as 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
