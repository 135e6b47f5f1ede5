//! What can stop the PKI, and what the operator can do about it.

use std::time::SystemTime;

use super::time::{day, span};

#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Nothing is made or judged by a clock that cannot be right.
    #[error("{problem}; set the clock (`show clock`, NTP) and try again")]
    Clock { problem: String },
    /// A file that only the operator has or can decide about.
    #[error("{problem}; {fix}")]
    Operator { problem: String, fix: String },
    /// A certificate that was handed to this node is not what it needs.
    #[error("{0}")]
    NotAccepted(String),
    #[error("{0:#}")]
    Files(#[from] anyhow::Error),
    #[error("cannot {doing}: {why}")]
    Crypto { doing: &'static str, why: String },
}

/// Why the master does not sign.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("refused: {asked}; allowed is {allowed}")]
    Refused { asked: String, allowed: String },
    #[error("not a request that can be signed: {0}")]
    BadRequest(String),
    #[error("cannot sign: {0}")]
    CertificateAuthority(#[from] PkiError),
}

impl PkiError {
    pub(super) fn operator(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        PkiError::Operator { problem: problem.into(), fix: fix.into() }
    }

    pub(crate) fn crypto(doing: &'static str, why: impl ToString) -> Self {
        PkiError::Crypto { doing, why: why.to_string() }
    }

    pub(super) fn not_yet_valid(what: &str, begins: SystemTime, now: SystemTime) -> Self {
        let behind = begins.duration_since(now).unwrap_or_default();
        PkiError::Clock {
            problem: format!(
                "{what} is valid from {} and this clock says {}: it is at least {} behind, or the other one was ahead",
                day(begins),
                day(now),
                span(behind)
            ),
        }
    }
}
