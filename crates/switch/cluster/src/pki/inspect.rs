//! How every certificate of a node stands, for the person on the switch. Writes nothing, locks nothing.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use contract::status::{CertificateState, CertificateStatus};

use super::{
    Credential, PkiError,
    certificate::Certificate,
    credential::ca_of,
    directory, issue, judge,
    name::shown,
    profile,
    succession::Succession,
    time::{day, days_left},
};
use crate::{Cluster, Node};

pub fn inspect(path: &Path, cluster: &Cluster, node: &Node, now: SystemTime) -> Vec<CertificateStatus> {
    let worker = [Credential::Ca, Credential::Node, Credential::KubeProxy];
    let all: &[Credential] = if node.master { Credential::MASTER } else { &worker };
    let certificates = all.iter().filter(|credential| **credential != Credential::ServiceAccount);
    certificates.map(|credential| status(path, *credential, cluster, node, now)).collect()
}

fn status(path: &Path, credential: Credential, cluster: &Cluster, node: &Node, now: SystemTime) -> CertificateStatus {
    let certificate = read(path, credential);
    let state = match &certificate {
        Err(state) => state.clone(),
        Ok(certificate) if credential.is_ca() => judge::validity(certificate, None, now),
        Ok(_) => {
            leaf(path, credential, cluster, node, now).unwrap_or_else(|why| CertificateState::Damaged(why.to_string()))
        }
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
) -> Result<CertificateState, PkiError> {
    let succession = if ca_of(credential) == Credential::Ca { Succession::read(path)? } else { None };
    let replaced = succession.as_ref().map(|succession| &succession.replaced);
    let ca = match read(path, ca_of(credential)) {
        Ok(ca) => ca,
        Err(state) => {
            let file = ca_of(credential).certificate_file();
            return Ok(CertificateState::Wrong(format!(
                "{file}, which it is verified with, is not there or damaged: {state}"
            )));
        }
    };
    let pem = directory::read_certificate(path, credential)?;
    let key = directory::read_key(path, credential)?;
    let profile = profile::leaf(credential, cluster, node)?;
    // A worker gets its certificate authority's own new one with its own: see `requests`.
    let renewed = node.master.then(|| issue::leaf_end(&profile, &ca, now));
    Ok(judge::leaf(pem.as_ref().map(|pem| pem.as_slice()), &profile, &key, &ca, replaced, renewed, now))
}

fn read(path: &Path, credential: Credential) -> Result<Certificate, CertificateState> {
    match directory::read_certificate(path, credential) {
        Ok(Some(pem)) => Certificate::parse(&pem).map_err(CertificateState::Damaged),
        Ok(None) => Err(CertificateState::Missing),
        Err(why) => Err(CertificateState::Damaged(why.to_string())),
    }
}
