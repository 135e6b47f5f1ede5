//! The program with all that it needs, and who asks it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use api_watch::fake::FakeApi;
use contract::{dns, metrics};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::authorities::{Authority, Identity, roots, self_signed};
use crate::kubelet::FakeKubelet;

/// Only bounds a failure.
const TIMEOUT: Duration = Duration::from_secs(60);

const NODES: &str = "/api/v1/nodes";
const PODS: &str = "/api/v1/pods";
const API_SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

const V1BETA1: &str = "/apis/metrics.k8s.io/v1beta1";

pub const FRONT_PROXY: &str = "front-proxy-client";

pub struct Running {
    pub api: FakeApi,
    pub kubelet: FakeKubelet,
    pub front_proxy: Authority,
    pub address: SocketAddr,
    serving: Identity,
    health: SocketAddr,
    _directory: TempDir,
    child: Child,
}

impl Running {
    /// With one node and two pods, of which the kubelet has measured one, and with an APIService of ours.
    pub fn start() -> Running {
        let running = Running::with(&Authority::new("Kubernetes"), None);
        running.until("serving");
        running
    }

    /// The kubelet's certificate may be another authority's.
    pub fn with(cluster: &Authority, of_kubelet: Option<&Authority>) -> Running {
        let front_proxy = Authority::new("front-proxy-ca");
        let kubelet = FakeKubelet::start(cluster, of_kubelet.unwrap_or(cluster));
        let api = FakeApi::start(&[NODES, PODS, API_SERVICES]);
        let (address, health) = (free_port(), free_port());
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = directory.path().join(name);
            std::fs::write(&file, text).unwrap();
            file.display().to_string()
        };
        let (serving, client) = (self_signed(metrics::SERVER_NAME), cluster.client(metrics::USER));
        let kubeconfig = json!({
            "clusters": [{"name": "c", "cluster": {"server": api.url()}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
            "users": [{"name": "c", "user": {}}],
            "current-context": "c",
        });
        let child = Command::new(env!("CARGO_BIN_EXE_metrics-server"))
            .arg(format!("--kubeconfig={}", write("kubeconfig", &kubeconfig.to_string())))
            .arg(format!("--address={address}"))
            .arg(format!("--tls-cert-file={}", write("serving.pem", &serving.certificate)))
            .arg(format!("--tls-private-key-file={}", write("serving-key.pem", &serving.key)))
            .arg(format!("--requestheader-client-ca-file={}", write("front-proxy-ca.pem", &front_proxy.pem())))
            .arg(format!("--requestheader-allowed-names={FRONT_PROXY}"))
            .arg(format!("--kubelet-certificate-authority={}", write("ca.pem", &cluster.pem())))
            .arg(format!("--kubelet-client-certificate={}", write("client.pem", &client.certificate)))
            .arg(format!("--kubelet-client-key={}", write("client-key.pem", &client.key)))
            .arg(format!("--kubelet-port={}", kubelet.address.port()))
            .arg(format!("--health-bind-address={health}"))
            .stderr(if std::env::var_os("KOE_SHOW").is_some() { Stdio::inherit() } else { Stdio::null() })
            .spawn()
            .unwrap();
        let running = Running { api, kubelet, front_proxy, address, serving, health, _directory: directory, child };
        running.kubelet.says("200 OK", &summary(30, 7));
        running.api.put(NODES, node("True"));
        for name in ["web", "new"] {
            running.api.put(PODS, json!({
                "metadata": {"namespace": "x", "name": name, "labels": {"app": name}}, "spec": {"nodeName": "veos-l1"},
            }));
        }
        running.api.put(API_SERVICES, api_service(true));
        running
    }

    pub fn set_node(&self, ready: &str) {
        self.api.put(NODES, node(ready));
    }

    pub fn set_api_service(&self, ours: bool) {
        self.api.put(API_SERVICES, api_service(ours));
    }

    pub fn delete_pod(&self, name: &str) {
        self.api.delete(PODS, "x", name);
    }

    pub fn until(&self, state: &str) -> Value {
        let is_so = || self.status().filter(|status| status["state"] == state);
        self.wait_for(&format!("it is {state}"), || is_so().is_some());
        is_so().unwrap_or_default()
    }

    pub fn wait_for(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < TIMEOUT, "{what}");
            sleep(Duration::from_millis(50));
        }
    }

    /// What k8s-node is told.
    pub fn status(&self) -> Option<Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (_, _, body) = runtime.block_on(daemon::http::client::get(self.health, "/status")).ok()?;
        serde_json::from_str(&body).ok()
    }

    /// Asks as the API server does.
    pub fn get(&self, path: &str) -> (u16, Value) {
        self.ask(Some(&self.front_proxy.client(FRONT_PROXY)), &format!("{V1BETA1}{path}")).unwrap()
    }

    /// The status and the body; none where there was no answer.
    pub fn ask(&self, identity: Option<&Identity>, path: &str) -> Option<(u16, Value)> {
        self.request(identity, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
    }

    pub fn request(&self, identity: Option<&Identity>, text: &str) -> Option<(u16, Value)> {
        let mut stream = self.connect(identity);
        stream.write_all(text.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).unwrap_or_default()))
    }

    pub fn connect(&self, identity: Option<&Identity>) -> StreamOwned<ClientConnection, TcpStream> {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots(&self.serving.certificate));
        let config = match identity.map(Identity::read) {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        let name = ServerName::try_from(metrics::SERVER_NAME).unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        StreamOwned::new(connection, stream)
    }

    /// As systemd ends it; says whether it ended well.
    pub fn stop(mut self) -> bool {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        let begun = Instant::now();
        loop {
            if let Some(ended) = self.child.try_wait().unwrap() {
                return ended.success();
            }
            assert!(begun.elapsed() < TIMEOUT, "it does not end");
            sleep(Duration::from_millis(20));
        }
    }

    /// The memory that it has of its own, in KiB: the text of a program that is not optimised is no measure.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn node(ready: &str) -> Value {
    json!({
        "metadata": {"name": "veos-l1"},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": ready}],
        },
    })
}

fn api_service(ours: bool) -> Value {
    let labels = if ours { json!({ dns::MANAGED_BY.0: dns::MANAGED_BY.1 }) } else { json!({}) };
    json!({
        "metadata": {"name": metrics::API_SERVICE, "labels": labels},
        "spec": {"service": {"namespace": metrics::NAMESPACE, "name": metrics::SERVICE}},
    })
}

/// Of a node with one pod that has been measured.
pub fn summary(second: u64, nanocores: u64) -> String {
    let stats = |name: &str| {
        json!({
            "name": name,
            "startTime": "2026-11-30T10:00:00Z",
            "cpu": {
                "time": format!("2026-11-30T12:00:{second:02}Z"),
                "usageNanoCores": nanocores, "usageCoreNanoSeconds": second * 1_000_000_000,
            },
            "memory": {"workingSetBytes": 5 << 20},
        })
    };
    let mut node = stats("");
    node["nodeName"] = "veos-l1".into();
    json!({
        "node": node,
        "pods": [{"podRef": {"namespace": "x", "name": "web", "uid": "1"}, "containers": [stats("main")]}],
    })
    .to_string()
}

fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}
