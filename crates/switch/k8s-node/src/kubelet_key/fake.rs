//! For tests alone: a TLS server in a kubelet's place, with what is in a worker's directory.

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

use crate::certificate_authority::CertificateAuthority;

/// It ends with the test.
pub struct Kubelet {
    listener: TcpListener,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    /// At the address of the first worker.
    pub fn serve(ca: &CertificateAuthority, directory: &Path) -> Kubelet {
        let certificate = CertificateDer::from_pem_file(directory.join("node.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(directory.join("node-key.pem")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind(SocketAddr::from((ca.cluster.nodes[1].address, ca.kubelet_port))).unwrap();
        let taken = listener.try_clone().unwrap();
        let thread = thread::spawn(move || {
            while let Ok((mut socket, _)) = taken.accept() {
                let mut tls = ServerConnection::new(config.clone()).unwrap();
                while tls.is_handshaking() && tls.complete_io(&mut socket).is_ok() {}
            }
        });
        Kubelet { listener, thread: Some(thread) }
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
