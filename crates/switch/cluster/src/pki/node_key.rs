//! Which public key is a node's: by a digest that people can compare and type, as a request has it and as a kubelet serves it.

use std::{fmt, path::Path, str::FromStr};

use common::digest::Sha256;
use serde::{Deserialize, Serialize};
use x509_cert::{der::Encode, spki::SubjectPublicKeyInfoOwned};

use super::{
    Credential, PkiError,
    certificate::Certificate,
    directory,
    name::shown,
    profile::{self, Profile},
    succession::Succession,
};
use crate::{Cluster, Node};

/// 128 bits: nobody finds another key for a digest that is given.
const DIGITS: usize = 32;

/// The first half of the SHA-256 of a public key as certificates carry it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyDigest(String);

impl KeyDigest {
    pub(super) fn of(key: &SubjectPublicKeyInfoOwned) -> Result<KeyDigest, PkiError> {
        let der = key.to_der().map_err(|why| PkiError::crypto("read a public key", why))?;
        let mut digits = Sha256::of_bytes(der).to_string();
        digits.truncate(DIGITS);
        Ok(KeyDigest(digits))
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyDigest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.to_ascii_lowercase();
        if text.len() == DIGITS && text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Ok(KeyDigest(text));
        }
        Err(format!("a key is named by {DIGITS} hexadecimal digits, as the status of its switch has them"))
    }
}

impl TryFrom<String> for KeyDigest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<KeyDigest> for String {
    fn from(digest: KeyDigest) -> String {
        digest.0
    }
}

/// The keys of the certificate authorities that a cluster trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityKeys {
    pub signing: KeyDigest,
    /// That of the one that is being replaced.
    pub replaced: Option<KeyDigest>,
}

/// Those of this directory; none where there is no authority that can be read.
pub fn authority_keys(path: &Path) -> Result<Option<AuthorityKeys>, PkiError> {
    let ca = directory::read_certificate(path, Credential::Ca)?.map(|pem| Certificate::parse(&pem));
    let Some(Ok(ca)) = ca else { return Ok(None) };
    let succession = Succession::read(path)?;
    let replaced = succession.map(|succession| KeyDigest::of(succession.replaced.public_key())).transpose()?;
    Ok(Some(AuthorityKeys { signing: KeyDigest::of(ca.public_key())?, replaced }))
}

/// The key of the certificate that something serves at a node's address: it is the node's where the certificate authority in
/// this directory has signed that certificate for that very node. When it ends says nothing about whose the key is.
pub fn served_key(path: &Path, cluster: &Cluster, node: &Node, der: &[u8]) -> Result<KeyDigest, PkiError> {
    let refuse = |why: String| {
        PkiError::NotAccepted(format!("what is served at {} is not {}'s: {why}", node.address, node.name))
    };
    let ca = directory::read_certificate(path, Credential::Ca)?.map(|pem| Certificate::parse(&pem));
    let Some(Ok(ca)) = ca else {
        return Err(PkiError::NotAccepted(format!("{} cannot be used", path.join("ca.pem").display())));
    };
    let served = Certificate::from_der(der).map_err(refuse)?;
    let Profile { common_name, organization, .. } = profile::leaf(Credential::Node, cluster, node)?;
    let by_replaced = Succession::read(path)?.is_some_and(|succession| served.is_issued_by(&succession.replaced));
    if !by_replaced && !served.is_issued_by(&ca) {
        return Err(refuse("the cluster's certificate authority did not sign it".into()));
    }
    if !served.identifies(&common_name, organization) {
        return Err(refuse(format!("its subject is {}", shown(served.subject()))));
    }
    KeyDigest::of(served.public_key())
}
