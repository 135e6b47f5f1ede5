//! What this program counts, under CoreDNS' names where they mean the same, in OpenMetrics' text format.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use daemon::process::Process;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

type Labels<const N: usize> = [(&'static str, String); N];

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels<2>, Counter>,
    responses: Family<Labels<1>, Counter>,
    duration: Histogram,
    cache_hits: Family<Labels<1>, Counter>,
    cache_misses: Counter,
    cache_entries: Gauge,
    served_stale: Counter,
    forward_requests: Family<Labels<1>, Counter>,
    forward_failures: Family<Labels<1>, Counter>,
    forward_lies: Family<Labels<1>, Counter>,
    not_admitted: Counter,
    dropped: Counter,
    over_share: Counter,
    services: Gauge,
    stale: Gauge,
    serving: Gauge,
}

/// Types that have a label of their own; clients can ask for any of 65,536.
const TYPES: [RecordType; 8] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::PTR,
    RecordType::CNAME,
    RecordType::TXT,
    RecordType::MX,
    RecordType::SOA,
];

impl Metrics {
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            responses: Family::default(),
            // CoreDNS': from a quarter of a millisecond to eight seconds.
            duration: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            cache_hits: Family::default(),
            cache_misses: Counter::default(),
            cache_entries: Gauge::default(),
            served_stale: Counter::default(),
            forward_requests: Family::default(),
            forward_failures: Family::default(),
            forward_lies: Family::default(),
            not_admitted: Counter::default(),
            dropped: Counter::default(),
            over_share: Counter::default(),
            services: Gauge::default(),
            stale: Gauge::default(),
            serving: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("coredns_dns_requests", "Questions, by protocol and type", self.requests.clone());
        registry.register("coredns_dns_responses", "Answers, by their code", self.responses.clone());
        registry.register(
            "coredns_dns_request_duration_seconds",
            "From a question to its answer",
            self.duration.clone(),
        );
        registry.register("coredns_cache_hits", "Answers out of the cache", self.cache_hits.clone());
        registry.register("coredns_cache_misses", "Answers that were not in the cache", self.cache_misses.clone());
        registry.register("coredns_cache_entries", "Answers in the cache", self.cache_entries.clone());
        registry.register(
            "coredns_cache_served_stale",
            "Answers after their time, as no resolver answered",
            self.served_stale.clone(),
        );
        registry.register("coredns_forward_requests", "Questions to a resolver", self.forward_requests.clone());
        registry.register(
            "cluster_dns_forward_failures",
            "Questions that a resolver has not answered",
            self.forward_failures.clone(),
        );
        registry.register(
            "cluster_dns_forward_mismatches",
            "Packets of a resolver that did not fit the question",
            self.forward_lies.clone(),
        );
        registry.register(
            "cluster_dns_not_admitted",
            "Packets and connections of those who are not answered",
            self.not_admitted.clone(),
        );
        registry.register(
            "cluster_dns_dropped",
            "Questions that were dropped, as too many waited",
            self.dropped.clone(),
        );
        registry.register(
            "cluster_dns_over_share",
            "Questions of those who have as many under way as they may",
            self.over_share.clone(),
        );
        registry.register("cluster_dns_services", "Services that are known", self.services.clone());
        registry.register("cluster_dns_stale", "Whether what is known may not be true any more", self.stale.clone());
        registry.register(
            "cluster_dns_serving",
            "Whether the cluster's DNS address is answered here",
            self.serving.clone(),
        );
        registry.register_collector(Box::new(Process { began: SystemTime::now() }));
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        // It fails only where a String cannot be written to.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    pub fn answered(&self, protocol: &'static str, kind: Option<RecordType>, code: ResponseCode, begun: Instant) {
        let kind = match kind {
            Some(kind) if TYPES.contains(&kind) => kind.to_string(),
            _ => "other".to_owned(),
        };
        self.requests.get_or_create(&[("proto", protocol.to_owned()), ("type", kind)]).inc();
        self.responses.get_or_create(&[("rcode", rcode(code).to_owned())]).inc();
        self.duration.observe(begun.elapsed().as_secs_f64());
    }

    pub fn cache_hit(&self, code: ResponseCode) {
        let kind = if code == ResponseCode::NoError { "success" } else { "denial" };
        self.cache_hits.get_or_create(&[("type", kind.to_owned())]).inc();
    }

    pub fn cache_miss(&self) {
        self.cache_misses.inc();
    }

    pub fn set_cache_entries(&self, entries: usize) {
        self.cache_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    pub fn served_stale(&self) {
        self.served_stale.inc();
    }

    pub fn forwarded(&self, server: SocketAddr) {
        self.forward_requests.get_or_create(&[("to", server.to_string())]).inc();
    }

    pub fn forward_failed(&self, server: SocketAddr) {
        self.forward_failures.get_or_create(&[("to", server.to_string())]).inc();
    }

    pub fn forward_lie(&self, server: SocketAddr) {
        self.forward_lies.get_or_create(&[("to", server.to_string())]).inc();
    }

    pub fn not_admitted(&self) {
        self.not_admitted.inc();
    }

    pub fn dropped(&self) {
        self.dropped.inc();
    }

    pub fn over_share(&self) {
        self.over_share.inc();
    }

    pub fn known(&self, services: usize, stale: bool, serving: bool) {
        self.services.set(i64::try_from(services).unwrap_or(i64::MAX));
        self.stale.set(stale.into());
        self.serving.set(serving.into());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn rcode(code: ResponseCode) -> &'static str {
    match code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::BADVERS => "BADVERS",
        _ => "other",
    }
}
