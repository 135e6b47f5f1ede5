//! The cluster's public key infrastructure: made on the master, enrolled by workers, kept for years.
//!
//! Every credential is `NAME-key.pem` and `NAME.pem` in one directory. Keys are written before certificates, so that a
//! power cut between them is repaired by issuing for the key that is there. What is right is left alone byte for
//! byte; what only the operator can decide about stops everything before anything is written.
//!
//! On the master: [`ensure_master`], [`sign`], [`requested_keys`] and [`served_key`]. On a worker: [`requests`], [`accept`]. On both: [`inspect`].
//! On the operator's own host: [`whole_cluster`].

mod certificate;
mod certificate_authority;
mod credential;
mod directory;
mod error;
mod inspect;
mod issue;
mod judge;
mod key;
mod keys;
mod master;
mod name;
mod node_key;
mod pinned;
mod profile;
mod service_account;
mod sign;
mod time;
mod whole_cluster;
mod worker;

use serde::Serialize;

pub use contract::{
    Credential,
    status::{CertificateState, CertificateStatus},
};
pub use error::{PkiError, SignError};
pub use inspect::inspect;
pub use master::ensure_master;
pub use node_key::{KeyDigest, authority_key, served_key};
pub use sign::{SignedCertificates, requested_keys, sign};
pub use whole_cluster::{MadeFor, OperatorCa, whole_cluster};
pub use worker::{CertificateRequest, accept, requests};

/// What was done about a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was right.
    Kept,
    Made,
    Renewed {
        why: String,
    },
    /// It serves and is to be renewed, and the certificate authority's key is elsewhere: the operator has to do it.
    Due {
        why: String,
    },
    /// It is the operator's, and used as it is.
    Taken,
}

impl Outcome {
    /// Of making something again that stood so.
    fn of(state: &CertificateState) -> Self {
        match state {
            CertificateState::Missing => Outcome::Made,
            state => Outcome::Renewed { why: state.to_string() },
        }
    }
}
