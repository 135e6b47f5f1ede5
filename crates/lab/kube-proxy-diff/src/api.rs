//! A real API server: etcd and kube-apiserver in a namespace of their own, and nothing else of a cluster.

mod client;
mod credentials;
mod outages;

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use common::retry::{self, Failed};
use tempfile::TempDir;

pub use self::client::Client;
use self::credentials::Credentials;
use crate::{
    addresses::{NODE, NODE_2, NODE_2_NAME, NODE_NAME, SERVICE_CIDR},
    daemon::{Daemon, Program},
    netns::Netns,
    objects,
    programs::Programs,
};

/// The API server's address, which every world has a link to.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 31, 0, 1);
const BRIDGE: &str = "api0";
const START_LIMIT: Duration = Duration::from_secs(90);

/// A running API server.
pub struct Api {
    netns: Netns,
    client: Client,
    credentials: Credentials,
    /// The worlds' addresses on the link.
    next_host: AtomicU8,
    apiserver: Daemon,
    _etcd: Daemon,
    directory: TempDir,
}

impl Api {
    /// Starts etcd and the API server, waits until it answers, and registers the two nodes.
    pub fn start(programs: &Programs) -> Result<Api> {
        let directory = TempDir::with_prefix("kube-proxy-diff-api-").context("cannot make a directory")?;
        let netns = Netns::new("api")?;
        netns.ip(&[
            format!("link add {BRIDGE} type bridge"),
            format!("link set {BRIDGE} up"),
            format!("address add {ADDRESS}/24 dev {BRIDGE}"),
        ])?;
        let credentials = Credentials::make(directory.path(), ADDRESS)?;
        let etcd = start_etcd(programs, &netns, directory.path())?;
        let apiserver = start_apiserver(programs, &netns, directory.path())?;
        let client = Client::new(ADDRESS, &credentials)?;
        let mut api =
            Api { netns, client, credentials, next_host: AtomicU8::new(2), apiserver, _etcd: etcd, directory };
        api.wait_until_ready()?;
        for (name, address) in [(NODE_NAME, NODE), (NODE_2_NAME, NODE_2)] {
            api.with_client(|client| client.create("/api/v1/nodes", &objects::node(name, address)))?;
        }
        Ok(api)
    }

    /// Does something with a client in the API server's namespace.
    pub fn with_client<T: Send>(&self, work: impl FnOnce(&Client) -> Result<T> + Send) -> Result<T> {
        self.netns.enter(|| work(&self.client))?
    }

    /// Links a world's node to the API server.
    pub fn link(&self, node: &Netns) -> Result<()> {
        let host = self.next_host.fetch_add(1, Ordering::Relaxed);
        let port = format!("world{host}");
        self.netns.cable(&port, node, "api")?;
        self.netns.ip(&[format!("link set {port} master {BRIDGE}")])?;
        let [a, b, c, _] = ADDRESS.octets();
        node.ip(&[format!("address add {}/24 dev api", Ipv4Addr::new(a, b, c, host))])
    }

    /// The kubeconfig that a kube-proxy is started with.
    pub fn kubeconfig(&self) -> PathBuf {
        self.credentials.kubeconfig.clone()
    }

    /// Where logs go.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let ready = retry::until("the API server is ready", START_LIMIT, Duration::from_millis(100), || {
            self.apiserver.check().map_err(Failed::Stop)?;
            // The default namespace is made by the server itself, after it has begun to answer.
            self.with_client(|client| client.get("/readyz").and_then(|_| client.get("/api/v1/namespaces/default")))?;
            Ok(())
        });
        ready.map_err(|error| anyhow!("{error:#}; its log ends with\n{}", self.apiserver.log_tail()))
    }
}

fn start_etcd(programs: &Programs, netns: &Netns, directory: &Path) -> Result<Daemon> {
    let data = directory.join("etcd");
    fs::create_dir(&data)?;
    let program = Program {
        path: programs.etcd.clone(),
        arguments: vec![
            format!("--data-dir={}", data.display()),
            "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
            "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
            "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        ],
        // etcd does not run on 32 bits without being told so.
        environment: vec![("ETCD_UNSUPPORTED_ARCH".to_owned(), "386".to_owned())],
        insists_on_limits: false,
    };
    Daemon::start("etcd", &program, netns, &directory.join("etcd.log"))
}

fn start_apiserver(programs: &Programs, netns: &Netns, directory: &Path) -> Result<Daemon> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", directory.join(name).display());
    let program = Program {
        path: programs.hyperkube.clone(),
        arguments: vec![
            "kube-apiserver".to_owned(),
            "--etcd-servers=http://127.0.0.1:2379".to_owned(),
            format!("--advertise-address={ADDRESS}"),
            "--secure-port=6443".to_owned(),
            format!("--service-cluster-ip-range={SERVICE_CIDR}"),
            // Nobody but the suite writes Endpoints.
            "--endpoint-reconciler-type=none".to_owned(),
            "--authorization-mode=AlwaysAllow".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            file("service-account-signing-key-file", credentials::SERVER_KEY),
            file("service-account-key-file", credentials::SERVER_CERTIFICATE),
            file("tls-cert-file", credentials::SERVER_CERTIFICATE),
            file("tls-private-key-file", credentials::SERVER_KEY),
            file("token-auth-file", credentials::TOKENS),
        ],
        environment: vec![],
        insists_on_limits: false,
    };
    Daemon::start("kube-apiserver", &program, netns, &directory.join("apiserver.log"))
}
