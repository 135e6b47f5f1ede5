//! A certificate authority as it is found: made here, the operator's, or with its key kept elsewhere. What would
//! cut off everything that it has signed is never done; the operator is told what to put back.

use std::{path::Path, time::SystemTime};

use x509_cert::name::Name;

use super::{
    CertificateState, Credential, PkiError,
    certificate::Certificate,
    credential::signed_by,
    directory::{self, KeyFile},
    judge::validity,
    key::PrivateKey,
    profile::ca_subject,
};
use crate::Cluster;

/// What is to be done about one.
pub(super) enum Standing {
    /// There is none, and nothing that it would have signed.
    New,
    /// Its key is good and made here, its certificate has to be made again: everything signed still verifies.
    Renew {
        key: PrivateKey,
        subject: Name,
        why: CertificateState,
        /// The one that there is, where it has not ended: it signs until it does.
        serving: Option<Box<Certificate>>,
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
    ca: Credential,
    cluster: &Cluster,
    now: SystemTime,
) -> Result<Standing, PkiError> {
    let pem = directory::read_certificate(directory, ca)?;
    let key = directory::read_key(directory, ca)?;
    let made_here = directory::key_was_made_here(directory, ca)?;
    let (file, key_file) = (ca.certificate_file(), ca.key_file());
    let certificate = pem.map(|pem| Certificate::parse(&pem));
    match (certificate, key) {
        (None, KeyFile::Missing) => match signed_files(directory, ca)?.as_slice() {
            [] => Ok(Standing::New),
            signed => Err(PkiError::operator(
                format!(
                    "{file} and {key_file} are missing in {}, and what they signed is there: {}",
                    directory.display(),
                    signed.join(", ")
                ),
                format!(
                    "put {file} back from your backup (with {key_file}, unless you keep that elsewhere), or remove those files too to begin with a new certificate authority"
                ),
            )),
        },
        (None, KeyFile::Good(key)) if made_here => renew(directory, ca, cluster, key, CertificateState::Missing),
        (None, KeyFile::Good(_)) => Err(PkiError::operator(
            format!("{key_file} in {} is there without its certificate", directory.display()),
            format!("put {file} beside it"),
        )),
        (None, KeyFile::Damaged(why)) => Err(PkiError::operator(
            format!("{key_file} in {} cannot be used ({why}), and {file} is missing", directory.display()),
            "put both back from your backup",
        )),
        (Some(Err(why)), KeyFile::Good(key)) if made_here => {
            renew(directory, ca, cluster, key, CertificateState::Damaged(why))
        }
        (Some(Err(why)), _) => Err(PkiError::operator(
            format!("{file} in {} cannot be used: {why}", directory.display()),
            format!("put the right {file} there"),
        )),
        (Some(Ok(certificate)), KeyFile::Good(key)) => with_both(directory, ca, certificate, key, made_here, now),
        (Some(Ok(_)), KeyFile::Damaged(why)) => Err(PkiError::operator(
            format!("{key_file} in {} cannot be used: {why}", directory.display()),
            "put it back from your backup, or remove it if you keep the key elsewhere",
        )),
        (Some(Ok(certificate)), KeyFile::Missing) => {
            require_valid(directory, ca, &certificate, now)?;
            Ok(Standing::KeyAway { certificate, why: format!("{key_file} is not here") })
        }
    }
}

/// A certificate authority that signs now; what to do where its key is elsewhere, only who asks can say.
pub(super) fn signer(
    directory: &Path,
    cluster: &Cluster,
    fix: impl FnOnce() -> String,
    now: SystemTime,
) -> Result<(PrivateKey, Certificate), PkiError> {
    match standing(directory, Credential::Ca, cluster, now)? {
        Standing::Sign { key, certificate, .. } => Ok((key, certificate)),
        Standing::Renew { key, serving: Some(certificate), .. } => Ok((key, *certificate)),
        Standing::KeyAway { why, .. } => Err(PkiError::operator(why, fix())),
        Standing::New | Standing::Renew { .. } => {
            let problem = format!("the certificate authority in {} is not ready", directory.display());
            Err(PkiError::operator(problem, "let the PKI be made or renewed on this master first"))
        }
    }
}

fn with_both(
    directory: &Path,
    ca: Credential,
    certificate: Certificate,
    key: PrivateKey,
    made_here: bool,
    now: SystemTime,
) -> Result<Standing, PkiError> {
    if !certificate.has_key(key.public()) {
        let (file, key_file) = (ca.certificate_file(), ca.key_file());
        // The cluster's own has others in its place by a rotation alone.
        if made_here && ca != Credential::Ca {
            require_valid(directory, ca, &certificate, now)?;
            let why = format!("{key_file} was made here, and {file} is another one's that was brought");
            return Ok(Standing::KeyAway { certificate, why });
        }
        return Err(PkiError::operator(
            format!("{file} and {key_file} in {} do not belong together", directory.display()),
            "put the pair there that belongs together",
        ));
    }
    match validity(&certificate, None, now) {
        why @ (CertificateState::Due(_) | CertificateState::Expired(_) | CertificateState::NotYetValid(_))
            if made_here =>
        {
            let subject = certificate.subject().clone();
            let serving = why.serves().then(|| Box::new(certificate));
            Ok(Standing::Renew { key, subject, why, serving })
        }
        _ => {
            require_valid(directory, ca, &certificate, now)?;
            Ok(Standing::Sign { key, certificate, made_here })
        }
    }
}

/// One that cannot be renewed here has to be good as it is.
fn require_valid(directory: &Path, ca: Credential, certificate: &Certificate, now: SystemTime) -> Result<(), PkiError> {
    let file = directory.join(ca.certificate_file());
    if !certificate.is_ca() {
        return Err(PkiError::operator(
            format!("{} is not the certificate of a certificate authority: it may not sign others", file.display()),
            "put a certificate authority's own there (CA:TRUE, Certificate Sign)",
        ));
    }
    match validity(certificate, None, now) {
        CertificateState::NotYetValid(_) => {
            Err(PkiError::not_yet_valid(&file.display().to_string(), certificate.not_before(), now))
        }
        CertificateState::Expired(why) => {
            Err(PkiError::operator(format!("{} {why}", file.display()), "put a new certificate for the same key there"))
        }
        _ => Ok(()),
    }
}

/// The subject has to be the one that stands in what it has signed, whatever cluster.toml says by now.
fn renew(
    directory: &Path,
    ca: Credential,
    cluster: &Cluster,
    key: PrivateKey,
    why: CertificateState,
) -> Result<Standing, PkiError> {
    let mut subject = ca_subject(ca, cluster)?;
    for credential in signed_by(ca) {
        let pem = directory::read_certificate(directory, credential)?;
        let signed = pem.and_then(|pem| Certificate::parse(&pem).ok());
        if let Some(signed) = signed.filter(|signed| signed.is_signed_with(&key.public().0)) {
            subject = signed.issuer().clone();
            break;
        }
    }
    Ok(Standing::Renew { key, subject, why, serving: None })
}

/// The files of the certificates that a certificate authority would have signed.
pub(super) fn signed_files(directory: &Path, ca: Credential) -> Result<Vec<String>, PkiError> {
    let mut found = Vec::new();
    for credential in signed_by(ca) {
        if directory::read_certificate(directory, credential)?.is_some() {
            found.push(credential.certificate_file());
        }
    }
    Ok(found)
}
