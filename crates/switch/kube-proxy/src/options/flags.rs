//! The list of flags. `--help` is made of it as well.

use std::net::SocketAddr;

use super::command_line::{Flag, Kind};
use super::{Action, Draft, HEALTHZ_PORT, METRICS_PORT, Options, feature_gates, values};

use Kind::{Switch, Value};

pub(super) const FLAGS: &[Flag] = &[
    Flag {
        name: "bind-address",
        kind: Value("ip", |draft, text| set(&mut draft.options.bind_address, values::ipv4(text))),
        default: "0.0.0.0",
        beside_config: false,
        help: "where the user space proxy listens",
    },
    Flag {
        name: "bind-address-hard-fail",
        kind: Switch(|draft, on| set(&mut draft.options.bind_address_hard_fail, Ok(on))),
        default: "false",
        beside_config: false,
        help: "end when the port for health or metrics is in use, instead of trying again",
    },
    Flag {
        name: "cleanup",
        kind: Switch(|draft, on| choose(draft, Action::Cleanup, on)),
        default: "false",
        beside_config: true,
        help: "remove what a kube-proxy has programmed, and exit",
    },
    Flag {
        name: "cluster-cidr",
        kind: Value("cidr", |draft, text| set(&mut draft.options.cluster_cidr, values::ipv4_block(text))),
        default: "",
        beside_config: false,
        help: "the addresses of pods; traffic to a Service from anywhere else is masqueraded",
    },
    Flag {
        name: "config",
        kind: Value("file", |draft, text| set(&mut draft.config, Ok(values::path(text)))),
        default: "",
        beside_config: true,
        help: "a KubeProxyConfiguration (v1alpha1), read once; where there is one, it decides instead of most flags",
    },
    Flag {
        name: "conntrack-max-per-core",
        kind: Value("int32", |draft, text| set(&mut draft.options.conntrack.max_per_core, values::count(text))),
        default: "",
        beside_config: false,
        help: "connections to track for each core; nothing is set without this or --conntrack-min, nor with 0",
    },
    Flag {
        name: "conntrack-min",
        kind: Value("int32", |draft, text| set(&mut draft.options.conntrack.min, values::count(text))),
        default: "",
        beside_config: false,
        help: "connections to track at least, whatever the number of cores",
    },
    Flag {
        name: "conntrack-tcp-timeout-close-wait",
        kind: Value("duration", |draft, text| {
            set(&mut draft.options.conntrack.tcp_close_wait, values::duration(text).map(Some))
        }),
        default: "",
        beside_config: false,
        help: "timeout of TCP connections in the CLOSE_WAIT state; not set without this, nor with 0",
    },
    Flag {
        name: "conntrack-tcp-timeout-established",
        kind: Value("duration", |draft, text| {
            set(&mut draft.options.conntrack.tcp_established, values::duration(text).map(Some))
        }),
        default: "",
        beside_config: false,
        help: "timeout of idle TCP connections; not set without this, nor with 0",
    },
    Flag {
        name: "detect-local-mode",
        kind: Value("mode", |draft, text| set(&mut draft.options.detect_local_mode, values::detect_local_mode(text))),
        default: "ClusterCIDR",
        beside_config: false,
        help: "how traffic of pods is told: ClusterCIDR; NodeCIDR is taken for it where there is a --cluster-cidr",
    },
    Flag {
        name: "feature-gates",
        kind: Value("gate=bool,...", |draft, text| feature_gates::apply_flag(&mut draft.options, text)),
        default: "EndpointSliceProxying=true",
        beside_config: false,
        help: "EndpointSliceProxying=false watches Endpoints instead; no other gate means anything here",
    },
    Flag {
        name: "healthz-bind-address",
        kind: Value("ip:port", |draft, text| {
            set(&mut draft.options.healthz_bind_address, values::listen_address(text, HEALTHZ_PORT))
        }),
        default: "0.0.0.0:10256",
        beside_config: false,
        help: "where /healthz is served; empty for nowhere",
    },
    Flag {
        name: "healthz-port",
        kind: Value("port", |draft, text| port(&mut draft.options.healthz_bind_address, text)),
        default: "10256",
        beside_config: false,
        help: "the port of --healthz-bind-address, behind which it has to stand; 0 for no server (deprecated)",
    },
    Flag {
        name: "help",
        kind: Switch(|draft, on| choose(draft, Action::Help, on)),
        default: "false",
        beside_config: true,
        help: "print this, and exit (-h)",
    },
    Flag {
        name: "hostname-override",
        kind: Value("name", |draft, text| set(&mut draft.options.node_name, values::node_name(text))),
        default: "",
        beside_config: true,
        help: "this node's name, where it is not the host's",
    },
    Flag {
        name: "iptables-masquerade-bit",
        kind: Value("int32", |draft, text| set(&mut draft.options.masquerade_bit, values::number(text, 0..=31))),
        default: "14",
        beside_config: false,
        help: "the bit of a packet's mark that has it masqueraded, 0 to 31",
    },
    Flag {
        name: "iptables-min-sync-period",
        kind: Value("duration", |draft, text| set(&mut draft.options.min_sync_period, values::duration(text))),
        default: "0s",
        beside_config: false,
        help: "the least time between two writes; a change after that much quiet is written at once, and in a busy time writing takes a third of the time at most",
    },
    Flag {
        name: "iptables-sync-period",
        kind: Value("duration", |draft, text| set(&mut draft.options.sync_period, values::duration_above_zero(text))),
        default: "30s",
        beside_config: false,
        help: "how often all rules are checked",
    },
    Flag {
        name: "kubeconfig",
        kind: Value("file", |draft, text| set(&mut draft.options.kubeconfig, Ok(values::path(text)))),
        default: "",
        beside_config: false,
        help: "how to reach the API server, and as whom, by certificate, token or password; without it, as a pod does",
    },
    Flag {
        name: "logtostderr",
        kind: Switch(to_standard_error),
        default: "true",
        beside_config: true,
        help: "logs go to standard error; there is nowhere else",
    },
    Flag {
        name: "masquerade-all",
        kind: Switch(|draft, on| set(&mut draft.options.masquerade_all, Ok(on))),
        default: "false",
        beside_config: false,
        help: "masquerade all traffic to cluster IPs",
    },
    Flag {
        name: "master",
        kind: Value("url", |draft, text| set(&mut draft.options.master, Ok(values::text(text)))),
        default: "",
        beside_config: true,
        help: "the API server's URL or HOST:PORT, instead of the kubeconfig's",
    },
    Flag {
        name: "metrics-bind-address",
        kind: Value("ip:port", |draft, text| {
            set(&mut draft.options.metrics_bind_address, values::listen_address(text, METRICS_PORT))
        }),
        default: "127.0.0.1:10249",
        beside_config: false,
        help: "where /metrics and /proxyMode are served; empty for nowhere",
    },
    Flag {
        name: "metrics-port",
        kind: Value("port", |draft, text| port(&mut draft.options.metrics_bind_address, text)),
        default: "10249",
        beside_config: false,
        help: "the port of --metrics-bind-address, behind which it has to stand; 0 for no server (deprecated)",
    },
    Flag {
        name: "nodeport-addresses",
        kind: Value("cidr,...", |draft, text| {
            set(
                &mut draft.options.nodeport_addresses,
                values::ipv4_blocks(text.split(',').filter(|text| !text.is_empty())),
            )
        }),
        default: "",
        beside_config: false,
        help: "the node's addresses that serve node ports; without it, all of them",
    },
    Flag {
        name: "oom-score-adj",
        kind: Value("int32", |draft, text| set(&mut draft.options.oom_score_adj, values::number(text, -1000..=1000))),
        default: "-999",
        beside_config: false,
        help: "this process' oom_score_adj, -1000 to 1000",
    },
    Flag {
        name: "pod-bridge-interface",
        kind: Value("name", |draft, text| set(&mut draft.options.pod_bridge_interface, values::interface(text))),
        default: "",
        beside_config: true,
        help: "the bridge that this node's pods are on; packets that conntrack takes for invalid are dropped only there",
    },
    Flag {
        name: "pod-cidr",
        kind: Value("cidr", |draft, text| set(&mut draft.options.pod_cidr, values::ipv4_block(text))),
        default: "",
        beside_config: true,
        help: "the addresses of this node's pods; with the bridge and the cluster IPs they tell what only passes through, which is not tracked",
    },
    Flag {
        name: "print-rules",
        kind: Switch(|draft, on| choose(draft, Action::PrintRules, on)),
        default: "false",
        beside_config: true,
        help: "print the iptables rules that would be programmed, and exit; needs no root",
    },
    Flag {
        name: "proxy-mode",
        kind: Value("mode", |draft, text| mode(&mut draft.options, text)),
        default: "",
        beside_config: false,
        help: "iptables or userspace; empty, or ipvs, is the best that works here",
    },
    Flag {
        name: "routed-nodes",
        kind: Value("ip=cidr,...", |draft, text| set(&mut draft.options.routed_nodes, values::routed_nodes(text))),
        default: "",
        beside_config: true,
        help: "other nodes, each by its address and its pods': where the route to one goes, a Service's endpoints there are left out as long as it has others",
    },
    Flag {
        name: "service-cluster-ip-range",
        kind: Value("cidr", |draft, text| set(&mut draft.options.service_cluster_ip_range, values::ipv4_block(text))),
        default: "",
        beside_config: true,
        help: "the cluster IPs, as the API server has them; for --pod-cidr",
    },
    Flag {
        name: "udp-timeout",
        kind: Value("duration", |draft, text| set(&mut draft.options.udp_timeout, values::duration_above_zero(text))),
        default: "250ms",
        beside_config: false,
        help: "how long a UDP client may be silent before the user space proxy forgets it",
    },
    Flag {
        name: "v",
        kind: Value("level", |draft, text| set(&mut draft.options.verbosity, values::number(text, 0..=u8::MAX))),
        default: "0",
        beside_config: true,
        help: "how much is logged (-v): 0 what matters, 4 what is decided and why, 6 everything",
    },
    Flag {
        name: "version",
        kind: Switch(|draft, on| choose(draft, Action::Version, on)),
        default: "false",
        beside_config: true,
        help: "print the version, and exit",
    },
];

fn set<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

/// The last of several wins, and `--cleanup=false` asks for nothing.
fn choose(draft: &mut Draft, action: Action, on: bool) -> Result<(), String> {
    if on {
        draft.action = action;
    } else if draft.action == action {
        draft.action = Action::Run;
    }
    Ok(())
}

fn to_standard_error(draft: &mut Draft, on: bool) -> Result<(), String> {
    if !on {
        draft.without_effect.push(
            "--logtostderr=false has no effect: logs go to standard error, from where systemd takes them".to_owned(),
        );
    }
    Ok(())
}

/// The mode, with a warning where there is none of that name: upstream's does the same where the kernel has no IPVS.
pub(super) fn mode(options: &mut Options, text: &str) -> Result<(), String> {
    options.proxy_mode = values::proxy_mode(text)?;
    if text == values::IPVS {
        options.warnings.push(
            "there is no IPVS mode here: the mode is iptables, or userspace where that is not possible, as upstream's kube-proxy \
             goes on where the kernel has no IPVS"
                .to_owned(),
        );
    }
    Ok(())
}

/// The deprecated port of a server: none is no server.
fn port(server: &mut Option<SocketAddr>, text: &str) -> Result<(), String> {
    match values::number(text, 0..=u16::MAX)? {
        0 => *server = None,
        port => {
            if let Some(server) = server {
                server.set_port(port);
            }
        }
    }
    Ok(())
}
