//! For tests alone: a TLS server in a kubelet's place, or the API server's, with what is in a node's directory.

use std::{
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use rustls::{
    ServerConfig, ServerConnection,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use contract::Credential;

use crate::certificate_authority::CertificateAuthority;

/// It ends with the test.
pub struct Kubelet {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    /// At the address of the first worker.
    pub fn serve(ca: &CertificateAuthority, directory: &Path) -> Kubelet {
        Kubelet::at((ca.cluster.nodes[1].address, ca.kubelet_port).into(), directory, Credential::Node)
    }

    /// With the certificate of that file and what is behind it.
    pub fn at(address: SocketAddr, directory: &Path, credential: Credential) -> Kubelet {
        let chain = CertificateDer::pem_file_iter(directory.join(credential.certificate_file())).unwrap();
        let chain = chain.map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(directory.join(credential.key_file())).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind(address).unwrap();
        let taken = listener.try_clone().unwrap();
        let thread = thread::spawn(move || {
            while let Ok((mut socket, _)) = taken.accept() {
                let mut tls = ServerConnection::new(config.clone()).unwrap();
                while tls.is_handshaking() && tls.complete_io(&mut socket).is_ok() {}
            }
        });
        Kubelet { listener, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        // Linux wakes a thread out of accept() when the socket is shut down.
        let listener = TcpStream::from(OwnedFd::from(self.listener.try_clone().unwrap()));
        let _ = listener.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
