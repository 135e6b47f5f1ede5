//! The certificate authority of a cluster is replaced by another one without an outage. On the master [`begin_rotation`] makes
//! the new one, which signs from then on; [`finish_rotation`] ends the trust in the replaced one. Between the two, ca.pem is a
//! succession, by which workers take the new one and everybody trusts both.
//!
//! Power can go between any two writes: the new key waits in a file of its own until ca.pem names its authority, and takes the
//! old one's place then, at the latest when the PKI is next looked after.

use std::{path::Path, time::SystemTime};

use zeroize::Zeroizing;

use super::{
    Credential, PkiError,
    certificate::Certificate,
    certificate_authority::{Standing, standing},
    credential::ca_of,
    directory::{self, Batch, Directory, KeyFile, NEXT_AUTHORITY_KEY},
    earlier,
    issue::{self, Issuer},
    key::{NewKey, PrivateKey},
    node_key::{KeyDigest, served_key},
    pinned::CertificateAuthorities,
    profile::{BACKDATED, next_ca_subject},
    succession::{Succession, has_voucher},
    superseded,
    time::{check_clock, day},
};
use crate::{Cluster, Node};

/// A certificate authority is being replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The day that it began.
    pub since: String,
    /// The one that signs.
    pub signing: KeyDigest,
    pub replaced: KeyDigest,
}

/// What a directory's ca.pem says of a rotation, on the master and on a worker.
pub fn rotation(path: &Path) -> Result<Option<Rotation>, PkiError> {
    let Some(authorities) = read(path)? else { return Ok(None) };
    let Some(succession) = Succession::of(&authorities) else { return Ok(None) };
    Ok(Some(Rotation {
        since: day(authorities.signing.not_before() + BACKDATED),
        signing: KeyDigest::of(authorities.signing.public_key())?,
        replaced: KeyDigest::of(succession.replaced.public_key())?,
    }))
}

/// Makes another certificate authority, which signs from here on, and has the present one vouch for it. Where a rotation has
/// begun, that one it is.
pub fn begin_rotation(path: &Path, cluster: &Cluster, now: SystemTime) -> Result<Rotation, PkiError> {
    check_clock(now)?;
    let directory = Directory::open(path)?;
    settle(&directory)?;
    let mut batch = Batch::default();
    if let Some(begun) = rotation(path)? {
        // One that began by hand, or with a release that did not keep it.
        earlier::remember(path, &mut batch, &begun.replaced)?;
        directory.write(&batch)?;
        return Ok(begun);
    }
    let (key, certificate) = replaceable(path, cluster, now)?;
    let next = next_key(&directory, cluster)?;
    let subject = next_ca_subject(cluster, &KeyDigest::of(&next.public().0)?)?;
    let made = issue::ca(&subject, &next, now)?;
    let voucher = issue::voucher(&subject, next.public(), &Issuer { certificate: &certificate, key: &key }, now)?;
    let present = directory::read_certificate(path, Credential::Ca)?.unwrap_or_default();
    let present = CertificateAuthorities::parse(&present).and_then(|present| {
        if present.all.len() == 1 { Ok(present) } else { Err("there is more than one certificate in it".to_owned()) }
    });
    let present = present.map_err(|why| PkiError::crypto("replace the certificate authority", why))?.to_pem()?;
    earlier::remember(path, &mut batch, &KeyDigest::of(certificate.public_key())?)?;
    batch.add_certificate(Credential::Ca, format!("{made}{present}{voucher}"));
    directory.write(&batch)?;
    settle(&directory)?;
    rotation(path)?.ok_or_else(|| PkiError::crypto("replace the certificate authority", "its ca.pem is not as written"))
}

/// Ends the trust in the replaced authority. What it has signed is for nobody from here on.
pub fn finish_rotation(path: &Path) -> Result<(), PkiError> {
    let directory = Directory::open(path)?;
    settle(&directory)?;
    let authorities = read(path)?;
    let succession = authorities.as_ref().and_then(Succession::of);
    let (Some(authorities), Some(succession)) = (authorities, succession) else {
        return Err(PkiError::operator(
            "no certificate authority is being replaced",
            "`k8s-node rotate-ca begin` begins it",
        ));
    };
    let mut batch = Batch::default();
    earlier::remember(path, &mut batch, &KeyDigest::of(succession.replaced.public_key())?)?;
    batch.add_certificate(Credential::Ca, authorities.signing_pem()?);
    superseded::forget(path, &mut batch, |credential| ca_of(credential) != Credential::Ca, SystemTime::now())?;
    directory.write(&batch)
}

/// Whether what a node's kubelet serves is of the authority that signs now; fails where it is not the node's at all.
pub fn has_changed_over(path: &Path, cluster: &Cluster, node: &Node, der: &[u8]) -> Result<bool, PkiError> {
    served_key(path, cluster, node, der)?;
    let served = Certificate::from_der(der).map_err(PkiError::NotAccepted)?;
    Ok(read(path)?.is_some_and(|authorities| served.is_issued_by(&authorities.signing)))
}

/// Why a worker whose certificates are right should ask the master all the same: what the API server serves shows that a rotation
/// has begun or ended. That is a hint and no more; what the master then sends is judged like any other answer.
pub fn has_moved_on(path: &Path, served: &[Vec<u8>]) -> Result<Option<&'static str>, PkiError> {
    let (Some(authorities), Some(first)) = (read(path)?, served.first()) else { return Ok(None) };
    let Ok(first) = Certificate::from_der(first) else { return Ok(None) };
    let (signing, succession) = (&authorities.signing, Succession::of(&authorities));
    if !first.is_issued_by(signing) {
        // One that is being replaced may still be served.
        let other = succession.is_none_or(|succession| !first.is_issued_by(&succession.replaced));
        return Ok(other.then_some("the API server has a certificate of another authority"));
    }
    let ended = succession.is_some() && !has_voucher(served.iter().map(Vec::as_slice), signing);
    Ok(ended.then_some("the rotation of the certificate authority has ended"))
}

/// Brings the new key to its place where ca.pem names its authority already.
pub(super) fn settle(directory: &Directory) -> Result<(), PkiError> {
    let path = directory.path();
    let Some(authorities) = read(path)?.filter(|authorities| Succession::of(authorities).is_some()) else {
        return Ok(());
    };
    match directory::read_named_key(path, NEXT_AUTHORITY_KEY)? {
        KeyFile::Good(next) if authorities.signing.has_key(next.public()) => directory.take_next_authority_key(),
        _ => Ok(()),
    }
}

/// The authority that there is, where this program may replace it.
fn replaceable(path: &Path, cluster: &Cluster, now: SystemTime) -> Result<(PrivateKey, Certificate), PkiError> {
    let yours = |problem: &str| {
        PkiError::operator(
            problem,
            "k8s-node replaces only what it has made: docs/operations.md says how your own one is replaced",
        )
    };
    match standing(path, Credential::Ca, cluster, now)? {
        Standing::Sign { key, certificate, made_here: true } => Ok((key, certificate)),
        Standing::Sign { .. } => Err(yours("the certificate authority of this cluster is your own")),
        Standing::KeyAway { .. } => Err(yours("the key of the certificate authority is not on this switch")),
        Standing::New | Standing::Renew { .. } => Err(PkiError::operator(
            format!("the certificate authority in {} is to be made or issued again first", path.display()),
            "run `k8s-node renew`, and then this once more",
        )),
    }
}

/// The key of the authority to come: the one that an earlier try has made, or a new one that is on the flash by now.
fn next_key(directory: &Directory, cluster: &Cluster) -> Result<PrivateKey, PkiError> {
    if let KeyFile::Good(there) = directory::read_named_key(directory.path(), NEXT_AUTHORITY_KEY)? {
        return Ok(there);
    }
    let made = NewKey::generate(cluster.key)?;
    let mut batch = Batch::default();
    batch.add_next_authority_key(&made);
    directory.write(&batch)?;
    Ok(made.key)
}

fn read(path: &Path) -> Result<Option<CertificateAuthorities>, PkiError> {
    let pem: Option<Zeroizing<Vec<u8>>> = directory::read_certificate(path, Credential::Ca)?;
    Ok(pem.and_then(|pem| CertificateAuthorities::parse(&pem).ok()))
}
