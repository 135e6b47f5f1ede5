//! Arista's signature of a SWIX, as `swi-signature` of swi-tools makes it and EOS verifies it: one more member of the archive.
//!
//! 1. The member has a fixed size, so that the archive around it stays the same. While it is all zeros the SWIX is *prepared*,
//!    and it is this file, whole, that is signed: RSA (PKCS #1 v1.5) with SHA-256.
//! 2. The member then holds the signature and the certificate, as lines of `Name:value`. Its last four bytes are such that its
//!    CRC-32 is still that of the zeros, which stands in the headers around it.

use std::{
    fmt, fs, io,
    ops::Range,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64ct::{Base64, Encoding};
use common::files;
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, UnparsedPublicKey},
};
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde::Serialize;
use x509_cert::{
    Certificate,
    der::{DecodePem, EncodePem, pem::LineEnding},
};
use zip::ZipArchive;

use crate::archive::{self, SIGNATURE, SwixError};

/// What swi-tools reserves.
const SIZE: usize = 8192;

const HASH: &str = "SHA-256";

/// CRC-32's polynomial, its lowest power first.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// What a SWIX says of its signature. Whether the certificate is one that EOS trusts is EOS' to judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Signature {
    None,
    /// There is room for one.
    Prepared,
    /// It is that of this file, by the key of this certificate.
    Signed(Signer),
}

/// As the certificate names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signer {
    pub subject: String,
    pub issuer: String,
    pub not_after: String,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signature::None => f.write_str("no"),
            Signature::Prepared => f.write_str("no, but prepared for a signature"),
            Signature::Signed(by) => {
                write!(f, "by {}, whose certificate is {}'s and ends {}", by.subject, by.issuer, by.not_after)
            }
        }
    }
}

/// Why the signature of a SWIX does not hold.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    #[error("it is not in the form of swi-tools: {0}")]
    Form(&'static str),
    #[error("it is made with {0}; EOS knows {HASH}")]
    Hash(String),
    #[error("its certificate cannot be read: {0}")]
    Certificate(x509_cert::der::Error),
    #[error(
        "it is not that of this file by the key of its certificate ({subject}): the file was changed after it was signed, or the key is another's"
    )]
    Wrong { subject: String },
}

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("{} cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{} is refused: {reason}", path.display())]
    Swix { path: PathBuf, reason: SwixError },
    #[error("{} bears a signature already: sign the file as it was built, or say --replace", .0.display())]
    Signed(PathBuf),
    #[error("{} is no private key in PEM without a passphrase: {why}; `openssl pkey -in … -out …` takes one away", path.display())]
    Key { path: PathBuf, why: String },
    #[error("{} is not an RSA key of 2048 to 8192 bits, which is what swi-tools signs with: {why}", path.display())]
    KeyKind { path: PathBuf, why: String },
    #[error("{} is no certificate in PEM: {error}", path.display())]
    Certificate { path: PathBuf, error: x509_cert::der::Error },
    #[error("{} is not the certificate of {}: its public key is another", certificate.display(), key.display())]
    Pair { key: PathBuf, certificate: PathBuf },
    #[error("{} is valid from {from} to {to}, which is not now: EOS would refuse it", path.display())]
    Time { path: PathBuf, from: String, to: String },
    #[error("{} and what stands beside it take more than the {SIZE} bytes of a signature", .0.display())]
    Size(PathBuf),
    #[error(transparent)]
    Write(#[from] anyhow::Error),
}

/// A key and the certificate of it.
pub struct SigningKey {
    pair: RsaKeyPair,
    certificate: Certificate,
    certificate_file: PathBuf,
}

impl SigningKey {
    pub fn read(key: &Path, certificate_file: &Path) -> Result<Self, SignError> {
        let bad = |why: String| SignError::Key { path: key.to_owned(), why };
        let no_rsa = |why: String| SignError::KeyKind { path: key.to_owned(), why };
        let pair = match PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| bad(error.to_string()))? {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(no_rsa("it is of another kind".into())),
        };
        let pair = pair.map_err(|error| no_rsa(error.to_string()))?;
        let bad = |error| SignError::Certificate { path: certificate_file.to_owned(), error };
        let certificate = Certificate::from_pem(read(certificate_file)?).map_err(bad)?;
        if public_key(&certificate) != pair.public().as_ref() {
            return Err(SignError::Pair { key: key.to_owned(), certificate: certificate_file.to_owned() });
        }
        let validity = certificate.tbs_certificate().validity();
        let now = SystemTime::now();
        if now < validity.not_before.to_system_time() || validity.not_after.to_system_time() < now {
            let (from, to) = (validity.not_before.to_string(), validity.not_after.to_string());
            return Err(SignError::Time { path: certificate_file.to_owned(), from, to });
        }
        Ok(SigningKey { pair, certificate, certificate_file: certificate_file.to_owned() })
    }

    /// Writes `swix` with a signature to `to`.
    pub fn sign(&self, swix: &Path, replace: bool, to: &Path) -> Result<(), SignError> {
        let refused = |reason| SignError::Swix { path: swix.to_owned(), reason };
        let parsed = archive::parse(&read(swix)?).map_err(refused)?;
        if parsed.signature.is_some_and(|member| !is_prepared(&member)) && !replace {
            return Err(SignError::Signed(swix.to_owned()));
        }
        let mut members = vec![(archive::MANIFEST.to_owned(), parsed.manifest.to_string().into_bytes())];
        members.extend(parsed.rpms);
        members.push((SIGNATURE.to_owned(), vec![0; SIZE]));
        let damaged = |error| refused(SwixError::Archive(error));
        let mut bytes = archive::archive(&members).map_err(damaged)?;
        let place = place(&bytes).map_err(damaged)?;
        let mut signature = vec![0; self.pair.public().modulus_len()];
        let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), &bytes, &mut signature);
        signed.map_err(|_| anyhow::anyhow!("the key cannot sign: this machine gives no random numbers"))?;
        let member = self.member(&signature)?;
        bytes[place].copy_from_slice(&member);
        Ok(files::write_atomically(to, bytes)?)
    }

    fn member(&self, signature: &[u8]) -> Result<Vec<u8>, SignError> {
        let bad = |error| SignError::Certificate { path: self.certificate_file.clone(), error };
        let certificate = self.certificate.to_pem(LineEnding::LF).map_err(bad)?;
        let certificate = Base64::encode_string(certificate.trim_end().as_bytes());
        let signature = Base64::encode_string(signature);
        let begin =
            format!("HashAlgorithm:{HASH}\nIssuerCert:{certificate}\nSignature:{signature}\nVersion:1\nPadding:");
        let end = "\nCRCPadding:";
        let padding = (SIZE - 4).checked_sub(begin.len() + end.len());
        let padding = padding.ok_or_else(|| SignError::Size(self.certificate_file.clone()))?;
        let mut member = format!("{begin}{}{end}", "*".repeat(padding)).into_bytes();
        let last = bytes_to_crc(&member, crc32fast::hash(&[0; SIZE]));
        member.extend(last);
        Ok(member)
    }
}

/// The signature of a SWIX of which `member` is that of the name [`SIGNATURE`], if there is one.
pub fn verify(swix: &[u8], member: Option<&[u8]>) -> Result<Signature, SignatureError> {
    let Some(member) = member else { return Ok(Signature::None) };
    if is_prepared(member) {
        return Ok(Signature::Prepared);
    }
    let hash = field(member, "HashAlgorithm").ok_or(SignatureError::Form("it names no hash algorithm"))?;
    if hash != HASH {
        return Err(SignatureError::Hash(hash.to_owned()));
    }
    let decoded = |name, without| {
        let text = field(member, name).ok_or(SignatureError::Form(without))?;
        Base64::decode_vec(text).map_err(|_| SignatureError::Form("a field is not in Base64"))
    };
    let certificate = decoded("IssuerCert", "it has no certificate")?;
    let signature = decoded("Signature", "it has no signature in it")?;
    let certificate = Certificate::from_pem(certificate).map_err(SignatureError::Certificate)?;
    let subject = certificate.tbs_certificate().subject().to_string();
    let place = place(swix).map_err(|_| SignatureError::Form("its place in the archive is unclear"))?;
    let prepared = [&swix[..place.start], &vec![0; place.len()], &swix[place.end..]].concat();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key(&certificate));
    if key.verify(&prepared, &signature).is_err() {
        return Err(SignatureError::Wrong { subject });
    }
    let issuer = certificate.tbs_certificate().issuer().to_string();
    let not_after = certificate.tbs_certificate().validity().not_after.to_string();
    Ok(Signature::Signed(Signer { subject, issuer, not_after }))
}

fn read(path: &Path) -> Result<Vec<u8>, SignError> {
    fs::read(path).map_err(|error| SignError::Read { path: path.to_owned(), error })
}

fn is_prepared(member: &[u8]) -> bool {
    member.iter().all(|byte| *byte == 0)
}

/// The value of a line `name:value`. The last line is not text.
fn field<'a>(member: &'a [u8], name: &str) -> Option<&'a str> {
    let mut lines = member.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// Where the bytes of the signature are in the archive.
fn place(swix: &[u8]) -> zip::result::ZipResult<Range<usize>> {
    let mut archive = ZipArchive::new(io::Cursor::new(swix))?;
    let member = archive.by_name(SIGNATURE)?;
    let start = member.data_start().unwrap_or_default() as usize;
    Ok(start..start + member.size() as usize)
}

/// The bits of the public key, which for RSA is its own structure.
fn public_key(certificate: &Certificate) -> &[u8] {
    certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes()
}

/// The four bytes after which the CRC-32 of all is `desired`: steps of the CRC can be taken back, as its polynomial has
/// both ends.
fn bytes_to_crc(before: &[u8], desired: u32) -> [u8; 4] {
    let mut state = !desired;
    for _ in 0..32 {
        let carried = state >> 31;
        state = ((state ^ (carried * POLYNOMIAL)) << 1) | carried;
    }
    (state ^ !crc32fast::hash(before)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_bytes_make_any_crc() {
        for (before, desired) in [(&b""[..], 0), (b"abc", 0xdead_beef), (&[0xff; 1000], crc32fast::hash(&[0; SIZE]))] {
            let whole = [before, &bytes_to_crc(before, desired)].concat();
            assert_eq!(crc32fast::hash(&whole), desired);
        }
    }
}
