//! A master for tests: a PKI in a directory of its own, and the server that workers enrol at on a free port.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use cluster::{Cluster, pki};
use enrolment::{Event, Server, ServerLimits, Stop, Token};
use tempfile::TempDir;

use crate::enrolment_server::CertificateAuthority;

const CLUSTER: &str = include_str!("../../cluster/tests/fixtures/cluster.toml");

/// It ends with the test.
pub struct Master {
    pub cluster: Cluster,
    pub address: SocketAddr,
    directory: TempDir,
    events: Arc<Mutex<Vec<Event>>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Master {
    /// One whose certificates were made at `made`.
    pub fn start(made: SystemTime) -> Master {
        let directory = tempfile::tempdir().unwrap();
        let cluster = Cluster::parse(CLUSTER, "cluster.toml").unwrap();
        pki::ensure_master(directory.path(), &cluster, cluster.master(), made).unwrap();
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = events.clone();
        let server = Server::bind(
            (Ipv4Addr::LOCALHOST, 0).into(),
            Token::new(cluster.token.as_ref().unwrap().reveal()).unwrap(),
            Arc::new(CertificateAuthority { pki: directory.path().into(), cluster: cluster.clone() }),
            ServerLimits::default(),
            move |event| sink.lock().unwrap().push(event),
        )
        .unwrap();
        let (address, stop) = (server.address(), server.stop_handle().unwrap());
        let thread = Some(thread::spawn(move || server.run()));
        Master { cluster, address, directory, events, stop, thread }
    }

    pub fn pki(&self) -> &Path {
        self.directory.path()
    }

    /// Waits for so many events; they are told after the answer.
    pub fn events_of(&self, count: usize) -> Vec<Event> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.events.lock().unwrap().len() < count {
            assert!(Instant::now() < deadline, "{count} events were expected: {:?}", self.events.lock().unwrap());
            thread::sleep(Duration::from_millis(2));
        }
        self.events.lock().unwrap().clone()
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
