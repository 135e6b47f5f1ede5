//! Between the kube-proxy and the API server: a relay whose connections can be cut, and that can refuse new ones.

use std::{
    io,
    net::{Shutdown, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};

use crate::netns::Netns;

/// A running relay. Its threads end with the process, and its connections when this is dropped.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    refusing: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Relay {
    /// Listens beside `to` in a namespace, on any port, and passes everything on.
    pub fn start(netns: &Netns, to: SocketAddrV4) -> Result<Relay> {
        let shared = Arc::new(Shared::default());
        let relayed = shared.clone();
        let address = netns.enter(|| -> Result<SocketAddr> {
            let listener = TcpListener::bind((*to.ip(), 0)).with_context(|| format!("cannot relay to {to}"))?;
            let address = listener.local_addr()?;
            thread::Builder::new().name("relay".to_owned()).spawn(move || accept(&listener, to, &relayed))?;
            Ok(address)
        })??;
        Ok(Relay { address, shared })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection that is open.
    pub fn cut(&self) {
        for stream in self.shared.open().drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// New connections end at once, until told otherwise.
    pub fn refuse(&self, refuse: bool) {
        self.shared.refusing.store(refuse, Ordering::SeqCst);
        if refuse {
            self.cut();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.refuse(true);
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, to: SocketAddrV4, shared: &Arc<Shared>) {
    for client in listener.incoming().flatten() {
        if shared.refusing.load(Ordering::SeqCst) {
            continue;
        }
        // Where the server is away, the client's connection ends, as it would without a relay.
        let Ok(server) = TcpStream::connect(to) else { continue };
        if pass_on(client, server, shared).is_err() {
            shared.open().retain(|stream| stream.peer_addr().is_ok());
        }
    }
}

fn pass_on(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    shared.open().extend([client.try_clone()?, server.try_clone()?]);
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        thread::Builder::new().name("relay".to_owned()).spawn(move || {
            // Either end may go at any time; then the other one goes, too.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        })?;
    }
    Ok(())
}
