//! The certificate authority that a worker keeps to: the one in the ca.pem that it has. What counts is its public key, so that one
//! whose certificate was issued again is the same one.
//!
//! Whoever reads ca.pem trusts every certificate in it. So each one that the master sends has to be known, and what is
//! written is what was looked at, not the text around it.

use std::path::Path;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_cert::der::pem::{self, LineEnding};

use super::{Credential, PkiError, certificate::Certificate, directory};

/// Every certificate of a ca.pem that can be read.
pub(super) struct CertificateAuthorities {
    /// The first one.
    pub(super) signing: Certificate,
    all: Vec<CertificateDer<'static>>,
    /// Whether there was nothing behind the first one that is cut off or damaged.
    whole: bool,
}

impl CertificateAuthorities {
    pub(super) fn parse(pem: &[u8]) -> Result<Self, String> {
        let signing = Certificate::parse(pem)?;
        let (mut all, mut whole) = (Vec::new(), true);
        for der in CertificateDer::pem_slice_iter(pem) {
            match der {
                Ok(der) => all.push(der),
                Err(_) => whole = false,
            }
        }
        Ok(CertificateAuthorities { signing, all, whole })
    }

    /// Nothing but the certificates.
    pub(super) fn to_pem(&self) -> Result<String, PkiError> {
        let encoded = self.all.iter().map(|der| pem::encode_string("CERTIFICATE", LineEnding::LF, der));
        encoded.collect::<Result<_, _>>().map_err(|why| PkiError::crypto("write ca.pem", why))
    }

    pub(super) fn has_the_certificates_of(&self, other: &CertificateAuthorities) -> bool {
        self.all == other.all
    }

    /// Whether a certificate, or another one for the same key, is among these.
    fn know(&self, der: &CertificateDer) -> bool {
        let other = Certificate::from_der(der);
        let same_key = |one: &CertificateDer| match (Certificate::from_der(one), &other) {
            (Ok(one), Ok(other)) => one.public_key() == other.public_key(),
            _ => false,
        };
        self.all.iter().any(|one| one == der || same_key(one))
    }
}

/// Fails where the certificate authorities that the master sends are not those of this directory. Without a ca.pem all are welcome;
/// where power cuts have damaged it, the authority has to be the one that signed the certificates that are left.
pub(super) fn require(path: &Path, sent: &CertificateAuthorities) -> Result<(), PkiError> {
    let Some(pem) = directory::read_certificate(path, Credential::Ca)? else { return Ok(()) };
    let file = path.join(Credential::Ca.certificate_file()).display().to_string();
    let problem = match CertificateAuthorities::parse(&pem) {
        Ok(pinned) if pinned.signing.public_key() != sent.signing.public_key() => {
            format!("the master's certificate authority has another public key than the one in {file}")
        }
        Ok(pinned) if pinned.whole && !sent.all.iter().all(|der| pinned.know(der)) => {
            format!("the master's ca.pem has a certificate whose public key is of none in {file}")
        }
        Ok(_) => return Ok(()),
        Err(why) => match signed_by_another(path, sent)? {
            None => return Ok(()),
            Some(signed) => format!(
                "{file} cannot be used ({why}), and the master's certificate authority has another public key than \
                 the one that signed {signed}"
            ),
        },
    };
    Err(PkiError::operator(
        format!("{problem}: nothing that the master sent is taken, and the certificates here stay as they are"),
        format!(
            "if the cluster has a new certificate authority by your will, remove {file} and run `k8s-node renew`; if not, put the \
             old ca.pem and ca-key.pem back on the master, or find out what answers in its place"
        ),
    ))
}

/// The worker's certificates that can be read, where the key of what the master sends has signed none of them.
fn signed_by_another(path: &Path, sent: &CertificateAuthorities) -> Result<Option<String>, PkiError> {
    let mut signed = Vec::new();
    for credential in Credential::WORKER {
        let pem = directory::read_certificate(path, credential)?;
        let Some(certificate) = pem.and_then(|pem| Certificate::parse(&pem).ok()) else { continue };
        if certificate.is_signed_with(sent.signing.public_key()) {
            return Ok(None);
        }
        signed.push(credential.certificate_file());
    }
    Ok(Some(signed.join(" and ")).filter(|signed| !signed.is_empty()))
}
