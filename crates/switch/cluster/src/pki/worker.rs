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
    profile::{self, Renewed},
    succession::Succession,
    superseded,
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
    requests_renewed(path, cluster, node, Renewed::BySwitches, now)
}

pub(super) fn requests_renewed(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    renewed: Renewed,
    now: SystemTime,
) -> Result<Option<Vec<CertificateRequest>>, PkiError> {
    check_clock(now)?;
    let directory = Directory::open(path)?;
    // No certificate ends after its certificate authority's, so that that one's own new one comes with theirs in time.
    let settled = |(credential, state): &(Credential, CertificateState)| match credential {
        Credential::Ca => state.serves(),
        _ => *state == CertificateState::Ok,
    };
    if worker_states(path, cluster, node, renewed, now)?.iter().all(settled) {
        return Ok(None);
    }
    make_requests(path, cluster, node, &directory).map(Some)
}

/// What to ask the master for although all that is here is right: its certificate authority is another one by now.
pub fn requests_anew(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    now: SystemTime,
) -> Result<Vec<CertificateRequest>, PkiError> {
    check_clock(now)?;
    make_requests(path, cluster, node, &Directory::open(path)?)
}

fn make_requests(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    directory: &Directory,
) -> Result<Vec<CertificateRequest>, PkiError> {
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
    Credential::WORKER.into_iter().map(request).collect()
}

/// Verifies what the master has handed over, whole, and then writes it. A worker that has a certificate authority keeps to it.
pub fn accept(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    issued: &SignedCertificates,
    now: SystemTime,
) -> Result<Vec<(Credential, Outcome)>, PkiError> {
    accept_renewed(path, cluster, node, issued, Renewed::BySwitches, now)
}

pub(super) fn accept_renewed(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    issued: &SignedCertificates,
    renewed: Renewed,
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
    pinned::require(path, &cas, cluster.ca_hash)?;
    check_validity("ca.pem", ca, now)?;
    if issued.certificates.len() != Credential::WORKER.len() {
        let why = format!("there are {} instead of {}", issued.certificates.len(), Credential::WORKER.len());
        return Err(refuse("the list of certificates", &why));
    }
    let before = worker_states(path, cluster, node, renewed, now)?;
    let there = directory::read_certificate(path, Credential::Ca)?;
    let there = there.and_then(|pem| CertificateAuthorities::parse(&pem).ok());
    // From then on copies of what the replaced authority has signed are good for nothing.
    let succession_ends = there.as_ref().and_then(Succession::of).is_some() && Succession::of(&cas).is_none();
    if before.iter().all(|(_, state)| *state == CertificateState::Ok)
        && there.is_some_and(|there| there.has_the_certificates_of(&cas))
    {
        // It was asked whether the authority is another one by now, and it is not.
        return Ok(before.into_iter().map(|(credential, _)| (credential, Outcome::Kept)).collect());
    }
    let mut batch = Batch::default();
    let (mut outcomes, mut replaced) = (Vec::new(), Vec::new());
    let ca_pem = cas.to_pem()?;
    let pems = [(Credential::Ca, &ca_pem)].into_iter().chain(Credential::WORKER.into_iter().zip(&issued.certificates));
    for (credential, pem) in pems {
        let file = credential.certificate_file();
        let state = before.iter().find(|(known, _)| *known == credential).map(|(_, state)| state);
        let old = directory::read_certificate(path, credential)?;
        let mut is_as_good = false;
        if credential != Credential::Ca {
            let certificate = Certificate::parse(pem.as_bytes()).map_err(|why| refuse(&file, &why))?;
            if !certificate.has_key(own_key(path, credential)?.public()) {
                return Err(refuse(&file, "it does not belong to this node's key"));
            }
            let profile = profile::renewed(credential, cluster, node, renewed)?;
            if let Some(why) = deviation(&certificate, &profile, ca) {
                return Err(refuse(&file, &why));
            }
            check_validity(&file, &certificate, now)?;
            // A master of the old release has none that are shorter.
            is_as_good = matches!(state, Some(CertificateState::LongLived(_))) && profile.is_outlasted_by(&certificate);
            if !is_as_good {
                let end = superseded::long_end(old.as_ref().map(|old| old.as_slice()), &profile, now);
                replaced.extend(end.map(|end| (credential, end)));
            }
        }
        let is_there = |old: &[u8]| match credential {
            Credential::Ca => CertificateAuthorities::parse(old).is_ok_and(|old| old.has_the_certificates_of(&cas)),
            _ => old == pem.as_bytes(),
        };
        if is_as_good || old.as_ref().is_some_and(|old| is_there(old)) {
            outcomes.push((credential, Outcome::Kept));
            continue;
        }
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
    if succession_ends {
        superseded::forget(path, &mut batch, |_| false, now)?;
    } else {
        superseded::remember(path, &mut batch, &replaced, now)?;
    }
    directory.write(&batch)?;
    Ok(outcomes)
}

/// How a worker's files stand.
pub(super) fn worker_states(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    renewed: Renewed,
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
    let succession = Succession::read(path)?;
    let replaced = succession.as_ref().map(|succession| &succession.replaced);
    let mut states = vec![(Credential::Ca, validity(&ca, None, now))];
    for credential in Credential::WORKER {
        let profile = profile::renewed(credential, cluster, node, renewed)?;
        let pem = directory::read_certificate(path, credential)?;
        let key = directory::read_key(path, credential)?;
        let pem = pem.as_ref().map(|pem| pem.as_slice());
        states.push((credential, judge::leaf(pem, &profile, &key, &ca, replaced, None, now)));
    }
    Ok(states)
}

pub(super) fn own_key(path: &Path, credential: Credential) -> Result<super::key::PrivateKey, PkiError> {
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
