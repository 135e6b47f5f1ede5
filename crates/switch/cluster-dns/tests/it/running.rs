//! The program with a directory of its own, an API server and a resolver.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use api_watch::fake::{ENDPOINTS, FakeApi, SERVICES};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Answer, ask};
use crate::resolver::FakeResolver;

/// Only bounds a failure.
const TIMEOUT: Duration = Duration::from_secs(60);

pub struct Running {
    pub api: FakeApi,
    pub resolver: FakeResolver,
    pub address: SocketAddr,
    pub metrics: SocketAddr,
    pub directory: TempDir,
    pub flags: Vec<String>,
    /// Where programs are looked for first.
    pub programs: Option<PathBuf>,
    child: Option<Child>,
}

impl Running {
    /// With the Services that every test has, and known to be current.
    pub fn start() -> Running {
        let mut running = Running::new();
        running.put_samples();
        running.run();
        running.until("current");
        running
    }

    /// With nothing yet.
    pub fn new() -> Running {
        let resolver = FakeResolver::start();
        let flags = vec![format!("--upstream={}", resolver.address)];
        Running {
            api: FakeApi::start(&[SERVICES, ENDPOINTS]),
            resolver,
            address: free_port(),
            metrics: free_port(),
            directory: tempfile::tempdir().unwrap(),
            flags,
            programs: None,
            child: None,
        }
    }

    pub fn run(&mut self) {
        let directory = |name: &str| self.directory.path().join(name).display().to_string();
        let path = std::env::var("PATH").unwrap();
        let path = self.programs.iter().fold(path, |path, first| format!("{}:{path}", first.display()));
        let child = Command::new(env!("CARGO_BIN_EXE_cluster-dns"))
            .env("PATH", path)
            .arg(format!("--master={}", self.api.url()))
            .args(["--address=127.0.0.1", "--service-cidr=10.10.0.0/22", "--cluster-cidr=10.16.0.0/16"])
            .arg(format!("--port={}", self.address.port()))
            .arg(format!("--metrics-bind-address={}", self.metrics))
            .args([format!("--run-dir={}", directory("run")), format!("--state-dir={}", directory("state"))])
            .args(&self.flags)
            .stderr(if std::env::var_os("KOE_SHOW").is_some() { Stdio::inherit() } else { Stdio::null() })
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    pub fn kept(&self, below: &str) -> PathBuf {
        self.directory.path().join(below).join("names.json")
    }

    /// Ends it as systemd does, or as a power cut does.
    pub fn stop(&mut self, kill: bool) {
        let Some(mut child) = self.child.take() else { return };
        if kill {
            child.kill().unwrap();
        } else {
            let ended = Command::new("kill").arg(child.id().to_string()).status().unwrap();
            assert!(ended.success());
        }
        child.wait().unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Waits until what it knows of names stands so.
    pub fn until(&self, names: &str) {
        self.wait_for(&format!("names are {names}"), || self.status().is_some_and(|status| status["names"] == names));
        self.wait_for("it serves", || self.status().is_some_and(|status| status["state"] == "serving"));
        if names != "unknown" {
            self.wait_for("it answers", || ask(self.address, "cluster.local.", "SOA").is_some());
        }
    }

    pub fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < TIMEOUT, "{what}");
            sleep(Duration::from_millis(20));
        }
    }

    pub fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.get("/status")?.1).ok()
    }

    /// The status line's number and the body.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, _, body) = runtime.block_on(daemon::http::client::get(self.metrics, path)).ok()?;
        Some((status, body))
    }

    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").unwrap().1;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
        line.rsplit_once(' ').unwrap().1.parse().unwrap()
    }

    /// In KiB.
    pub fn resident(&self) -> u64 {
        let pid = self.child.as_ref().unwrap().id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub fn ask(&self, name: &str, kind: &str) -> Answer {
        ask(self.address, name, kind).unwrap_or_else(|| panic!("no answer for {name} {kind}"))
    }

    /// Waits until the answer is this.
    pub fn answers(&self, name: &str, kind: &str, data: &[&str]) {
        self.wait_for(&format!("{name} {kind} is {data:?}"), || {
            ask(self.address, name, kind).is_some_and(|answer| answer.data == data)
        });
    }

    fn put_samples(&self) {
        let ports = json!([{"name": "http", "port": 80, "protocol": "TCP"}]);
        self.put_service("web", json!({"clusterIP": "10.10.0.20", "ports": ports}));
        self.put_service("db", json!({"clusterIP": "None", "ports": ports}));
        self.put_service("out", json!({"type": "ExternalName", "externalName": "www.example.com"}));
        self.put_service("in", json!({"type": "ExternalName", "externalName": "web.shop.svc.cluster.local"}));
        self.put_service("round", json!({"type": "ExternalName", "externalName": "round.shop.svc.cluster.local"}));
        self.put_endpoints("db", &[1, 2]);
    }

    pub fn put_service(&self, name: &str, spec: Value) {
        self.api.put(SERVICES, json!({"metadata": {"namespace": "shop", "name": name}, "spec": spec}));
    }

    pub fn put_endpoints(&self, name: &str, addresses: &[u8]) {
        let address = |last: &u8| json!({"ip": Ipv4Addr::new(10, 16, 0, *last), "hostname": format!("{name}-{last}")});
        let addresses: Vec<Value> = addresses.iter().map(address).collect();
        let ports = json!([{"name": "http", "port": 8080, "protocol": "TCP"}]);
        let subsets = json!([{"addresses": addresses, "ports": ports}]);
        self.api.put(ENDPOINTS, json!({"metadata": {"namespace": "shop", "name": name}, "subsets": subsets}));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop(true);
    }
}

/// One that is free for UDP, too.
fn free_port() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = tcp.local_addr().unwrap();
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}
