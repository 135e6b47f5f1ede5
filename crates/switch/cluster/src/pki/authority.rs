//! A certificate authority as it is found: made here, the operator's, or with its key kept elsewhere. What would
//! cut off everything that it has signed is never done; the operator is told what to put back.

use std::{path::Path, time::SystemTime};

use x509_cert::name::Name;

use super::{
    Credential, PkiError,
    certificate::Certificate,
    directory::{self, KeyFile},
    judge::{State, validity},
    key::PrivateKey,
    profile::authority_subject,
};
use crate::Cluster;

/// What is to be done about an authority.
pub(super) enum Standing {
    /// There is none, and nothing that it would have signed.
    New,
    /// Its key is good and made here, its certificate has to be made again: everything signed still verifies.
    Renew {
        key: PrivateKey,
        subject: Name,
        why: State,
    },
    Sign {
        key: PrivateKey,
        certificate: Certificate,
        made_here: bool,
    },
    /// It can judge but not sign.
    KeyAway {
        certificate: Certificate,
        why: String,
    },
}

pub(super) fn standing(
    directory: &Path,
    authority: Credential,
    cluster: &Cluster,
    now: SystemTime,
) -> Result<Standing, PkiError> {
    let pem = directory::read_certificate(directory, authority)?;
    let key = directory::read_key(directory, authority)?;
    let made_here = directory::key_was_made_here(directory, authority)?;
    let (file, key_file) = (authority.certificate_file(), authority.key_file());
    let certificate = pem.map(|pem| Certificate::parse(&pem));
    match (certificate, key) {
        (None, KeyFile::Missing) => match signed_files(directory, authority)?.as_slice() {
            [] => Ok(Standing::New),
            signed => Err(PkiError::operator(
                format!(
                    "{file} and {key_file} are missing in {}, and what they signed is there: {}",
                    directory.display(),
                    signed.join(", ")
                ),
                format!(
                    "put {file} back from your backup (with {key_file}, unless you keep that elsewhere), or remove those files too to begin with a new authority"
                ),
            )),
        },
        (None, KeyFile::Good(key)) if made_here => renew(directory, authority, cluster, key, State::Missing),
        (None, KeyFile::Good(_)) => Err(PkiError::operator(
            format!("{key_file} in {} is there without its certificate", directory.display()),
            format!("put {file} beside it"),
        )),
        (None, KeyFile::Damaged(why)) => Err(PkiError::operator(
            format!("{key_file} in {} cannot be used ({why}), and {file} is missing", directory.display()),
            "put both back from your backup",
        )),
        (Some(Err(why)), KeyFile::Good(key)) if made_here => {
            renew(directory, authority, cluster, key, State::Damaged(why))
        }
        (Some(Err(why)), _) => Err(PkiError::operator(
            format!("{file} in {} cannot be used: {why}", directory.display()),
            format!("put the right {file} there"),
        )),
        (Some(Ok(certificate)), KeyFile::Good(key)) => {
            with_both(directory, authority, certificate, key, made_here, now)
        }
        (Some(Ok(_)), KeyFile::Damaged(why)) => Err(PkiError::operator(
            format!("{key_file} in {} cannot be used: {why}", directory.display()),
            "put it back from your backup, or remove it if you keep the key elsewhere",
        )),
        (Some(Ok(certificate)), KeyFile::Missing) => {
            require_valid(directory, authority, &certificate, now)?;
            Ok(Standing::KeyAway { certificate, why: format!("{key_file} is not here") })
        }
    }
}

fn with_both(
    directory: &Path,
    authority: Credential,
    certificate: Certificate,
    key: PrivateKey,
    made_here: bool,
    now: SystemTime,
) -> Result<Standing, PkiError> {
    if !certificate.has_key(key.public()) {
        let (file, key_file) = (authority.certificate_file(), authority.key_file());
        return Err(PkiError::operator(
            format!("{file} and {key_file} in {} do not belong together", directory.display()),
            "put the pair there that belongs together",
        ));
    }
    match validity(&certificate, None, now) {
        why @ (State::Due(_) | State::Expired(_) | State::NotYetValid(_)) if made_here => {
            Ok(Standing::Renew { key, subject: certificate.subject().clone(), why })
        }
        _ => {
            require_valid(directory, authority, &certificate, now)?;
            Ok(Standing::Sign { key, certificate, made_here })
        }
    }
}

/// An authority that cannot be renewed here has to be good as it is.
fn require_valid(
    directory: &Path,
    authority: Credential,
    certificate: &Certificate,
    now: SystemTime,
) -> Result<(), PkiError> {
    let file = directory.join(authority.certificate_file());
    if !certificate.is_authority() {
        return Err(PkiError::operator(
            format!("{} is not the certificate of an authority: it may not sign others", file.display()),
            "put an authority's certificate there (CA:TRUE, Certificate Sign)",
        ));
    }
    match validity(certificate, None, now) {
        State::NotYetValid(_) => {
            Err(PkiError::not_yet_valid(&file.display().to_string(), certificate.not_before(), now))
        }
        State::Expired(why) => {
            Err(PkiError::operator(format!("{} {why}", file.display()), "put a new certificate for the same key there"))
        }
        _ => Ok(()),
    }
}

/// The subject has to be the one that stands in what the authority has signed, whatever cluster.toml says by now.
fn renew(
    directory: &Path,
    authority: Credential,
    cluster: &Cluster,
    key: PrivateKey,
    why: State,
) -> Result<Standing, PkiError> {
    let mut subject = authority_subject(authority, cluster)?;
    for credential in Credential::signed_by(authority) {
        let pem = directory::read_certificate(directory, credential)?;
        let signed = pem.and_then(|pem| Certificate::parse(&pem).ok());
        if let Some(signed) = signed.filter(|signed| signed.is_signed_with(&key.public().0)) {
            subject = signed.issuer().clone();
            break;
        }
    }
    Ok(Standing::Renew { key, subject, why })
}

/// The files of the certificates that an authority would have signed.
fn signed_files(directory: &Path, authority: Credential) -> Result<Vec<String>, PkiError> {
    let mut found = Vec::new();
    for credential in Credential::signed_by(authority) {
        if directory::read_certificate(directory, credential)?.is_some() {
            found.push(credential.certificate_file());
        }
    }
    Ok(found)
}
