//! Certificates and keys that a kubeconfig has inside or names, read and tried.

use std::path::Path;

use data_encoding::BASE64;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};

use super::kubeconfig::{Text, User, read_file};

/// The certificates that a server's may be signed by, in DER.
pub(super) fn authorities(file: &Text, data: &Text, directory: &Path) -> Result<Option<Vec<Vec<u8>>>, String> {
    let Some(pem) = pem("certificate-authority", file, data, directory)? else {
        return Ok(None);
    };
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("certificate-authority is no PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("certificate-authority has no certificate in PEM".to_owned());
    }
    for certificate in &certificates {
        let tried = RootCertStore::empty().add(certificate.clone());
        tried.map_err(|error| format!("certificate-authority has a certificate that is none: {error}"))?;
    }
    Ok(Some(certificates.iter().map(|certificate| certificate.to_vec()).collect()))
}

/// A user's certificate and key.
pub(super) fn identity(user: &User, directory: &Path) -> Result<Option<CertifiedKey>, String> {
    let certificate = pem("client-certificate", &user.client_certificate, &user.client_certificate_data, directory)?;
    let key = pem("client-key", &user.client_key, &user.client_key_data, directory)?;
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            let identity = pair(&certificate, &key);
            identity.map(Some).map_err(|why| format!("client-certificate and client-key cannot be used: {why}"))
        }
        (Some(_), None) => Err("it has a client-certificate and no client-key: give both".to_owned()),
        (None, Some(_)) => Err("it has a client-key and no client-certificate: give both".to_owned()),
    }
}

/// A certificate with its chain, and its key, both in PEM, as a client can show them.
pub(super) fn pair(certificate: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("the certificate is no PEM: {error}"))?;
    let Some(first) = chain.first().cloned() else { return Err("there is no certificate in PEM".to_owned()) };
    let is_in = |words: &[u8]| key.windows(words.len()).any(|some| some == words);
    if is_in(b"BEGIN ENCRYPTED PRIVATE KEY") || is_in(b"Proc-Type: 4,ENCRYPTED") {
        return Err(
            "the key is encrypted, and nobody is there to be asked for the password: give it without".to_owned()
        );
    }
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| format!("the key is no key in PEM: {error}"))?;
    let key = any_supported_type(&key).map_err(|error| error.to_string())?;
    let pair = CertifiedKey::new(chain, key);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        // Of X.509's version 1, which openssl makes where it is asked for no extensions: servers take it, and rustls reads none.
        Err(rustls::Error::InvalidCertificate(_)) if has_public_key(&first, &pair) => Ok(pair),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether a certificate that cannot be read has the key's public half in it, as every certificate for it has.
fn has_public_key(certificate: &CertificateDer<'_>, pair: &CertifiedKey) -> bool {
    let public = pair.key.public_key();
    public.is_some_and(|public| certificate.windows(public.len()).any(|some| some == public.as_ref()))
}

/// What is inside comes before what is named.
pub(super) fn pem(field: &str, file: &Text, data: &Text, directory: &Path) -> Result<Option<Vec<u8>>, String> {
    if let Some(data) = data.get() {
        // Line breaks do not count in base64, as Go reads it.
        let data: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        return BASE64.decode(&data).map(Some).map_err(|error| format!("{field}-data is no base64: {error}"));
    }
    let Some(path) = file.get().map(|path| directory.join(path)) else {
        return Ok(None);
    };
    read_file(&path).map(Some).map_err(|why| format!("{field} {}: {why}", path.display()))
}
