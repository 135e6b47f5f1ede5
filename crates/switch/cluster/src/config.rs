//! `cluster.toml`, checked as a whole: a [`Cluster`] exists only when every line of it is right.

mod certificates;
mod check;
mod error;
mod file;
mod join;
mod names;
mod network;
mod services;
mod storage;
mod token;

use std::net::Ipv4Addr;

use contract::ports;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::Reserved;

pub use certificates::{CERTIFICATE_DAYS, Certificates};
pub use check::overlap;
pub use error::{ConfigError, ConfigErrors};
pub use join::{CaHash, LastDay};
pub use names::Names;
pub use network::{Backend, Firewall, Network, NetworkOn};
pub use services::{ExternalIps, Services};
pub use storage::Storage;
pub use token::JoinToken;

/// A cluster as its operator wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cluster {
    pub name: String,
    /// Where the addresses of Services come from.
    pub service_cidr: Ipv4Net,
    /// Where each node's /24 for its pods comes from.
    pub pod_cidr: Ipv4Net,
    /// The Service address that pods ask for names.
    pub dns: Ipv4Addr,
    /// The domain of Services' names.
    pub domain: String,
    /// Where names outside the cluster are known, and who else is answered.
    pub names: Names,
    pub key: KeyType,
    pub subject: Subject,
    pub kube_proxy: KubeProxy,
    /// What of each switch is EOS', and not for pods; a cluster that has begun without it keeps what its nodes can give.
    pub reserved: Option<Reserved>,
    pub certificates: Certificates,
    pub storage: Storage,
    /// A cluster without it is as those of older releases.
    pub network: Option<Network>,
    pub services: Services,
    pub nodes: Vec<Node>,
    /// What a worker and the master know of each other before there are certificates. Without it nobody new can join.
    #[serde(skip)]
    pub token: Option<JoinToken>,
    /// The certificate authority that a worker takes at its first join; without it, the one of who knows the token.
    pub ca_hash: Option<CaHash>,
    /// New nodes may join until then.
    pub until: Option<LastDay>,
    /// Whether requests reach the master from other addresses than the nodes' own.
    pub nat: bool,
    /// What a new cluster is refused for, and one that runs already is told.
    #[serde(skip)]
    pub warnings: ConfigErrors,
}

/// A switch of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The switch's hostname and the node's name.
    pub name: String,
    /// An address that the others reach it at whatever link is down: a loopback interface's.
    pub address: Ipv4Addr,
    pub master: bool,
    pub worker: bool,
    /// The range of its pods.
    pub pod_cidr: Ipv4Net,
}

impl Node {
    /// The switch's own address in the range of its pods: their gateway, and what it sends to pods of others from.
    pub fn gateway(&self) -> Ipv4Addr {
        first_address(self.pod_cidr)
    }
}

/// The type of every key that is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    #[default]
    EcdsaP256,
    #[serde(rename = "rsa-2048")]
    Rsa2048,
}

/// What stands in every certificate's subject beside its name and organisation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Two letters.
    pub country: Option<String>,
    pub locality: Option<String>,
}

/// Which kube-proxy runs on the nodes, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubeProxy {
    #[serde(default)]
    pub implementation: KubeProxyImplementation,
    /// Without one, the best that the switch can do.
    pub mode: Option<ProxyMode>,
    /// Whether endpoints on a node are left out as soon as the route to it goes. Not said, they are where this project's kube-proxy runs.
    pub follow_routes: Option<bool>,
}

impl KubeProxy {
    pub fn follows_routes(self) -> bool {
        self.implementation == KubeProxyImplementation::KubernetesOnEos && self.follow_routes.unwrap_or(true)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KubeProxyImplementation {
    /// The one of this project.
    #[default]
    KubernetesOnEos,
    /// The one of the Kubernetes release.
    Upstream,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProxyMode {
    Iptables,
    Userspace,
}

impl Cluster {
    /// Reads and checks the text of a file; `file` is its name in errors. Every error is reported, not the first alone.
    pub fn parse(text: &str, file: &str) -> Result<Cluster, ConfigErrors> {
        let errors = |errors| ConfigErrors { file: file.to_owned(), errors };
        let (parsed, join) = file::parse(text).map_err(|error| errors(vec![error]))?;
        let mut cluster = check::cluster(parsed, join, text).map_err(errors)?;
        file.clone_into(&mut cluster.warnings.file);
        Ok(cluster)
    }

    /// The one node that runs the control plane.
    pub fn master(&self) -> &Node {
        self.nodes.iter().find(|node| node.master).expect("a Cluster is only made with one master")
    }

    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The node that a switch of this hostname is: the whole name or its first label, in any case of letters.
    pub fn node_of_host(&self, hostname: &str) -> Option<&Node> {
        let hostname = hostname.trim().to_ascii_lowercase();
        let label = hostname.split('.').next().unwrap_or_default();
        self.node(&hostname).or_else(|| self.node(label))
    }

    /// The address of the Service `kubernetes`: the first of the range.
    pub fn first_service_address(&self) -> Ipv4Addr {
        first_address(self.service_cidr)
    }

    pub fn api_server_url(&self) -> String {
        format!("https://{}:{}", self.master().address, ports::API_SERVER)
    }
}

fn first_address(range: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(range.network()).saturating_add(1))
}
