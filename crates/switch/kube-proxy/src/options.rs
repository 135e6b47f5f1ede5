//! What the operator asked for: the command line, and the file that `--config` names, checked before anything starts.
//!
//! Names, meanings and defaults are those of upstream's kube-proxy 1.20, save that conntrack's settings are left alone unless asked
//! for. [`flags`] lists the flags that there are, [`command_line`] reads them; [`absent`] has upstream's that there are not,
//! [`config_file`] the file, [`config_fields`] what of it has no effect.

mod absent;
mod command_line;
mod config_fields;
mod config_file;
mod config_schema;
mod feature_gates;
mod flags;
mod values;

#[cfg(test)]
mod tests;

use contract::ports::{KUBE_PROXY_HEALTH as HEALTHZ_PORT, KUBE_PROXY_METRICS as METRICS_PORT};
use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;

use crate::routed_nodes::RoutedNode;

pub use command_line::help;
pub use config_file::parse as parse_configuration;

/// What this program shall do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Run(Options),
    /// Remove what a kube-proxy has programmed, and exit.
    Cleanup(Options),
    /// Print the rules that would be programmed, and exit.
    PrintRules(Options),
    Help,
    Version,
}

/// Everything that can be chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// This node's name, in lower case.
    pub node_name: String,
    /// `None`: what a pod finds in its own files.
    pub kubeconfig: Option<PathBuf>,
    /// The API server's address, whatever the kubeconfig says.
    pub master: Option<String>,
    /// `None`: the best that works here.
    pub proxy_mode: Option<ProxyMode>,
    /// Where the user space proxy listens.
    pub bind_address: Ipv4Addr,
    /// A health or metrics port that is in use ends the program.
    pub bind_address_hard_fail: bool,
    /// `None`: no such server.
    pub healthz_bind_address: Option<SocketAddr>,
    /// `None`: no such server.
    pub metrics_bind_address: Option<SocketAddr>,
    /// Traffic to cluster IPs from anywhere else is masqueraded.
    pub cluster_cidr: Option<Ipv4Net>,
    pub detect_local_mode: DetectLocalMode,
    /// The bridge that this node's pods are on. Forwarded packets that conntrack takes for invalid are dropped there, and nowhere else.
    pub pod_bridge_interface: Option<String>,
    /// This node's pods, and all cluster IPs: with the bridge they tell what only passes through, which is not tracked then.
    pub pod_cidr: Option<Ipv4Net>,
    pub service_cluster_ip_range: Option<Ipv4Net>,
    /// The other nodes, whose routes are followed.
    pub routed_nodes: Vec<RoutedNode>,
    pub masquerade_all: bool,
    /// The bit of packets' marks that says: to be masqueraded.
    pub masquerade_bit: u8,
    /// How often all rules are checked.
    pub sync_period: Duration,
    /// The least time between two writes.
    pub min_sync_period: Duration,
    /// The addresses that serve node ports; empty: all of the node's.
    pub nodeport_addresses: Vec<Ipv4Net>,
    pub conntrack: Conntrack,
    /// How long a UDP client may be silent before the user space proxy forgets it.
    pub udp_timeout: Duration,
    pub oom_score_adj: i32,
    /// `--feature-gates=EndpointSliceProxying=false`: watch Endpoints even where there are EndpointSlices.
    pub endpoint_slices: bool,
    /// How much is logged, as upstream counts it.
    pub verbosity: u8,
    /// What was asked for and has no effect; to be logged.
    pub warnings: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            node_name: String::new(),
            kubeconfig: None,
            master: None,
            proxy_mode: None,
            bind_address: Ipv4Addr::UNSPECIFIED,
            bind_address_hard_fail: false,
            healthz_bind_address: Some((Ipv4Addr::UNSPECIFIED, HEALTHZ_PORT).into()),
            metrics_bind_address: Some((Ipv4Addr::LOCALHOST, METRICS_PORT).into()),
            cluster_cidr: None,
            detect_local_mode: DetectLocalMode::ClusterCidr,
            pod_bridge_interface: None,
            pod_cidr: None,
            service_cluster_ip_range: None,
            routed_nodes: Vec::new(),
            masquerade_all: false,
            masquerade_bit: 14,
            sync_period: Duration::from_secs(30),
            min_sync_period: Duration::ZERO,
            nodeport_addresses: Vec::new(),
            conntrack: Conntrack::default(),
            udp_timeout: Duration::from_millis(250),
            oom_score_adj: -999,
            endpoint_slices: true,
            verbosity: 0,
            warnings: Vec::new(),
        }
    }
}

/// The ways to proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyMode {
    Iptables,
    Userspace,
}

/// How traffic of this node's own pods is told from other traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetectLocalMode {
    ClusterCidr,
    /// Upstream's: by the addresses that the API has for this node's pods. Other nodes' pods ask the kube-proxy there, so that with
    /// `--cluster-cidr` it comes to the same.
    NodeCidr,
}

/// What was asked for of conntrack; `None` was not asked for, and zero is to be left as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    pub max_per_core: Option<u32>,
    pub min: Option<u32>,
    pub tcp_established: Option<Duration>,
    pub tcp_close_wait: Option<Duration>,
}

/// A command line or a configuration file that cannot be followed; exit status 2.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

/// Reads the command line, without the program's name, and the file that it names.
pub fn parse<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Result<Command, UsageError> {
    let draft = command_line::read(arguments.into_iter().map(Into::into).collect())?;
    match draft.action {
        Action::Help => return Ok(Command::Help),
        Action::Version => return Ok(Command::Version),
        Action::Run | Action::Cleanup | Action::PrintRules => {}
    }
    let action = draft.action;
    let mut options = match draft.config.clone() {
        Some(path) => config_file::read(&path, &draft)?,
        None => draft.options,
    };
    options.warnings.extend(draft.without_effect);
    if options.detect_local_mode == DetectLocalMode::NodeCidr {
        if options.cluster_cidr.is_none() {
            return Err(UsageError(
                "--detect-local-mode=NodeCIDR (detectLocalMode) needs --cluster-cidr (clusterCIDR) here, as traffic of pods is told by \
                 that: give the addresses of all pods"
                    .to_owned(),
            ));
        }
        options
            .warnings
            .push("NodeCIDR is taken for ClusterCIDR: traffic of pods is told by --cluster-cidr".to_owned());
        options.detect_local_mode = DetectLocalMode::ClusterCidr;
    }
    if options.min_sync_period > options.sync_period {
        return Err(UsageError(format!(
            "--iptables-min-sync-period (minSyncPeriod) is {:?}, which must not be more than --iptables-sync-period (syncPeriod), {:?}",
            options.min_sync_period, options.sync_period
        )));
    }
    let told = [options.pod_cidr, options.service_cluster_ip_range].into_iter().flatten().count();
    if told == 1 || (told == 2 && options.pod_bridge_interface.is_none()) {
        return Err(UsageError(
            "--pod-bridge-interface, --pod-cidr and --service-cluster-ip-range are needed together to tell what only passes through \
             this node: give all three, or the first alone"
                .to_owned(),
        ));
    }
    if options.node_name.is_empty() {
        let host = rustix::system::uname();
        options.node_name = values::node_name(&host.nodename().to_string_lossy()).unwrap_or_default();
    }
    if options.node_name.is_empty() {
        return Err(UsageError("this host has no name: give the node's with --hostname-override".to_owned()));
    }
    Ok(match action {
        Action::Cleanup => Command::Cleanup(options),
        Action::PrintRules => Command::PrintRules(options),
        _ => Command::Run(options),
    })
}

/// The command line as it was read, before the configuration file has its say.
#[derive(Debug, Default)]
struct Draft {
    action: Action,
    config: Option<PathBuf>,
    options: Options,
    /// The flags that were given.
    given: Vec<&'static command_line::Flag>,
    /// What is to be said of flags that have no effect.
    without_effect: Vec<String>,
    /// What is wrong with the first flag that a configuration file would decide against.
    wrong: Option<UsageError>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Action {
    #[default]
    Run,
    Cleanup,
    PrintRules,
    Help,
    Version,
}
