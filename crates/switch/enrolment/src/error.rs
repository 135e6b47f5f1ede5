//! Why an enrolment did not succeed, what to do about it, and how soon another try is worth it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use rustls::{AlertDescription, CertificateError};

use crate::{
    channel::ChannelError,
    message::{NoRandomness, Refusal},
};

#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    #[error(
        "the master at {master} cannot be reached: {error}; wait for it to start, or check the way to it and that its \
         firewall lets TCP port {port} in",
        port = master.port()
    )]
    Unreachable { master: SocketAddr, error: io::Error },
    #[error(
        "this switch cannot ask the master from {address}, its address in cluster.toml: {error}; configure it on an \
         interface (best a loopback interface), or correct cluster.toml on every switch"
    )]
    NotOurAddress { address: IpAddr, error: io::Error },
    #[error(
        "the exchange with the master at {master} broke off: {error}; it may be starting, busy, or holding back an \
         address with too many attempts: wait for the next try"
    )]
    Interrupted { master: SocketAddr, error: io::Error },
    #[error(
        "the master at {master} does not accept this node's token or its name {name}: make cluster.toml the same on \
         both switches, with this node in it"
    )]
    Refused { master: SocketAddr, name: String },
    #[error(
        "the master at {master} speaks another version of the enrolment protocol: install the same release on both \
         switches"
    )]
    OtherVersion { master: SocketAddr },
    #[error("the master at {master} will not sign for {name}: {reason}")]
    Declined { master: SocketAddr, name: String, reason: String },
    #[error(
        "what answers at {master} did not prove that it knows the token, so nothing of its answer was used: look for a \
         wrong address of the master in cluster.toml, or for someone in between"
    )]
    NotTheMaster { master: SocketAddr },
    #[error(
        "what answers at {master} does not follow the enrolment protocol: {what}; check that this is the master's \
         address and that both switches have the same release"
    )]
    Protocol { master: SocketAddr, what: String },
    #[error(
        "what answers at {master} is not the master: {why}; look for a wrong address of the master in cluster.toml, for a master \
         with an older release, or for someone in between"
    )]
    NotOurMaster { master: SocketAddr, why: String },
    #[error(
        "the master at {master} has an older release, which renews by the token alone: install the same release on both switches"
    )]
    OldMaster { master: SocketAddr },
    #[error(
        "nobody can join at the master {master}, as its cluster.toml has no token: write one under [join], the same on both \
         switches, until this one has joined"
    )]
    NobodyJoins { master: SocketAddr },
    #[error(
        "cluster.toml has no token, and this switch has no certificate authority by which it would know the master: write the \
         master's token under [join], and take it out again once this switch has joined; where it had joined before, put \
         the cluster's ca.pem back"
    )]
    NoToken,
    #[error("this node cannot ask for certificates: {what}")]
    Request { what: String },
}

/// How soon another try is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The other side may be there at any moment.
    Soon,
    /// Somebody has to repair something first, maybe on the other side.
    Slowly,
    /// The request itself is wrong.
    Never,
}

impl EnrolError {
    pub fn retry(&self) -> Retry {
        match self {
            EnrolError::Unreachable { .. } | EnrolError::NotOurAddress { .. } | EnrolError::Interrupted { .. } => {
                Retry::Soon
            }
            EnrolError::Refused { .. }
            | EnrolError::OtherVersion { .. }
            | EnrolError::Declined { .. }
            | EnrolError::NotTheMaster { .. }
            | EnrolError::NotOurMaster { .. }
            | EnrolError::OldMaster { .. }
            | EnrolError::NobodyJoins { .. }
            | EnrolError::Protocol { .. } => Retry::Slowly,
            EnrolError::NoToken | EnrolError::Request { .. } => Retry::Never,
        }
    }

    /// Whether somebody was reached who did not give what was asked for: asked by the token, it may.
    pub(crate) fn is_by_the_other_side(&self) -> bool {
        self.retry() == Retry::Slowly
    }

    /// The one to tell of two ways to ask that have both failed, this one by the key. What the master has said to the key is proven
    /// to be its word; where it is another one's, or an old one's, what it says to the token is more.
    pub(crate) fn or(self, by_token: EnrolError) -> EnrolError {
        match (self, by_token) {
            (by_key @ EnrolError::Declined { .. }, EnrolError::Refused { .. } | EnrolError::NobodyJoins { .. }) => {
                by_key
            }
            (_, by_token) => by_token,
        }
    }

    pub(crate) fn of_renewal(master: SocketAddr, error: ChannelError) -> EnrolError {
        match error {
            ChannelError::Tls(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
                EnrolError::OldMaster { master }
            }
            error => EnrolError::of_channel(master, error),
        }
    }

    pub(crate) fn of_channel(master: SocketAddr, error: ChannelError) -> EnrolError {
        match error {
            ChannelError::Io(error) => EnrolError::Interrupted { master, error },
            ChannelError::Tls(rustls::Error::InvalidCertificate(CertificateError::Other(why))) => {
                EnrolError::NotOurMaster { master, why: why.to_string() }
            }
            ChannelError::Sent(what) => EnrolError::Request { what: format!("they make {what}; ask for fewer") },
            ChannelError::Tls(_) | ChannelError::Received(_) => {
                EnrolError::Protocol { master, what: error.to_string() }
            }
        }
    }

    pub(crate) fn of_refusal(master: SocketAddr, name: &str, refusal: Refusal) -> EnrolError {
        match refusal {
            Refusal::TokenOrName => EnrolError::Refused { master, name: name.to_owned() },
            Refusal::NobodyJoins => EnrolError::NobodyJoins { master },
            Refusal::Version => EnrolError::OtherVersion { master },
        }
    }
}

impl From<NoRandomness> for EnrolError {
    fn from(error: NoRandomness) -> Self {
        EnrolError::Request { what: error.to_string() }
    }
}
