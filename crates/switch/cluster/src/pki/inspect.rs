//! How every certificate of a node stands, for the person on the switch. Writes nothing, locks nothing.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use super::{
    Credential, PkiError,
    certificate::Certificate,
    directory, issue, judge,
    judge::State,
    name::shown,
    profile,
    time::{day, days_left},
};
use crate::{Cluster, Node};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateStatus {
    pub credential: Credential,
    /// None where it cannot be read.
    pub subject: Option<String>,
    /// As people read it, in UTC.
    pub not_after: Option<String>,
    /// Seconds since 1970.
    pub not_after_seconds: Option<u64>,
    pub days_left: Option<i64>,
    #[serde(flatten)]
    pub state: State,
}

pub fn inspect(path: &Path, cluster: &Cluster, node: &Node, now: SystemTime) -> Vec<CertificateStatus> {
    let worker = [Credential::Ca, Credential::Node, Credential::KubeProxy];
    let all: &[Credential] = if node.master { &Credential::MASTER } else { &worker };
    let certificates = all.iter().filter(|credential| **credential != Credential::ServiceAccount);
    certificates.map(|credential| status(path, *credential, cluster, node, now)).collect()
}

fn status(path: &Path, credential: Credential, cluster: &Cluster, node: &Node, now: SystemTime) -> CertificateStatus {
    let certificate = read(path, credential);
    let state = match &certificate {
        Err(state) => state.clone(),
        Ok(certificate) if credential.is_authority() => judge::validity(certificate, None, now),
        Ok(_) => leaf(path, credential, cluster, node, now).unwrap_or_else(|why| State::Damaged(why.to_string())),
    };
    let certificate = certificate.ok();
    let end = certificate.as_ref().map(Certificate::not_after);
    CertificateStatus {
        credential,
        subject: certificate.as_ref().map(|certificate| shown(certificate.subject())),
        not_after: end.map(day),
        not_after_seconds: end.and_then(|end| end.duration_since(UNIX_EPOCH).ok()).map(|end| end.as_secs()),
        days_left: end.map(|end| days_left(end, now)),
        state,
    }
}

fn leaf(
    path: &Path,
    credential: Credential,
    cluster: &Cluster,
    node: &Node,
    now: SystemTime,
) -> Result<State, PkiError> {
    let authority = match read(path, credential.authority()) {
        Ok(authority) => authority,
        Err(state) => {
            let file = credential.authority().certificate_file();
            return Ok(State::Wrong(format!("{file}, which it is verified with, is not there or damaged: {state}")));
        }
    };
    let pem = directory::read_certificate(path, credential)?;
    let key = directory::read_key(path, credential)?;
    let profile = profile::leaf(credential, cluster, node)?;
    // A worker gets its authority's own new certificate with its own: see `requests`.
    let renewed = node.master.then(|| issue::leaf_end(&authority, now));
    Ok(judge::leaf(pem.as_ref().map(|pem| pem.as_slice()), &profile, &key, &authority, renewed, now))
}

fn read(path: &Path, credential: Credential) -> Result<Certificate, State> {
    match directory::read_certificate(path, credential) {
        Ok(Some(pem)) => Certificate::parse(&pem).map_err(State::Damaged),
        Ok(None) => Err(State::Missing),
        Err(why) => Err(State::Damaged(why.to_string())),
    }
}
