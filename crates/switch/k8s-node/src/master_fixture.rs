//! A master for tests: a PKI in a directory of its own, and the server that workers enrol at on a free port.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use cluster::{Cluster, pki};
use enrolment::{Event, Server, ServerLimits, Stop, Token};
use tempfile::TempDir;

use crate::{certificate_authority::CertificateAuthority, node_keys::NodeKeysFile};

const CLUSTER: &str = include_str!("../../cluster/tests/fixtures/cluster.toml");

const FILE: &str = "node-keys.json";

/// Its nodes have addresses that a test can ask from.
pub fn cluster() -> Cluster {
    let mut cluster = Cluster::parse(CLUSTER, "cluster.toml").unwrap();
    for (node, last) in cluster.nodes.iter_mut().zip(11..) {
        node.address = Ipv4Addr::new(127, 0, 0, last);
    }
    cluster
}

/// It ends with the test.
pub struct Master {
    pub cluster: Cluster,
    pub address: SocketAddr,
    pub ca: Arc<CertificateAuthority>,
    directory: TempDir,
    events: Arc<Mutex<Vec<Event>>>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Master {
    /// One whose certificates were made at `made`.
    pub fn start(made: SystemTime) -> Master {
        Master::of(&cluster(), made)
    }

    /// What an upgrade makes of the master of a cluster whose workers were enrolled before there was a table of keys.
    pub fn forget_keys(&self) {
        fs::remove_file(self.pki().join(FILE)).unwrap();
        self.ca.node_keys.begin(&self.cluster, self.pki()).unwrap();
    }

    pub fn of(cluster: &Cluster, made: SystemTime) -> Master {
        let (directory, cluster) = (tempfile::tempdir().unwrap(), cluster.clone());
        let node_keys = NodeKeysFile::at(directory.path().join(FILE));
        node_keys.begin(&cluster, directory.path()).unwrap();
        pki::ensure_master(directory.path(), &cluster, cluster.master(), made).unwrap();
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = events.clone();
        // Nobody listens there before a test does.
        let kubelet_port = TcpListener::bind((cluster.nodes[1].address, 0)).unwrap().local_addr().unwrap().port();
        let pki = directory.path().into();
        let ca = Arc::new(CertificateAuthority {
            pki,
            cluster: cluster.clone(),
            node_keys,
            kubelet_port,
            turn: Mutex::default(),
        });
        let server = Server::bind(
            (Ipv4Addr::LOCALHOST, 0).into(),
            cluster.token.as_ref().map(|token| Token::new(token.reveal()).unwrap()),
            ca.clone(),
            ServerLimits { attempts_a_minute: u32::MAX, connections: 32, ..ServerLimits::default() },
            move |event| sink.lock().unwrap().push(event),
        )
        .unwrap();
        let (address, stop) = (server.address(), server.stop_handle().unwrap());
        let thread = Some(thread::spawn(move || server.run()));
        Master { cluster, address, ca, directory, events, stop, thread }
    }

    /// Everything that another one has on its flash.
    pub fn take_over(&self, other: &Master) {
        for file in fs::read_dir(other.pki()).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), self.pki().join(file.file_name())).unwrap();
        }
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
