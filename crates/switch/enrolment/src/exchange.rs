//! The master's side of one exchange.

use std::{
    net::{IpAddr, SocketAddr, TcpStream},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::sign::CertifiedKey;

use crate::{
    Issued,
    channel::{ChannelError, MastersEnd, not_expected},
    event::Event,
    message::{self, Body, Bytes32, FromMaster, FromWorker, NoRandomness, OLD_VERSION, Refusal, VERSION},
    places::Place,
    tls::ServerTls,
    token::Token,
    transcript::{Transcript, TranscriptParts},
};

/// The requests of a worker that has proven who it is, or that it knows the token.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub name: &'a str,
    /// The address that it asks from.
    pub from: IpAddr,
    /// Whether its release lets the kernel choose that address.
    pub any_address: bool,
    pub knows_token: bool,
    /// A certificate, in DER, of a key that it has: all that it asks for in this session is that key's wish. Who has signed it, and
    /// whether it has ended, says nothing. Workers of older releases show none, and what they ask for, others may have overheard.
    pub certificate: Option<&'a [u8]>,
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

/// Decides on the requests of workers, and says whose master this is.
pub trait Signer: Send + Sync {
    /// What the master shows of itself: a certificate that the cluster's authority has signed, that authority's behind it, and its
    /// key. Without one it speaks as older releases do.
    fn identity(&self) -> Option<Arc<CertifiedKey>>;

    /// Whether a node of this name is to be in the cluster.
    fn knows(&self, name: &str) -> bool;

    /// Whether the key of this certificate is one that may ask under this name without the token; else what to say, which is for
    /// strangers: the same for every name.
    fn knows_key(&self, name: &str, certificate: &[u8]) -> Result<(), String>;

    /// A certificate for each request, or the reason why not, for the worker's operator to read. Knowing the token
    /// makes nobody a master, nor another worker: never for the name of one.
    fn sign(&self, asked: &Asked) -> Result<Signed, String>;
}

/// What an exchange is carried out with.
pub struct Exchange<'a> {
    pub tls: &'a ServerTls,
    /// Without one, nobody is let in by it.
    pub token: Option<&'a Token>,
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

/// What a worker begins with.
struct Hello {
    version: u32,
    name: String,
    nonce: Bytes32,
}

impl Exchange<'_> {
    /// Answers one worker and tells what came of it.
    pub fn execute(&self, socket: TcpStream, peer: SocketAddr, place: &Place<'_>) -> Result<Event, Failure> {
        let identity = || self.signer.identity();
        let mut channel = MastersEnd::accept(self.tls, identity, socket, place.before_proof(), self.longest)?;
        match channel.receive("a hello")? {
            FromWorker::Hello { version, name, nonce } if message::is_name(&name) => {
                self.by_token(channel, peer, place, Hello { version, name, nonce })
            }
            FromWorker::Renewal { name, csrs } if message::is_name(&name) && channel.version == VERSION => {
                self.by_key(channel, peer, place, name, &csrs)
            }
            _ => Err(not_expected("a hello with a node's name").into()),
        }
    }

    fn by_token(
        &self,
        mut channel: MastersEnd,
        peer: SocketAddr,
        place: &Place<'_>,
        hello: Hello,
    ) -> Result<Event, Failure> {
        let Hello { version, name, nonce: worker_nonce } = hello;
        if version != channel.version {
            channel.send(&FromMaster::Refused(Refusal::Version))?;
            channel.close();
            return Ok(Event::OtherVersion { peer, name, version });
        }
        let Some(token) = self.token else {
            let refusal = if version == VERSION { Refusal::NobodyJoins } else { Refusal::TokenOrName };
            channel.send(&FromMaster::Refused(refusal))?;
            channel.close();
            return Ok(Event::NobodyJoins { peer, name });
        };
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
        let has_proven = transcript.is_from_worker(token, &proof);
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
            let (body, event) = self.decide(&channel, peer, name, true, &csrs);
            let body = serde_json::to_string(&body).map_err(|error| ChannelError::Io(error.into()))?;
            (FromMaster::Answer { proof: transcript.master_proof(token, &body), body }, event)
        };
        channel.send(&answer)?;
        channel.close();
        Ok(event)
    }

    /// The handshake has proven that the worker has its key; whose that is, the signer knows. A stranger's key costs a look at that.
    fn by_key(
        &self,
        mut channel: MastersEnd,
        peer: SocketAddr,
        place: &Place<'_>,
        name: String,
        csrs: &[String],
    ) -> Result<Event, Failure> {
        let known = self.signer.knows_key(&name, channel.certificate.as_deref().unwrap_or_default());
        let (body, event) = match known {
            Ok(()) => {
                channel.set_deadline(place.has_proven());
                self.decide(&channel, peer, name, false, csrs)
            }
            Err(reason) => (Body::Declined { reason: reason.clone() }, Event::Declined { peer, name, reason }),
        };
        channel.send(&body)?;
        channel.close();
        Ok(event)
    }

    fn decide(
        &self,
        channel: &MastersEnd,
        peer: SocketAddr,
        name: String,
        knows_token: bool,
        csrs: &[String],
    ) -> (Body, Event) {
        let asked = Asked {
            name: &name,
            from: peer.ip().to_canonical(),
            any_address: channel.version == OLD_VERSION,
            knows_token,
            certificate: channel.certificate.as_deref(),
            csrs,
        };
        match self.signer.sign(&asked) {
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
