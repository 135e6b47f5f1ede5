//! Why an enrolment did not succeed, what to do about it, and how soon another try is worth it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

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
            | EnrolError::Protocol { .. } => Retry::Slowly,
            EnrolError::Request { .. } => Retry::Never,
        }
    }

    pub(crate) fn of_channel(master: SocketAddr, error: ChannelError) -> EnrolError {
        match error {
            ChannelError::Io(error) => EnrolError::Interrupted { master, error },
            ChannelError::Sent(what) => EnrolError::Request { what: format!("they make {what}; ask for fewer") },
            ChannelError::Tls(_) | ChannelError::Received(_) => {
                EnrolError::Protocol { master, what: error.to_string() }
            }
        }
    }

    pub(crate) fn of_refusal(master: SocketAddr, name: &str, refusal: Refusal) -> EnrolError {
        match refusal {
            Refusal::TokenOrName => EnrolError::Refused { master, name: name.to_owned() },
            Refusal::Version => EnrolError::OtherVersion { master },
        }
    }
}

impl From<NoRandomness> for EnrolError {
    fn from(error: NoRandomness) -> Self {
        EnrolError::Request { what: error.to_string() }
    }
}
