//! TLS of both sides: what kubelets are asked with, and what the API server is answered with.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use common::files;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

const HTTP_1: &[u8] = b"http/1.1";

/// A client that verifies servers by the authorities in one file, and shows a certificate.
pub fn client(authorities: &Path, certificate: &Path, key: &Path) -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let (chain, key) = identity(certificate, key)?;
    let config = builder.with_root_certificates(roots(authorities)?).with_client_auth_cert(chain, key);
    config.with_context(|| format!("{} cannot be shown to kubelets", certificate.display()))
}

/// A server that asks clients for a certificate of one authority. Who has none is heard, for an answer that says so; who has a wrong one is not.
pub fn server(clients: &Path, certificate: &Path, key: &Path) -> Result<ServerConfig> {
    let roots = Arc::new(roots(clients)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).allow_unauthenticated().build();
    let verifier = verifier.map_err(|why| anyhow!("clients cannot be verified by {}: {why}", clients.display()))?;
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let (chain, key) = identity(certificate, key)?;
    let config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, key);
    let mut config = config.with_context(|| format!("{} cannot be shown to clients", certificate.display()))?;
    config.alpn_protocols = vec![HTTP_1.to_vec()];
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(default_provider())
}

fn roots(file: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).with_context(|| format!("{} has a certificate that is none", file.display()))?;
    }
    Ok(roots)
}

fn identity(certificate: &Path, key: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let pem = files::read(key)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| anyhow!("{} has no key in PEM", key.display()))?;
    Ok((certificates(certificate)?, key))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = files::read(file)?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.with_context(|| format!("{} is no PEM", file.display()))?;
    if certificates.is_empty() {
        return Err(anyhow!("{} has no certificate", file.display()));
    }
    Ok(certificates)
}
