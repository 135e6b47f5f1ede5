//! Who is at the two ends of the channel between a worker and the master: what each shows of itself there, and what it makes of the
//! other one's. The handshake proves that each has the key of what it shows.
//!
//! The master shows the API server's certificate: no worker's is ever good for that one's names or address.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    pki_types::{CertificateDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_cert::der::Encode;

use super::{
    Credential, PkiError,
    certificate::{Certificate, SERVER_AUTH},
    directory::{self, KeyFile},
    issue,
    node_key::KeyDigest,
    profile::{self, API_SERVER},
    succession::Succession,
    time::day,
    worker::own_key,
};
use crate::{CaHash, Cluster, Node};

/// What a worker shows of itself: the node's certificate, whether it has ended or not, or one that its key signs for itself. It is
/// known by the key.
pub fn node_identity(
    path: &Path,
    cluster: &Cluster,
    node: &Node,
    now: SystemTime,
) -> Result<Arc<CertifiedKey>, PkiError> {
    let key = own_key(path, Credential::Node)?;
    let there = directory::read_certificate(path, Credential::Node)?;
    let is_of_key = |pem: &&[u8]| Certificate::parse(pem).is_ok_and(|certificate| certificate.has_key(key.public()));
    let der = match there.as_ref().map(|pem| pem.as_slice()).filter(is_of_key) {
        Some(pem) => der_of(pem)?,
        None => {
            let subject = profile::leaf(Credential::Node, cluster, node)?.subject;
            der_of(issue::self_signed(&subject, &key, now)?.as_bytes())?
        }
    };
    Ok(Arc::new(CertifiedKey::new(vec![der], key.signing_key())))
}

/// What the master shows of itself, with its certificate authority's certificate behind it; none before the PKI is made.
pub fn master_identity(path: &Path) -> Result<Option<Arc<CertifiedKey>>, PkiError> {
    let certificate = directory::read_certificate(path, Credential::ApiServer)?;
    let ca = directory::read_certificate(path, Credential::Ca)?;
    let (Some(certificate), Some(ca)) = (certificate, ca) else { return Ok(None) };
    let KeyFile::Good(key) = directory::read_key(path, Credential::ApiServer)? else { return Ok(None) };
    let mut chain = vec![der_of(&certificate)?];
    // The word of the authority that is being replaced.
    chain.extend(CertificateDer::pem_slice_iter(&certificate).skip(1).filter_map(Result::ok));
    chain.push(der_of(&ca)?);
    // For who knows that one by its hash alone.
    chain.extend(Succession::read(path)?.map(|succession| succession.replaced_der()));
    Ok(Some(Arc::new(CertifiedKey::new(chain, key.signing_key()))))
}

/// The key of the certificate that a worker shows.
pub fn shown_key(der: &[u8]) -> Result<KeyDigest, PkiError> {
    let refuse = |why| PkiError::NotAccepted(format!("the certificate that this node shows: {why}"));
    KeyDigest::of(Certificate::from_der(der).map_err(refuse)?.public_key())
}

/// By what [join] can name the certificate authority in this directory; none where there is none that can be read.
pub fn ca_hash(path: &Path) -> Result<Option<CaHash>, PkiError> {
    let ca = directory::read_certificate(path, Credential::Ca)?.and_then(|pem| Certificate::parse(&pem).ok());
    ca.map(|ca| hash_of(&ca)).transpose()
}

pub(super) fn hash_of(ca: &Certificate) -> Result<CaHash, PkiError> {
    let der = ca.public_key().to_der().map_err(|why| PkiError::crypto("read a public key", why))?;
    Ok(CaHash::of_public_key(&der))
}

/// What a worker knows of its master before it asks it.
pub struct KnownMaster {
    authority: Authority,
    address: Ipv4Addr,
    /// This node's own certificate, and when it was made: it is no earlier, whatever a clock says that was not set yet.
    own: Option<(PathBuf, SystemTime)>,
}

enum Authority {
    /// That of its ca.pem.
    Pinned(Box<Certificate>),
    /// That of cluster.toml.
    Hash(CaHash),
}

impl KnownMaster {
    /// None before the first join, unless cluster.toml says which authority it is.
    pub fn of(path: &Path, cluster: &Cluster) -> Result<Option<KnownMaster>, PkiError> {
        let read = |credential| -> Result<Option<Certificate>, PkiError> {
            Ok(directory::read_certificate(path, credential)?.and_then(|pem| Certificate::parse(&pem).ok()))
        };
        let pinned = read(Credential::Ca)?.map(|ca| Authority::Pinned(Box::new(ca)));
        let Some(authority) = pinned.or(cluster.ca_hash.map(Authority::Hash)) else { return Ok(None) };
        let file = path.join(Credential::Node.certificate_file());
        let own = read(Credential::Node)?.map(|own| (file, own.not_before()));
        Ok(Some(KnownMaster { authority, address: cluster.master().address, own }))
    }

    /// Whether it is the authority of a ca.pem that is here.
    pub fn is_pinned(&self) -> bool {
        matches!(self.authority, Authority::Pinned(_))
    }

    /// Whether certificates that something shows, in DER and its own first, are the master's.
    ///
    /// When its own begins is not asked: a clock that is behind must not keep a switch from the certificates that it needs. When it
    /// ends, is: a key that got out is good for no longer than that.
    pub fn require(&self, shown: &[&[u8]], now: SystemTime) -> Result<(), String> {
        let (own, others) = shown.split_first().ok_or("it shows no certificate")?;
        let own = Certificate::from_der(own)?;
        match &self.authority {
            // By the key: it stays this authority where its certificate was issued again, under another name, say.
            Authority::Pinned(ca) if own.is_signed_with(ca.public_key()) || is_vouched_for(&own, others, ca) => {}
            Authority::Pinned(_) => {
                return Err("the certificate authority of this switch's ca.pem did not sign its certificate".into());
            }
            Authority::Hash(hash) => require_hash(*hash, &own, others)?,
        }
        let is_api_server = own.dns_names().iter().any(|name| name == API_SERVER);
        if !is_api_server || !own.has_extended_usage(SERVER_AUTH) || !own.addresses().contains(&self.address) {
            return Err(format!("its certificate is not that of the API server at {}", self.address));
        }
        let (end, today) = (own.not_after(), day(now));
        if now >= end {
            return Err(format!("its certificate expired on {}, and it is {today} by this switch's clock", day(end)));
        }
        match &self.own {
            Some((file, made)) if *made >= end => Err(format!(
                "its certificate expired on {}, and {} was made on {}, although it is {today} by this switch's clock: set the clock \
                 where it is behind; where it was ahead then and is right now, remove that file and run `k8s-node renew`",
                day(end),
                file.display(),
                day(*made)
            )),
            _ => Ok(()),
        }
    }
}

/// Whether an authority has signed `own` that the pinned one vouches for: it takes that one's place.
fn is_vouched_for(own: &Certificate, others: &[&[u8]], pinned: &Certificate) -> bool {
    let mut others = others.iter().filter_map(|der| Certificate::from_der(der).ok());
    others.any(|other| other.is_ca() && other.is_signed_with(pinned.public_key()) && own.is_issued_by(&other))
}

/// Whether the authority of this hash is among `others` and has signed `own`, or vouches for the one that has.
fn require_hash(hash: CaHash, own: &Certificate, others: &[&[u8]]) -> Result<(), String> {
    let mut found = Vec::new();
    for ca in others.iter().filter_map(|der| Certificate::from_der(der).ok()) {
        let its = hash_of(&ca).map_err(|why| why.to_string())?;
        if its == hash && ca.is_ca() && (own.is_issued_by(&ca) || is_vouched_for(own, others, &ca)) {
            return Ok(());
        }
        let its = its.to_string();
        if !found.contains(&its) {
            found.push(its);
        }
    }
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    Err(format!(
        "its certificate authority is not the one that `ca_hash` in cluster.toml names, it shows {found}: compare with what \
         `k8s-node status` says on the master"
    ))
}

fn der_of(pem: &[u8]) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(pem).map_err(|why| PkiError::crypto("read a certificate", why))
}
