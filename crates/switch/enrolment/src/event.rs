//! What happens at the master, for its log.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Certificates were made and sent.
    Issued {
        peer: SocketAddr,
        name: String,
        certificates: usize,
        remark: Option<String>,
    },
    /// The worker is one of ours, and its requests were not signed.
    Declined {
        peer: SocketAddr,
        name: String,
        reason: String,
    },
    UnknownName {
        peer: SocketAddr,
        name: String,
    },
    WrongToken {
        peer: SocketAddr,
        name: String,
    },
    /// By the token, and this master has none.
    NobodyJoins {
        peer: SocketAddr,
        name: String,
    },
    OtherVersion {
        peer: SocketAddr,
        name: String,
        version: u32,
    },
    /// The exchange did not come to its end.
    Broken {
        peer: SocketAddr,
        error: String,
    },
    /// There are too many connections at once, and this one was closed.
    Busy {
        peer: SocketAddr,
    },
    /// Told once a minute for each address, however often it tries.
    TooManyAttempts {
        address: IpAddr,
    },
    /// The kernel would not give us a connection, or a thread for it.
    NotTaken {
        error: String,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Issued { peer, name, certificates, remark } => {
                write!(f, "enrolment: {name} at {peer} has got {certificates} certificates")?;
                remark.as_ref().map_or(Ok(()), |remark| write!(f, "; {remark}"))
            }
            Event::Declined { peer, name, reason } => {
                write!(f, "enrolment: nothing signed for {name} at {peer}: {reason}")
            }
            Event::UnknownName { peer, name } => write!(
                f,
                "enrolment: {peer} knows the token, but its name {name} is not in cluster.toml: add it there, or \
                 correct that switch's name"
            ),
            Event::WrongToken { peer, name } => write!(
                f,
                "enrolment: {peer} calls itself {name} and does not know the token: if it is one of ours, make its \
                 cluster.toml the same as here"
            ),
            Event::NobodyJoins { peer, name } => write!(
                f,
                "enrolment: {peer} calls itself {name} and would join, and nobody can, as cluster.toml has no token: write \
                 one under [join] where it is to join, the same on both switches"
            ),
            Event::OtherVersion { peer, name, version } => write!(
                f,
                "enrolment: {name} at {peer} speaks version {version} of the protocol: install the same release on \
                 both switches"
            ),
            Event::Broken { peer, error } => write!(f, "enrolment: the exchange with {peer} broke off: {error}"),
            Event::Busy { peer } => {
                write!(f, "enrolment: {peer} was sent away, as there are too many at once; it may come again")
            }
            Event::TooManyAttempts { address } => {
                write!(f, "enrolment: {address} tries too often and is not listened to for up to a minute")
            }
            Event::NotTaken { error } => {
                write!(
                    f,
                    "enrolment: a connection could not be taken: {error}; look for what has used up memory or files"
                )
            }
        }
    }
}
