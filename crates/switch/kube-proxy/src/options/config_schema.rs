//! The fields of a `KubeProxyConfiguration`, v1alpha1, of upstream 1.20, with their types.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::values;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Configuration {
    pub bind_address: Option<String>,
    pub bind_address_hard_fail: Option<bool>,
    pub client_connection: Option<ClientConnection>,
    #[serde(rename = "clusterCIDR")]
    pub cluster_cidr: Option<String>,
    pub config_sync_period: Option<String>,
    pub conntrack: Option<Conntrack>,
    pub detect_local_mode: Option<String>,
    pub enable_profiling: Option<bool>,
    pub feature_gates: Option<BTreeMap<String, bool>>,
    pub healthz_bind_address: Option<String>,
    pub hostname_override: Option<String>,
    pub iptables: Option<Iptables>,
    pub ipvs: Option<Ipvs>,
    pub metrics_bind_address: Option<String>,
    pub mode: Option<String>,
    pub node_port_addresses: Option<Vec<String>>,
    pub oom_score_adj: Option<i64>,
    pub port_range: Option<String>,
    pub show_hidden_metrics_for_version: Option<String>,
    pub udp_idle_timeout: Option<String>,
    pub winkernel: Option<Winkernel>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClientConnection {
    pub kubeconfig: Option<String>,
    pub accept_content_types: Option<String>,
    pub content_type: Option<String>,
    pub qps: Option<f64>,
    pub burst: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Iptables {
    pub masquerade_all: Option<bool>,
    pub masquerade_bit: Option<i64>,
    pub min_sync_period: Option<String>,
    pub sync_period: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Conntrack {
    pub max_per_core: Option<i64>,
    pub min: Option<i64>,
    pub tcp_close_wait_timeout: Option<String>,
    pub tcp_established_timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ipvs {
    #[serde(rename = "excludeCIDRs")]
    exclude_cidrs: Option<Vec<String>>,
    min_sync_period: Option<String>,
    scheduler: Option<String>,
    #[serde(rename = "strictARP")]
    strict_arp: Option<bool>,
    sync_period: Option<String>,
    tcp_fin_timeout: Option<String>,
    tcp_timeout: Option<String>,
    udp_timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Winkernel {
    #[serde(rename = "enableDSR")]
    enable_dsr: Option<bool>,
    network_name: Option<String>,
    source_vip: Option<String>,
}

/// Fields that say something in a file and nothing to this program.
pub(super) struct NotHonoured;

impl NotHonoured {
    /// Those which `file` sets to anything but upstream's default.
    pub fn of(file: &Configuration) -> impl Iterator<Item = &'static str> {
        let client = file.client_connection.as_ref();
        let ipvs = file.ipvs.as_ref();
        let winkernel = file.winkernel.as_ref();
        let upstreams_content_type = "application/vnd.kubernetes.protobuf";
        [
            ("configSyncPeriod", period(file.config_sync_period.as_ref(), Duration::from_secs(900))),
            ("enableProfiling", file.enable_profiling == Some(true)),
            ("portRange", text(file.port_range.as_ref(), &["0", "0-0"])),
            ("showHiddenMetricsForVersion", text(file.show_hidden_metrics_for_version.as_ref(), &[])),
            ("clientConnection.acceptContentTypes", text(client.and_then(|c| c.accept_content_types.as_ref()), &[])),
            (
                "clientConnection.contentType",
                text(client.and_then(|c| c.content_type.as_ref()), &[upstreams_content_type]),
            ),
            ("clientConnection.qps", client.and_then(|c| c.qps).is_some_and(|qps| qps != 0.0 && qps != 5.0)),
            ("clientConnection.burst", client.and_then(|c| c.burst).is_some_and(|burst| burst != 0 && burst != 10)),
            ("ipvs.excludeCIDRs", ipvs.and_then(|i| i.exclude_cidrs.as_ref()).is_some_and(|blocks| !blocks.is_empty())),
            ("ipvs.minSyncPeriod", period(ipvs.and_then(|i| i.min_sync_period.as_ref()), Duration::ZERO)),
            ("ipvs.scheduler", text(ipvs.and_then(|i| i.scheduler.as_ref()), &[])),
            ("ipvs.strictARP", ipvs.and_then(|i| i.strict_arp) == Some(true)),
            ("ipvs.syncPeriod", period(ipvs.and_then(|i| i.sync_period.as_ref()), Duration::from_secs(30))),
            ("ipvs.tcpFinTimeout", period(ipvs.and_then(|i| i.tcp_fin_timeout.as_ref()), Duration::ZERO)),
            ("ipvs.tcpTimeout", period(ipvs.and_then(|i| i.tcp_timeout.as_ref()), Duration::ZERO)),
            ("ipvs.udpTimeout", period(ipvs.and_then(|i| i.udp_timeout.as_ref()), Duration::ZERO)),
            ("winkernel.enableDSR", winkernel.and_then(|w| w.enable_dsr) == Some(true)),
            ("winkernel.networkName", text(winkernel.and_then(|w| w.network_name.as_ref()), &[])),
            ("winkernel.sourceVip", text(winkernel.and_then(|w| w.source_vip.as_ref()), &[])),
        ]
        .into_iter()
        .filter_map(|(field, set)| set.then_some(field))
    }
}

fn text(value: Option<&String>, defaults: &[&str]) -> bool {
    value.is_some_and(|value| !value.is_empty() && !defaults.contains(&value.as_str()))
}

fn period(value: Option<&String>, default: Duration) -> bool {
    value.is_some_and(|value| !matches!(values::duration(value), Ok(read) if read.is_zero() || read == default))
}
