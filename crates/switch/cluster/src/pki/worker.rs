//! A worker's part: its keys are made here and stay here, the master signs.

use std::{path::Path, time::SystemTime};

use super::{
    CertificateState, Credential, Outcome, PkiError, SignedCertificates,
    certificate::Certificate,
    directory::{self, Batch, Directory, KeyFile},
    issue,
    judge::{self, deviation, validity},
    keys,
    pinned::{self, CertificateAuthorities},
    profile::{self, Profile},
    time::check_clock,
};
use crate::{Cluster, Node};

/// A certificate request for the master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    pub credential: Credential,
    pub pem: String,
}

/// What to ask the master for; nothing when every certificate is there, right and not due.
pub fn requests(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    now: SystemTime,
) -> Result<Option<Vec<CertificateRequest>>, PkiError> {
    check_clock(now)?;
    let directory = Directory::open(path)?;
    // No certificate ends after its certificate authority's, so that that one's own new one comes with theirs in time.
    let settled = |(credential, state): &(Credential, CertificateState)| match credential {
        Credential::Ca => state.serves(),
        _ => *state == CertificateState::Ok,
    };
    if worker_states(path, cluster, node, now)?.iter().all(settled) {
        return Ok(None);
    }
    let mut missing = Vec::new();
    for credential in Credential::WORKER {
        if !matches!(directory::read_key(path, credential)?, KeyFile::Good(_)) {
            missing.push(credential);
        }
    }
    let mut batch = Batch::default();
    keys::generate(cluster.key, &missing)?.iter().for_each(|(credential, key)| batch.add_key(*credential, key));
    directory.write(&batch)?;
    let request = |credential| {
        let subject = profile::leaf(credential, cluster, node)?.subject;
        let key = own_key(path, credential)?;
        Ok(CertificateRequest { credential, pem: issue::request(&subject, &key)? })
    };
    Credential::WORKER.into_iter().map(request).collect::<Result<_, _>>().map(Some)
}

/// Verifies what the master has handed over, whole, and then writes it. A worker that has a certificate authority keeps to it.
pub fn accept(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    issued: &SignedCertificates,
    now: SystemTime,
) -> Result<Vec<(Credential, Outcome)>, PkiError> {
    check_clock(now)?;
    let directory = Directory::open(path)?;
    let refuse =
        |what: &str, why: &str| PkiError::NotAccepted(format!("{what} from the master is not accepted: {why}"));
    let cas = CertificateAuthorities::parse(issued.ca_pem.as_bytes()).map_err(|why| refuse("ca.pem", &why))?;
    let ca = &cas.signing;
    if !ca.is_ca() {
        return Err(refuse("ca.pem", "it may not sign certificates"));
    }
    pinned::require(path, &cas)?;
    check_validity("ca.pem", ca, now)?;
    if issued.certificates.len() != Credential::WORKER.len() {
        let why = format!("there are {} instead of {}", issued.certificates.len(), Credential::WORKER.len());
        return Err(refuse("the list of certificates", &why));
    }
    let before = worker_states(path, cluster, node, now)?;
    let mut batch = Batch::default();
    let mut outcomes = Vec::new();
    let ca_pem = cas.to_pem()?;
    let pems = [(Credential::Ca, &ca_pem)].into_iter().chain(Credential::WORKER.into_iter().zip(&issued.certificates));
    for (credential, pem) in pems {
        let file = credential.certificate_file();
        if credential != Credential::Ca {
            let certificate = Certificate::parse(pem.as_bytes()).map_err(|why| refuse(&file, &why))?;
            if !certificate.has_key(own_key(path, credential)?.public()) {
                return Err(refuse(&file, "it does not belong to this node's key"));
            }
            let profile: Profile = profile::leaf(credential, cluster, node)?;
            if let Some(why) = deviation(&certificate, &profile, ca) {
                return Err(refuse(&file, &why));
            }
            check_validity(&file, &certificate, now)?;
        }
        let is_there = |old: &[u8]| match credential {
            Credential::Ca => CertificateAuthorities::parse(old).is_ok_and(|old| old.has_the_certificates_of(&cas)),
            _ => old == pem.as_bytes(),
        };
        if directory::read_certificate(path, credential)?.is_some_and(|old| is_there(&old)) {
            outcomes.push((credential, Outcome::Kept));
            continue;
        }
        let state = before.iter().find(|(known, _)| *known == credential).map(|(_, state)| state);
        outcomes.push((
            credential,
            match state {
                Some(CertificateState::Ok) => Outcome::Renewed { why: "the master has sent another".into() },
                Some(state) => Outcome::of(state),
                None => Outcome::Made,
            },
        ));
        batch.add_certificate(credential, pem.clone());
    }
    directory.write(&batch)?;
    Ok(outcomes)
}

/// How a worker's files stand.
pub(super) fn worker_states(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    now: SystemTime,
) -> Result<Vec<(Credential, CertificateState)>, PkiError> {
    let ca = directory::read_certificate(path, Credential::Ca)?.map(|pem| Certificate::parse(&pem));
    let ca = match ca {
        Some(Ok(ca)) => ca,
        none => {
            let state = none.and_then(Result::err).map_or(CertificateState::Missing, CertificateState::Damaged);
            let unknown =
                CertificateState::Wrong("the certificate of its certificate authority is missing or damaged".into());
            let mut states = vec![(Credential::Ca, state)];
            for credential in Credential::WORKER {
                let there = directory::read_certificate(path, credential)?.is_some();
                states.push((credential, if there { unknown.clone() } else { CertificateState::Missing }));
            }
            return Ok(states);
        }
    };
    let mut states = vec![(Credential::Ca, validity(&ca, None, now))];
    for credential in Credential::WORKER {
        let profile = profile::leaf(credential, cluster, node)?;
        let pem = directory::read_certificate(path, credential)?;
        let key = directory::read_key(path, credential)?;
        states.push((credential, judge::leaf(pem.as_ref().map(|pem| pem.as_slice()), &profile, &key, &ca, None, now)));
    }
    Ok(states)
}

fn own_key(path: &Path, credential: Credential) -> Result<super::key::PrivateKey, PkiError> {
    match directory::read_key(path, credential)? {
        KeyFile::Good(key) => Ok(key),
        _ => Err(PkiError::operator(
            format!("{} in {} is missing or damaged", credential.key_file(), path.display()),
            "enrol again: a new key is made then",
        )),
    }
}

fn check_validity(file: &str, certificate: &Certificate, now: SystemTime) -> Result<(), PkiError> {
    let what = format!("{file} from the master");
    match validity(certificate, None, now) {
        CertificateState::NotYetValid(_) => Err(PkiError::not_yet_valid(&what, certificate.not_before(), now)),
        CertificateState::Expired(why) => {
            Err(PkiError::NotAccepted(format!("{what} {why}: compare this clock with the master's")))
        }
        _ => Ok(()),
    }
}
