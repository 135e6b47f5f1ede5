//! The cluster's public key infrastructure: made on the master, enrolled by workers, kept for years.
//!
//! Every credential is `NAME-key.pem` and `NAME.pem` in one directory. Keys are written before certificates, so that a
//! power cut between them is repaired by issuing for the key that is there. What is right is left alone byte for
//! byte; what only the operator can decide about stops everything before anything is written.
//!
//! On the master: [`ensure_master`], [`sign`], [`requested_keys`], [`served_key`], [`master_identity`], [`shown_key`], [`certify`],
//! [`certify_server`] and [`authority_remarks`]. On a worker: [`requests`], [`accept`], [`node_identity`] and [`KnownMaster`]. On both: [`ensure_clients`],
//! [`inspect`], [`inspect_clients`] and [`superseded`].
//! On the operator's own host: [`whole_cluster`]. Another certificate authority takes the cluster's over by
//! [`begin_rotation`] and [`finish_rotation`], and [`earlier_authorities`] were before it.

mod certificate;
mod certificate_authority;
mod clients;
mod credential;
mod directory;
mod earlier;
mod error;
mod fitness;
mod identity;
mod inspect;
mod issue;
mod judge;
mod key;
mod keys;
mod master;
mod name;
mod name_constraints;
mod node_key;
mod pinned;
mod profile;
mod rotation;
mod service_account;
mod sign;
mod succession;
mod superseded;
mod time;
mod user;
mod whole_cluster;
mod worker;

use serde::Serialize;

pub use clients::{Clients, ensure_clients, inspect_clients};
pub use contract::{
    Credential,
    status::{CertificateState, CertificateStatus},
};
pub use directory::key_was_made_here;
pub use earlier::earlier_authorities;
pub use error::{PkiError, SignError};
pub use fitness::authority_remarks;
pub use identity::{KnownMaster, ca_hash, master_identity, node_identity, shown_key};
pub use inspect::inspect;
pub use master::ensure_master;
pub use node_key::{AuthorityKeys, KeyDigest, authority_keys, served_key};
pub use profile::node_user;
pub use rotation::{Rotation, begin_rotation, finish_rotation, has_changed_over, has_moved_on, rotation};
pub use sign::{SignedCertificates, requested_keys, sign};
pub use superseded::superseded;
pub use time::check_clock;
pub use user::{User, UserCertificate, certify, certify_server};
pub use whole_cluster::{MadeFor, OperatorCa, whole_cluster};
pub use worker::{CertificateRequest, accept, requests, requests_anew};

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
