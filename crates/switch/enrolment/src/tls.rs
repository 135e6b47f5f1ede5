//! What both sides bring into the handshake: which versions of the protocol there are, what each side shows of itself, and what it
//! makes of what the other one shows.

use std::{fmt, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, OtherError, ServerConfig,
    SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring::default_provider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::{
        ClientHello, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};

use crate::message::{ADDRESS_VERSION, OLD_VERSION, VERSION};

/// Both sides show certificates.
const ALPN: &[u8] = b"kubernetes-on-eos-enrolment/3";

/// The master shows one of its own making.
const ADDRESS_ALPN: &[u8] = b"kubernetes-on-eos-enrolment/2";

/// Whether these certificates, in DER, are the master's, its own first; the reason why not. That it has the key is seen to already.
pub type IsMaster = dyn Fn(&[&[u8]]) -> Result<(), String> + Send + Sync;

/// The version that the handshake has come to. One side of the first version names none.
pub fn version(alpn: Option<&[u8]>) -> u32 {
    match alpn {
        Some(alpn) if alpn == ALPN => VERSION,
        Some(alpn) if alpn == ADDRESS_ALPN => ADDRESS_VERSION,
        _ => OLD_VERSION,
    }
}

/// The master's side.
pub struct ServerTls {
    provider: Arc<CryptoProvider>,
    /// For workers of older releases.
    old: Arc<ServerConfig>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
}

impl ServerTls {
    /// Workers of older releases do not look at the certificate, which is one of its own making.
    pub fn new() -> Result<ServerTls, ServerTlsError> {
        let provider = Arc::new(default_provider());
        let made = rcgen::generate_simple_self_signed(["kubernetes-on-eos-enrolment".to_owned()])?;
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let old = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)?;
        Ok(ServerTls { provider, old: without_resumption(old, ADDRESS_ALPN) })
    }

    /// For one who begins so. Without an identity the master speaks as older releases do.
    pub fn config_for(
        &self,
        hello: &ClientHello,
        identity: impl FnOnce() -> Option<Arc<CertifiedKey>>,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let is_new = hello.alpn().is_some_and(|mut offered| offered.any(|alpn| alpn == ALPN));
        let Some(identity) = is_new.then(identity).flatten() else { return Ok(self.old.clone()) };
        let config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(Certificates { provider: self.provider.clone(), is_master: None }))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        Ok(without_resumption(config, ALPN))
    }
}

/// Each exchange stands alone.
fn without_resumption(mut config: ServerConfig, alpn: &[u8]) -> Arc<ServerConfig> {
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}

/// The worker's side: what it shows, and whom it takes for the master, anybody where nothing is said. `old_masters` are spoken to, too.
pub fn client_config(
    identity: &Arc<CertifiedKey>,
    is_master: Option<&Arc<IsMaster>>,
    old_masters: bool,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Certificates { provider, is_master: is_master.cloned() }))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.clone())));
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    config.alpn_protocols = vec![ALPN.to_vec()];
    if old_masters {
        config.alpn_protocols.push(ADDRESS_ALPN.to_vec());
    }
    Ok(Arc::new(config))
}

/// Sees to it that the other side has the key of the certificate that it shows. Who that is, by the key, is the caller's matter.
pub struct Certificates {
    pub provider: Arc<CryptoProvider>,
    /// Of a worker that knows more of its master.
    pub is_master: Option<Arc<IsMaster>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

/// Why what was shown is not the master's.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NotTheMasters(String);

impl ServerCertVerifier for Certificates {
    fn verify_server_cert(
        &self,
        own: &CertificateDer,
        others: &[CertificateDer],
        _: &ServerName,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(is_master) = &self.is_master {
            let shown: Vec<&[u8]> = [own].into_iter().chain(others).map(AsRef::as_ref).collect();
            is_master(&shown).map_err(|why| CertificateError::Other(OtherError(Arc::new(NotTheMasters(why)))))?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A worker is known by its key: who has signed its certificate, and whether that has ended, says no more.
impl ClientCertVerifier for Certificates {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer,
        _: &[CertificateDer],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    // What a signature proves is the same for both sides.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls12_signature(self, message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        ServerCertVerifier::verify_tls13_signature(self, message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ServerCertVerifier::supported_verify_schemes(self)
    }
}
