//! The systemd units of a release: templates in the image, rendered for one node from `cluster.toml`.
//!
//! A template is a unit file with values in it, `{{ cluster.pod_cidr }}`, and may leave parts out with `{% if ca_key %}`. What it
//! does not know is an error. systemd passes over a section whose name begins with `X-`; ours lists the files that the
//! service does not read again by itself:
//!
//! ```text
//! [X-Kubernetes-On-EOS]
//! RestartOn=/mnt/flash/k8s/pki/node.pem
//! ```

use std::path::PathBuf;

use contract::{places, ports};
use ipnet::Ipv4Net;
use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use crate::{BRIDGE, Cluster, ExternalIps, Firewall, KubeProxy, Names, Node, ReservedOn, room::StorageLimits};

const SECTION: &str = "[X-Kubernetes-On-EOS]";
const RESTART_ON: &str = "RestartOn=";

/// What a template may name.
#[derive(Debug, Clone, Serialize)]
pub struct Values<'a> {
    pub cluster: ClusterValues<'a>,
    pub node: &'a Node,
    /// For the units of services that talk to Docker.
    pub docker: Option<Docker<'a>>,
    /// Whether the certificate authority's key is on this switch, so that the controller manager can sign with it.
    pub ca_key: bool,
    /// Whether the API server can show aggregated API servers who it is: not before the stage `pki` has had room for what that needs.
    pub front_proxy: bool,
    pub limits: StorageLimits,
    /// What pods are not given on this switch; none where cluster.toml does not say.
    pub reserved: Option<ReservedOn>,
    /// The version that reads the units: it has its own words for some limits.
    pub systemd: u32,
    #[serde(flatten)]
    pub places: Places,
}

#[derive(Debug, Clone, Serialize)]
pub struct ClusterValues<'a> {
    pub name: &'a str,
    pub service_cidr: Ipv4Net,
    pub pod_cidr: Ipv4Net,
    pub dns: std::net::Ipv4Addr,
    pub domain: &'a str,
    pub names: &'a Names,
    /// Whose rules let packets in to the switch.
    pub firewall: Firewall,
    /// What each node's pods are on.
    pub bridge: &'static str,
    pub kube_proxy: KubeProxy,
    /// Whether kube-proxy leaves out endpoints on nodes without a route.
    pub follows_routes: bool,
    pub nodes: &'a [Node],
    /// Whether the API server refuses Services new addresses of their own choice.
    pub denies_external_ips: bool,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Docker<'a> {
    /// `cgroupfs` or `systemd`: the kubelet must use the same as Docker does.
    pub cgroup_driver: &'a str,
}

/// Where things are on the switch.
#[derive(Debug, Clone, Serialize)]
pub struct Places {
    /// Kubernetes' programs.
    pub bin: PathBuf,
    pub cni_plugins: PathBuf,
    /// The templates and the files beside them.
    pub units: PathBuf,
    /// What lasts, on the flash.
    pub state: PathBuf,
    pub pki: PathBuf,
    pub kubeconfigs: PathBuf,
    /// What is made new at every boot.
    pub run: PathBuf,
    pub ports: Ports,
}

/// What listens where.
#[derive(Debug, Clone, Serialize)]
pub struct Ports {
    pub api_server: u16,
    pub etcd: u16,
    pub etcd_peers: u16,
    pub cluster_dns_metrics: u16,
    pub metrics_server: u16,
    pub metrics_server_health: u16,
}

impl Places {
    pub fn on_switch() -> Self {
        Places {
            bin: places::BIN.into(),
            cni_plugins: places::CNI_PLUGINS.into(),
            units: places::UNIT_TEMPLATES.into(),
            state: places::STATE.into(),
            pki: places::PKI.into(),
            kubeconfigs: places::KUBECONFIGS.into(),
            run: places::RUN.into(),
            ports: Ports {
                api_server: ports::API_SERVER,
                etcd: ports::ETCD,
                etcd_peers: ports::ETCD_PEERS,
                cluster_dns_metrics: ports::CLUSTER_DNS_METRICS,
                metrics_server: ports::METRICS_SERVER,
                metrics_server_health: ports::METRICS_SERVER_HEALTH,
            },
        }
    }
}

impl<'a> From<&'a Cluster> for ClusterValues<'a> {
    fn from(cluster: &'a Cluster) -> Self {
        ClusterValues {
            name: &cluster.name,
            service_cidr: cluster.service_cidr,
            pod_cidr: cluster.pod_cidr,
            dns: cluster.dns,
            domain: &cluster.domain,
            names: &cluster.names,
            firewall: cluster.network.as_ref().map(|network| network.firewall).unwrap_or_default(),
            bridge: BRIDGE,
            kube_proxy: cluster.kube_proxy,
            follows_routes: cluster.kube_proxy.follows_routes(),
            nodes: &cluster.nodes,
            denies_external_ips: cluster.services.external_ips == ExternalIps::Denied,
        }
    }
}

/// Why a unit could not be rendered: the release's fault, not the operator's.
#[derive(Debug, thiserror::Error)]
#[error("the unit template {template} cannot be rendered: {error}")]
pub struct RenderError {
    template: String,
    #[source]
    error: minijinja::Error,
}

/// A unit file, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub text: String,
    /// The files whose change asks for a restart.
    pub restart_on: Vec<PathBuf>,
}

/// Renders a template; `name` is its name in errors.
pub fn render(name: &str, template: &str, values: &Values<'_>) -> Result<Unit, RenderError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(true).build().expect("the usual delimiters"));
    let text = environment
        .render_str(template, Value::from(Serde(values)))
        .map_err(|error| RenderError { template: name.to_owned(), error })?;
    let ours = text.split_once(SECTION).map_or("", |(_, section)| section);
    let listed = ours.lines().filter_map(|line| line.strip_prefix(RESTART_ON)).flat_map(str::split_whitespace);
    let restart_on = listed.map(PathBuf::from).collect();
    Ok(Unit { text, restart_on })
}
