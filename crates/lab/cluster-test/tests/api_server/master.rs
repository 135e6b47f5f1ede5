//! A master without systemd: etcd and the API server as their units start them, in a network namespace of their own.

use std::{
    fs, io,
    net::{SocketAddrV4, TcpStream},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

use cluster::{
    Cluster, encryption,
    pki::{self, KeyDigest},
    room::LIMITS,
    units::{self, ClusterValues, Places, Values},
};
use contract::{Credential, ports};
use kube_proxy_diff::{
    daemon::{Daemon, Program},
    netns::Netns,
    programs::Programs,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, Client};

const CLUSTER: &str = include_str!("../../../../switch/cluster/tests/fixtures/cluster.toml");
const RECIPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../recipes");

/// The release whose units these are: that of the SWIX in dist/.
const RELEASE: &str = "1.20";

const LIMIT: Duration = Duration::from_secs(90);

pub struct Master {
    api: Daemon,
    _etcd: Daemon,
    netns: Netns,
    cluster: Cluster,
    directory: TempDir,
}

/// A worker's directory, and the keys that it has.
pub struct Worker {
    pub directory: TempDir,
    pub csrs: Vec<String>,
    pub keys: Vec<(Credential, KeyDigest)>,
}

impl Master {
    /// Waits until it answers.
    pub fn start() -> Master {
        let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
        let programs = Programs::of_dist(&swix::dist::directory(), &unpacked).unwrap();
        let (directory, cluster) = (tempfile::tempdir().unwrap(), Cluster::parse(CLUSTER, "cluster.toml").unwrap());
        let place = |name: &str| directory.path().join(name);
        for name in ["bin", "etcd", "log", "run"] {
            fs::create_dir(place(name)).unwrap();
        }
        symlink(&programs.etcd, place("bin/etcd")).unwrap();
        symlink(&programs.hyperkube, place("bin/kube-apiserver")).unwrap();
        let now = SystemTime::now();
        pki::ensure_master(&place("pki"), &cluster, cluster.master(), now).unwrap();
        let clients = pki::ensure_clients(&place("pki"), &cluster, cluster.master(), false, now).unwrap();
        fs::write(place("run/client-ca.pem"), clients.trusted).unwrap();
        encryption::ensure(&place("encryption-config.yaml")).unwrap();
        let netns = Netns::new("master").unwrap();
        netns.ip(&[format!("address add {}/32 dev lo", cluster.master().address)]).unwrap();
        let start = |name: &str| {
            let program = program(name, &cluster, directory.path());
            Daemon::start(name, &program, &netns, &place(&format!("{name}.log"))).unwrap()
        };
        let etcd = start("etcd");
        let mut master = Master { api: start("kube-apiserver"), _etcd: etcd, netns, cluster, directory };
        master.wait_until_ready();
        master
    }

    pub fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A worker that has enrolled.
    pub fn enrol(&self, name: &str) -> Worker {
        let directory = tempfile::tempdir().unwrap();
        let requests =
            pki::requests(directory.path(), &self.cluster, self.cluster.node(name).unwrap(), SystemTime::now());
        let csrs: Vec<String> = requests.unwrap().unwrap().into_iter().map(|request| request.pem).collect();
        let keys = pki::requested_keys(&self.cluster, name, &csrs).unwrap();
        let worker = Worker { directory, csrs, keys };
        self.issue(name, &worker);
        worker
    }

    /// Gives a worker new certificates for the keys that it has.
    pub fn issue(&self, name: &str, worker: &Worker) {
        let (now, node) = (SystemTime::now(), self.cluster.node(name).unwrap());
        let issued = pki::sign(&self.place("pki"), &self.cluster, name, &worker.csrs, now).unwrap();
        pki::accept(worker.directory.path(), &self.cluster, node, &issued, now).unwrap();
    }

    pub fn client(&self, directory: &Path, credential: Credential) -> Client {
        Client::of(directory, credential, &format!("https://127.0.0.1:{}", ports::API_SERVER))
    }

    pub fn admin(&self) -> Client {
        self.client(&self.place("pki"), Credential::Admin)
    }

    /// Serves at a node's address, which is returned: there is a way to it from the master, and no kube-proxy.
    pub fn serve_as<T>(
        &self,
        node: &str,
        port: u16,
        client: impl Fn(TcpStream) -> io::Result<T> + Copy + Send + 'static,
    ) -> String {
        let address = self.cluster.node(node).unwrap().address;
        self.netns.ip(&[format!("address add {address}/32 dev lo")]).unwrap();
        self.netns.serve(node, SocketAddrV4::new(address, port), client).unwrap();
        address.to_string()
    }

    /// Asks in the master's namespace.
    pub fn ask(&self, question: impl FnOnce() -> Answer + Send) -> Answer {
        self.netns.enter(question).unwrap()
    }

    /// Asks until the status is as expected: caches of the API server are behind by a moment.
    pub fn ask_until(&self, status: u16, limit: Duration, question: impl Fn() -> Answer + Send + Sync) -> Answer {
        let began = Instant::now();
        loop {
            let answer = self.ask(&question);
            if answer.status == status {
                return answer;
            }
            assert!(began.elapsed() < limit, "{} in the place of {status}: {}", answer.status, answer.body);
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// A pod of that node, with a Secret of its own.
    pub fn pod_with_secret(&self, node: &str, secret: &str, word: &str) {
        let admin = self.admin();
        let create = |path: &str, object: &Value| {
            self.ask_until(201, Duration::from_secs(20), || {
                admin.post(&format!("/api/v1/namespaces/default/{path}"), object)
            });
        };
        create("serviceaccounts", &json!({"metadata": {"name": "default"}}));
        create("secrets", &json!({"metadata": {"name": secret}, "stringData": {"word": word}}));
        create(
            "pods",
            &json!({"metadata": {"name": "p"}, "spec": {
                "nodeName": node,
                "automountServiceAccountToken": false,
                "containers": [{"name": "c", "image": "example.com/none"}],
                "volumes": [{"name": "s", "secret": {"secretName": secret}}],
            }}),
        );
    }

    fn wait_until_ready(&mut self) {
        let (admin, began) = (self.admin(), Instant::now());
        let ready = |path: &str| self.netns.enter(|| admin.is_well(path)).unwrap();
        while !ready("/readyz") || !ready("/api/v1/namespaces/default") {
            self.api.check().unwrap();
            assert!(began.elapsed() < LIMIT, "it is not ready: {}", self.api.log_tail());
            thread::sleep(Duration::from_millis(200));
        }
    }
}

/// What a unit starts, with its places in a directory of ours.
fn program(name: &str, cluster: &Cluster, directory: &Path) -> Program {
    let units = Path::new(RECIPES).join(RELEASE).join("units").canonicalize().unwrap();
    let template = fs::read_to_string(units.join(format!("{name}.service"))).unwrap();
    let place = |name: &str| directory.join(name);
    let places = Places {
        bin: place("bin"),
        state: directory.into(),
        pki: place("pki"),
        kubeconfigs: place("kubeconfigs"),
        run: place("run"),
        units,
        ..Places::on_switch()
    };
    let values = Values {
        cluster: ClusterValues::from(cluster),
        node: cluster.master(),
        docker: None,
        ca_key: true,
        front_proxy: true,
        limits: LIMITS,
        reserved: None,
        // The old words, as EOS' systemd has them.
        systemd: 219,
        places,
    };
    let text = units::render(name, &template, &values).unwrap().text;
    let (_, command) = text.split_once("\nExecStart=").unwrap();
    let mut words = Vec::new();
    for line in command.lines() {
        words.extend(line.trim_end_matches('\\').split_whitespace().map(str::to_owned));
        if !line.ends_with('\\') {
            break;
        }
    }
    let environment = text.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
    Program {
        path: words.remove(0).into(),
        arguments: words,
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        insists_on_limits: false,
    }
}
