//! What this program counts and measures, under upstream's names, in OpenMetrics' text format.

mod server;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use daemon::process::{Process, unix_seconds};
pub use server::serve;

type Seconds = Gauge<f64, AtomicU64>;

/// All of them. The syncer calls the methods, `/metrics` shows the values.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    began: SystemTime,
    proxy_mode: OnceLock<&'static str>,
    sync_duration: Histogram,
    last_synced: Seconds,
    last_queued: Seconds,
    network_programming: Histogram,
    endpoint_changes: Changes,
    service_changes: Changes,
    restore_failures: Counter,
    iptables_rules: Family<[(&'static str, &'static str); 1], Gauge>,
}

/// Changes of one sort: those that are not programmed yet, and all of them.
#[derive(Debug, Default)]
struct Changes {
    pending: Gauge,
    total: Counter,
}

impl Changes {
    fn seen(&self, changes: u32) {
        self.pending.inc_by(changes.into());
        self.total.inc_by(changes.into());
    }
}

impl Metrics {
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let mut named = Named { registry: &mut registry };
        let metrics = Self {
            began: SystemTime::now(),
            proxy_mode: OnceLock::new(),
            sync_duration: named.add(
                "sync_proxy_rules_duration_seconds",
                "SyncProxyRules latency in seconds",
                Histogram::new(exponential_buckets(0.001, 2.0, 15)),
            ),
            last_synced: named.add(
                "sync_proxy_rules_last_timestamp_seconds",
                "The last time proxy rules were successfully synced",
                Seconds::default(),
            ),
            last_queued: named.add(
                "sync_proxy_rules_last_queued_timestamp_seconds",
                "The last time a sync of proxy rules was queued",
                Seconds::default(),
            ),
            network_programming: named.add(
                "network_programming_duration_seconds",
                "In Cluster Network Programming Latency in seconds",
                Histogram::new(network_programming_buckets()),
            ),
            endpoint_changes: Changes {
                pending: named.add(
                    "sync_proxy_rules_endpoint_changes_pending",
                    "Pending Endpoint changes",
                    Gauge::default(),
                ),
                // The format puts _total behind the names of counters.
                total: named.add(
                    "sync_proxy_rules_endpoint_changes",
                    "Cumulative Endpoint changes",
                    Counter::default(),
                ),
            },
            service_changes: Changes {
                pending: named.add(
                    "sync_proxy_rules_service_changes_pending",
                    "Pending Service changes",
                    Gauge::default(),
                ),
                total: named.add("sync_proxy_rules_service_changes", "Cumulative Service changes", Counter::default()),
            },
            restore_failures: named.add(
                "sync_proxy_rules_iptables_restore_failures",
                "Cumulative iptables-restore failures",
                Counter::default(),
            ),
            iptables_rules: named.add(
                "sync_proxy_rules_iptables_total",
                "iptables rules that are programmed",
                Family::default(),
            ),
            registry: Registry::default(),
        };
        registry.register_collector(Box::new(Process { began: metrics.began }));
        registry.register(
            "kube_proxy_build",
            "This program",
            Info::new([("version", env!("CARGO_PKG_VERSION")), ("arch", std::env::consts::ARCH)]),
        );
        for table in ["nat", "filter"] {
            metrics.set_iptables_rules(table, 0);
        }
        Self { registry, ..metrics }
    }

    /// Says which mode was chosen, once.
    pub fn set_proxy_mode(&self, mode: &'static str) {
        // The first choice stands: there is one backend for as long as the program runs.
        let _ = self.proxy_mode.set(mode);
    }

    /// Changes of Endpoints or EndpointSlices came in.
    pub fn endpoint_changes_seen(&self, changes: u32) {
        self.endpoint_changes.seen(changes);
        self.last_queued.set(unix_seconds(SystemTime::now()));
    }

    /// Changes of Services came in.
    pub fn service_changes_seen(&self, changes: u32) {
        self.service_changes.seen(changes);
        self.last_queued.set(unix_seconds(SystemTime::now()));
    }

    /// Everything that came in is programmed; it took `duration`.
    pub fn synced(&self, duration: Duration) {
        self.sync_duration.observe(duration.as_secs_f64());
        self.stands();
        self.nothing_pending();
    }

    /// What is programmed was looked at, and is as it should be: upstream writes it all again each period, and counts that as a sync.
    pub fn stands(&self) {
        self.last_synced.set(unix_seconds(SystemTime::now()));
    }

    /// Whatever came in changes nothing, or is programmed.
    pub fn nothing_pending(&self) {
        self.endpoint_changes.pending.set(0);
        self.service_changes.pending.set(0);
    }

    /// What changed at `trigger` (the annotation `endpoints.kubernetes.io/last-change-trigger-time`) is programmed now. What changed
    /// before this program began says nothing about it, and is left out.
    pub fn network_programmed(&self, trigger: SystemTime) {
        if trigger >= self.began {
            let since = SystemTime::now().duration_since(trigger).unwrap_or_default();
            self.network_programming.observe(since.as_secs_f64());
        }
    }

    pub fn iptables_restore_failed(&self) {
        self.restore_failures.inc();
    }

    /// How many rules stand in `table`, `nat` or `filter`.
    pub fn set_iptables_rules(&self, table: &'static str, rules: usize) {
        self.iptables_rules.get_or_create(&[("table", table)]).set(i64::try_from(rules).unwrap_or(i64::MAX));
    }

    /// The text that Prometheus reads.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds metrics to a registry, under the prefix that all of a kube-proxy's have.
struct Named<'a> {
    registry: &'a mut Registry,
}

impl Named<'_> {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.registry.register(format!("kubeproxy_{name}"), help, metric.clone());
        metric
    }
}

/// Upstream's: none, quarters of a second, then each second, each five, each thirty, up to five minutes.
fn network_programming_buckets() -> impl Iterator<Item = f64> {
    let quarters = [0.0, 0.25, 0.5].into_iter();
    let seconds = (1..60).chain((60..120).step_by(5)).chain((120..=300).step_by(30)).map(f64::from);
    quarters.chain(seconds)
}
