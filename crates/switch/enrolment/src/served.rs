//! The certificate that a TLS server at an address has, and has the key of: the handshake proves that. Nothing else is asked.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use rustls::{
    ClientConfig, ClientConnection, client::Resumption, crypto::ring::default_provider, pki_types::ServerName,
};

use crate::{channel::Timed, tls::Certificates};

/// In DER. Who has signed it is not looked at. `limit` is for all of it.
pub fn served_certificate(address: SocketAddr, limit: Duration) -> io::Result<Vec<u8>> {
    Ok(served_chain(address, limit)?.swap_remove(0))
}

/// The same with what is served behind it; there is at least one.
pub fn served_chain(address: SocketAddr, limit: Duration) -> io::Result<Vec<Vec<u8>>> {
    let deadline = Instant::now() + limit;
    let provider = Arc::new(default_provider());
    // Of Kubernetes 1.12, whose Go knows no TLS 1.3, too.
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Certificates { provider, is_master: None }))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::from(address.ip())).map_err(io::Error::other)?;
    let mut socket = Timed::new(TcpStream::connect_timeout(&address, limit)?, deadline)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    let chain = tls.peer_certificates().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| io::Error::other("no certificate was served"))?;
    Ok(chain.iter().map(|certificate| certificate.to_vec()).collect())
}
