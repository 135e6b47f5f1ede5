//! The certificate authority that a worker keeps to: the one in the ca.pem that it has. What counts is its public key, so that one
//! whose certificate was issued again is the same one.
//!
//! Whoever reads ca.pem trusts every certificate in it. So each one that the master sends has to be known, and what is
//! written is what was looked at, not the text around it.

use std::path::Path;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_cert::der::pem::{self, LineEnding};

use super::{Credential, PkiError, certificate::Certificate, directory, identity::hash_of, succession::Succession};
use crate::CaHash;

/// Every certificate of a ca.pem that can be read.
pub(super) struct CertificateAuthorities {
    /// The first one.
    pub(super) signing: Certificate,
    pub(super) all: Vec<CertificateDer<'static>>,
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

    /// Those that can be read, the first one first.
    pub(super) fn certificates(&self) -> Vec<Certificate> {
        self.all.iter().filter_map(|der| Certificate::from_der(der).ok()).collect()
    }

    /// Nothing but the certificates.
    pub(super) fn to_pem(&self) -> Result<String, PkiError> {
        encode(&self.all)
    }

    /// The first of the certificates.
    pub(super) fn signing_pem(&self) -> Result<String, PkiError> {
        encode(&self.all[..self.all.len().min(1)])
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

/// As PEM, with nothing between them.
pub(super) fn encode(certificates: &[CertificateDer]) -> Result<String, PkiError> {
    let encoded = certificates.iter().map(|der| pem::encode_string("CERTIFICATE", LineEnding::LF, der));
    encoded.collect::<Result<_, _>>().map_err(|why| PkiError::crypto("write certificates", why))
}

/// Fails where the certificate authorities that the master sends are not those of this directory, and their first one is none that
/// the one of this directory vouches for. Without a ca.pem it is the one that cluster.toml names, or any where it names none;
/// where power cuts have damaged it, the authority has to be the one that signed the certificates that are left.
pub(super) fn require(path: &Path, sent: &CertificateAuthorities, named: Option<CaHash>) -> Result<(), PkiError> {
    let Some(pem) = directory::read_certificate(path, Credential::Ca)? else { return require_named(sent, named) };
    let file = path.join(Credential::Ca.certificate_file()).display().to_string();
    let succession = Succession::of(sent);
    let problem = match CertificateAuthorities::parse(&pem) {
        // Then each of what was sent is this one's or the new one's.
        Ok(pinned) if succession.as_ref().is_some_and(|it| it.replaced.public_key() == pinned.signing.public_key()) => {
            return Ok(());
        }
        Ok(pinned) if pinned.signing.public_key() != sent.signing.public_key() => {
            format!("the master's certificate authority has another public key than the one in {file}")
        }
        Ok(pinned) if pinned.whole && !sent.all.iter().all(|der| pinned.know(der)) => {
            format!("the master's ca.pem has a certificate whose public key is of none in {file}")
        }
        Ok(_) => return Ok(()),
        Err(why) => match signers(path, sent, succession.as_ref())? {
            Signers::Sent => return Ok(()),
            Signers::None => return require_named(sent, named),
            Signers::Others(signed) => format!(
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

/// At the first join. One that vouches for what signs is as good as named.
fn require_named(sent: &CertificateAuthorities, named: Option<CaHash>) -> Result<(), PkiError> {
    let (Some(named), its) = (named, hash_of(&sent.signing)?) else { return Ok(()) };
    let replaced = Succession::of(sent).map(|succession| hash_of(&succession.replaced)).transpose()?;
    if named == its || replaced == Some(named) {
        return Ok(());
    }
    Err(PkiError::operator(
        format!(
            "the master's certificate authority is not the one that `ca_hash` in cluster.toml names, it has {its}: nothing that the \
             master sent is taken"
        ),
        "compare both with what `k8s-node status` says on the master, and correct `ca_hash`, or find out what answers in its place",
    ))
}

/// Whose signatures the worker's certificates have that can be read.
enum Signers {
    None,
    /// That of what the master sends, or of the authority which that one replaces, of one at least.
    Sent,
    /// The files of those that somebody else has signed.
    Others(String),
}

fn signers(path: &Path, sent: &CertificateAuthorities, succession: Option<&Succession>) -> Result<Signers, PkiError> {
    let mut signed = Vec::new();
    for credential in Credential::WORKER {
        let pem = directory::read_certificate(path, credential)?;
        let Some(certificate) = pem.and_then(|pem| Certificate::parse(&pem).ok()) else { continue };
        let by_replaced = succession.is_some_and(|it| certificate.is_signed_with(it.replaced.public_key()));
        if by_replaced || certificate.is_signed_with(sent.signing.public_key()) {
            return Ok(Signers::Sent);
        }
        signed.push(credential.certificate_file());
    }
    Ok(if signed.is_empty() { Signers::None } else { Signers::Others(signed.join(" and ")) })
}
