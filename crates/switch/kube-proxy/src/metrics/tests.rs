//! The text of `/metrics`, as Prometheus reads it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use daemon::http::{BindFailure, client};

/// Name with labels to value, of every line that has one.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            (name.to_owned(), value.parse().unwrap_or_else(|_| panic!("{line}")))
        })
        .collect()
}

#[test]
fn every_metric_of_upstream_is_there_with_its_name_and_type() {
    let text = Metrics::new().text();
    for (name, kind) in [
        ("kubeproxy_sync_proxy_rules_duration_seconds", "histogram"),
        ("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "gauge"),
        ("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "gauge"),
        ("kubeproxy_network_programming_duration_seconds", "histogram"),
        ("kubeproxy_sync_proxy_rules_endpoint_changes_pending", "gauge"),
        ("kubeproxy_sync_proxy_rules_endpoint_changes", "counter"),
        ("kubeproxy_sync_proxy_rules_service_changes_pending", "gauge"),
        ("kubeproxy_sync_proxy_rules_service_changes", "counter"),
        ("kubeproxy_sync_proxy_rules_iptables_restore_failures", "counter"),
        ("kubeproxy_sync_proxy_rules_iptables_total", "gauge"),
        ("process_start_time_seconds", "gauge"),
        ("process_cpu_seconds", "counter"),
        ("process_resident_memory_bytes", "gauge"),
        ("kube_proxy_build", "info"),
    ] {
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} in\n{text}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name}");
    }
    assert!(text.ends_with("# EOF\n"));
    let samples = samples(&text);
    for name in [
        "kubeproxy_sync_proxy_rules_endpoint_changes_total",
        "kubeproxy_sync_proxy_rules_service_changes_total",
        "kubeproxy_sync_proxy_rules_iptables_restore_failures_total",
        "kubeproxy_sync_proxy_rules_duration_seconds_count",
    ] {
        assert_eq!(samples[name], 0.0, "{name}");
    }
}

#[test]
fn buckets_are_upstream_s() {
    let samples = samples(&Metrics::new().text());
    let buckets = |of: &str| -> Vec<String> {
        let prefix = format!("kubeproxy_{of}_bucket{{le=\"");
        samples.keys().filter_map(|name| Some(name.strip_prefix(&prefix)?.strip_suffix("\"}")?.to_owned())).collect()
    };
    let sync = buckets("sync_proxy_rules_duration_seconds");
    assert_eq!(sync.len(), 16);
    assert!(["0.001", "0.002", "16.384", "+Inf"].iter().all(|le| sync.contains(&(*le).to_owned())), "{sync:?}");
    let programming = buckets("network_programming_duration_seconds");
    assert_eq!(programming.len(), 1 + 2 + 59 + 12 + 7 + 1);
    assert!(
        ["0.25", "59.0", "115.0", "300.0"].iter().all(|le| programming.contains(&(*le).to_owned())),
        "{programming:?}"
    );
}

#[test]
fn changes_are_pending_until_they_are_programmed() {
    let metrics = Metrics::new();
    metrics.endpoint_changes_seen(3);
    metrics.service_changes_seen(2);
    let before = samples(&metrics.text());
    assert_eq!(before["kubeproxy_sync_proxy_rules_endpoint_changes_pending"], 3.0);
    assert_eq!(before["kubeproxy_sync_proxy_rules_service_changes_pending"], 2.0);
    assert!(before["kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds"] > 1.6e9);
    assert_eq!(before["kubeproxy_sync_proxy_rules_last_timestamp_seconds"], 0.0);
    metrics.synced(Duration::from_millis(3));
    let after = samples(&metrics.text());
    assert_eq!(after["kubeproxy_sync_proxy_rules_endpoint_changes_pending"], 0.0);
    assert_eq!(after["kubeproxy_sync_proxy_rules_endpoint_changes_total"], 3.0);
    assert_eq!(after["kubeproxy_sync_proxy_rules_service_changes_total"], 2.0);
    assert_eq!(after["kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.002\"}"], 0.0);
    assert_eq!(after["kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.004\"}"], 1.0);
    assert!(after["kubeproxy_sync_proxy_rules_last_timestamp_seconds"] > 1.6e9);
}

#[test]
fn programming_latency_counts_what_changed_while_this_program_ran() {
    let metrics = Metrics::new();
    metrics.network_programmed(metrics.began - Duration::from_secs(1));
    assert_eq!(samples(&metrics.text())["kubeproxy_network_programming_duration_seconds_count"], 0.0);
    metrics.network_programmed(SystemTime::now());
    // A server whose clock is ahead.
    metrics.network_programmed(SystemTime::now() + Duration::from_secs(3_600));
    let samples = samples(&metrics.text());
    assert_eq!(samples["kubeproxy_network_programming_duration_seconds_count"], 2.0);
    assert!(samples["kubeproxy_network_programming_duration_seconds_sum"] < 60.0);
}

#[test]
fn rules_are_counted_for_each_table_and_failures_together() {
    let metrics = Metrics::new();
    metrics.set_iptables_rules("nat", 7);
    metrics.set_iptables_rules("filter", 2);
    metrics.set_iptables_rules("nat", 5);
    metrics.iptables_restore_failed();
    let samples = samples(&metrics.text());
    assert_eq!(samples["kubeproxy_sync_proxy_rules_iptables_total{table=\"nat\"}"], 5.0);
    assert_eq!(samples["kubeproxy_sync_proxy_rules_iptables_total{table=\"filter\"}"], 2.0);
    assert_eq!(samples["kubeproxy_sync_proxy_rules_iptables_restore_failures_total"], 1.0);
}

#[test]
fn the_process_is_this_one() {
    let samples = samples(&Metrics::new().text());
    assert!(samples["process_resident_memory_bytes"] > 100_000.0);
    assert!(samples["process_cpu_seconds_total"] > 0.0);
    assert!((unix_seconds(SystemTime::now()) - samples["process_start_time_seconds"]).abs() < 60.0);
}

#[tokio::test]
async fn the_port_has_metrics_the_mode_and_a_sign_of_life() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let metrics = Arc::new(Metrics::new());
    tokio::spawn(serve(address, metrics.clone(), BindFailure::Fatal));
    tokio::task::yield_now().await;
    assert_eq!(client::get(address, "/proxyMode").await.unwrap().0, 503);
    metrics.set_proxy_mode("iptables");
    assert_eq!(client::get(address, "/proxyMode").await.unwrap().2, "iptables");
    assert_eq!(client::get(address, "/healthz").await.unwrap().2, "ok");
    let (status, head, body) = client::get(address, "/metrics").await.unwrap();
    assert_eq!(status, 200);
    assert!(head.contains("content-type: application/openmetrics-text"), "{head}");
    assert!(samples(&body).len() > 100);
}
