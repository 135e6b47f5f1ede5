//! Whether an operator's certificate authority can be that of this cluster, judged as `openssl verify` would judge what it signs: by
//! every certificate of its file that leads upwards from the one that signs.
//!
//! No cluster begins with one that cannot. One that has signed already goes on: then it is only told.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use x509_cert::der::asn1::ObjectIdentifier;

use super::{
    Credential, PkiError,
    certificate::{CLIENT_AUTH, Certificate, SERVER_AUTH},
    certificate_authority::signed_files,
    directory,
    judge::validity,
    name::shown,
    name_constraints::{self, Names},
    pinned::CertificateAuthorities,
    profile::{self, Profile},
    time::{check_clock, day, days_left},
};
use crate::Cluster;

/// One that ends sooner is no beginning for a cluster: nothing that it signs lasts longer.
const SOON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Critical extensions that a certificate authority may have, as openssl and Go know them: key usage, alternative names of the subject,
/// basic constraints, name constraints, places of revocation lists, policies, extended usage.
const KNOWN: [ObjectIdentifier; 7] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.17"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.30"),
    ObjectIdentifier::new_unwrap("2.5.29.31"),
    ObjectIdentifier::new_unwrap("2.5.29.32"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
];

/// Those that openssl knows beside them: mappings of policies, constraints of policies, no policy but these.
const KNOWN_TO_OPENSSL: [ObjectIdentifier; 3] = [
    ObjectIdentifier::new_unwrap("2.5.29.33"),
    ObjectIdentifier::new_unwrap("2.5.29.36"),
    ObjectIdentifier::new_unwrap("2.5.29.54"),
];

/// What is wrong with the operator's certificate authorities on a master whose cluster runs with them.
pub fn authority_remarks(path: &Path, cluster: &Cluster, now: SystemTime) -> Vec<String> {
    let of = |ca: Credential| -> Result<Vec<String>, PkiError> {
        check_clock(now)?;
        let Some(pem) = directory::read_certificate(path, ca)? else { return Ok(vec![]) };
        // What cannot be read is told of the certificate itself.
        let Ok(found) = CertificateAuthorities::parse(&pem) else { return Ok(vec![]) };
        if directory::key_was_made_here(path, ca)? {
            return Ok(vec![]);
        }
        let file = ca.certificate_file();
        let problems = problems(ca, &found, &profile::all_of(ca, cluster)?, now);
        Ok(problems
            .into_iter()
            .map(|problem| format!("{file}: {problem}; no new cluster would begin with it"))
            .collect())
    };
    Credential::AUTHORITIES.into_iter().flat_map(|ca| of(ca).unwrap_or_default()).collect()
}

/// Fails where nothing is signed yet and what would be signed could not be used.
pub(super) fn require_of_new(path: &Path, ca: Credential, cluster: &Cluster, now: SystemTime) -> Result<(), PkiError> {
    if !signed_files(path, ca)?.is_empty() {
        return Ok(());
    }
    let file = path.join(ca.certificate_file());
    match directory::read_certificate(path, ca)? {
        Some(pem) => require(&file, &pem, ca, cluster, now),
        None => Ok(()),
    }
}

/// The same of a file wherever it is.
pub(super) fn require(
    file: &Path,
    pem: &[u8],
    ca: Credential,
    cluster: &Cluster,
    now: SystemTime,
) -> Result<(), PkiError> {
    let unusable = |why: String| {
        let problem = format!("no new cluster begins with {}: {why}", file.display());
        PkiError::operator(problem, "take another certificate authority, or have this one issued otherwise")
    };
    let found = CertificateAuthorities::parse(pem).map_err(unusable)?;
    match problems(ca, &found, &profile::all_of(ca, cluster)?, now).as_slice() {
        [] => Ok(()),
        problems => Err(unusable(problems.join("; "))),
    }
}

fn problems(ca: Credential, found: &CertificateAuthorities, desired: &[Profile], now: SystemTime) -> Vec<String> {
    let certificates = found.certificates();
    let chain = upwards(&certificates);
    let mut problems = Vec::new();
    let believes_all = match ca {
        Credential::EtcdCa => Some("etcd lets in"),
        Credential::FrontProxyCa => Some("the API server believes in its headers"),
        _ => None,
    };
    if let Some(who) = believes_all.filter(|_| certificates.len() > 1) {
        problems.push(format!("{who} whom any certificate of it has signed for: leave the first one alone in it"));
    }
    let mut between = 0;
    for (index, certificate) in chain.iter().enumerate() {
        let name = shown(certificate.subject());
        let below = &chain[..index];
        let wrong = own_problem(certificate, between, now).or_else(|| {
            let names = below.iter().map(|certificate| Names::of_certificate(certificate));
            let names = desired.iter().map(Names::of_profile).chain(names);
            let forbidden = name_constraints::forbidden(certificate, names);
            forbidden.or_else(|| if index == 0 { beyond_go(certificate) } else { None })
        });
        problems.extend(wrong.map(|why| format!("{name} {why}")));
        if certificate.subject() != certificate.issuer() {
            between += 1;
        }
    }
    problems
}

/// The certificate that signs, the one that has issued it, and so on, as far as they are there.
fn upwards(certificates: &[Certificate]) -> Vec<&Certificate> {
    let mut chain: Vec<&Certificate> = certificates.iter().take(1).collect();
    while let Some(last) = chain.last().filter(|last| last.subject() != last.issuer()) {
        let is_new = |one: &&Certificate| !chain.iter().any(|there| std::ptr::eq(*there, *one));
        let Some(next) = certificates.iter().filter(is_new).find(|one| last.is_issued_by(one)) else { break };
        chain.push(next);
    }
    chain
}

/// What is wrong with a certificate authority whatever it signs; `between` is how many are between it and a leaf.
fn own_problem(certificate: &Certificate, between: usize, now: SystemTime) -> Option<String> {
    if !certificate.is_ca() {
        return Some("may not sign certificates".into());
    }
    let end = certificate.not_after();
    let state = validity(certificate, None, now);
    if !state.serves() {
        return Some(state.to_string());
    }
    if end.duration_since(now).is_ok_and(|left| left < SOON) {
        return Some(format!("ends in {} days, on {}", days_left(end, now), day(end)));
    }
    if certificate.path_length().is_some_and(|allowed| between > usize::from(allowed)) {
        return Some("may not have as many certificate authorities below it (its path length)".into());
    }
    for (usage, kind) in [(CLIENT_AUTH, "clients"), (SERVER_AUTH, "servers")] {
        if !certificate.allows_usage(usage) {
            return Some(format!("may not sign for {kind} (its extended key usage)"));
        }
    }
    let known = |one: &ObjectIdentifier| KNOWN.contains(one) || KNOWN_TO_OPENSSL.contains(one);
    let unknown = certificate.critical_extensions().find(|critical| !known(critical));
    unknown.map(|unknown| format!("has the critical extension {unknown}, which nobody here knows"))
}

/// What Kubernetes' programs, which are of Go, find in the certificate that signs, where openssl finds nothing. They look no higher.
fn beyond_go(certificate: &Certificate) -> Option<String> {
    let unknown = certificate.critical_extensions().find(|critical| KNOWN_TO_OPENSSL.contains(critical));
    let unknown =
        unknown.map(|unknown| format!("has the critical extension {unknown}, which Kubernetes does not know"));
    unknown.or_else(|| name_constraints::beyond_go(certificate))
}
