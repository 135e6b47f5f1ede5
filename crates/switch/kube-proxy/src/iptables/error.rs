//! What can go wrong between us and iptables.

use std::io;
use std::process::ExitStatus;

/// A failure of one of iptables' programs.
#[derive(Debug, thiserror::Error)]
pub enum IptablesError {
    #[error("{program} is not on PATH: install iptables, or extend PATH")]
    NotFound { program: String },
    #[error("cannot run {program}: {error}")]
    NotRun { program: String, error: io::Error },
    #[error(
        "{program} could not get the xtables lock, somebody else holds it for long; it will be tried again: {stderr}"
    )]
    Locked { program: String, stderr: String },
    #[error("{command} ended with {status}: {stderr}")]
    Failed { command: String, status: ExitStatus, stderr: String },
    #[error("cannot read what {program} prints: {error}")]
    NotRead { program: String, error: io::Error },
}

impl IptablesError {
    /// Whether the same may well succeed in a moment.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}
