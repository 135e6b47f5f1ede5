//! The API's objects as they are written.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::labels::LabelSet;
use crate::store::{Node, Pod};
use crate::summary::PodName;
use crate::usage::{Usage, cpu, memory};

pub(super) const API_VERSION: &str = "metrics.k8s.io/v1beta1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<T> {
    kind: &'static str,
    api_version: &'static str,
    metadata: Nothing,
    items: Vec<T>,
}

#[derive(Serialize)]
struct Nothing {}

/// An object that is no list's says of which kind it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Whole<T> {
    kind: &'static str,
    api_version: &'static str,
    #[serde(flatten)]
    object: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(serialize_with = "rfc3339")]
    creation_timestamp: SystemTime,
    #[serde(skip_serializing_if = "LabelSet::is_empty")]
    labels: &'a LabelSet,
}

#[derive(Serialize)]
struct Used {
    cpu: String,
    memory: String,
}

#[derive(Serialize)]
pub(super) struct NodeMetrics<'a> {
    metadata: Metadata<'a>,
    #[serde(serialize_with = "rfc3339")]
    timestamp: SystemTime,
    #[serde(serialize_with = "duration")]
    window: Duration,
    usage: Used,
}

#[derive(Serialize)]
pub(super) struct PodMetrics<'a> {
    metadata: Metadata<'a>,
    #[serde(serialize_with = "rfc3339")]
    timestamp: SystemTime,
    #[serde(serialize_with = "duration")]
    window: Duration,
    containers: Vec<Container<'a>>,
}

#[derive(Serialize)]
struct Container<'a> {
    name: &'a str,
    usage: Used,
}

impl<T> List<T> {
    pub(super) fn new(kind: &'static str, items: Vec<T>) -> Self {
        List { kind, api_version: API_VERSION, metadata: Nothing {}, items }
    }
}

impl From<Usage> for Used {
    fn from(usage: Usage) -> Self {
        Used { cpu: cpu(usage.nanocores), memory: memory(usage.memory) }
    }
}

impl<'a> NodeMetrics<'a> {
    pub(super) fn new(name: &'a str, node: &'a Node, usage: Usage) -> Self {
        let metadata = Metadata { name, namespace: None, creation_timestamp: usage.at, labels: &node.labels };
        NodeMetrics { metadata, timestamp: usage.at, window: usage.window, usage: usage.into() }
    }

    pub(super) fn whole(self) -> Whole<Self> {
        Whole { kind: "NodeMetrics", api_version: API_VERSION, object: self }
    }
}

impl<'a> PodMetrics<'a> {
    /// It is as old as the oldest of its containers' figures. None without any.
    pub(super) fn new((namespace, name): &'a PodName, pod: &'a Pod, used: Vec<(&'a str, Usage)>) -> Option<Self> {
        let oldest = used.iter().map(|(_, usage)| *usage).min_by_key(|usage| usage.at)?;
        let metadata =
            Metadata { name, namespace: Some(namespace), creation_timestamp: oldest.at, labels: &pod.labels };
        let containers = used.into_iter().map(|(name, usage)| Container { name, usage: usage.into() });
        Some(PodMetrics { metadata, timestamp: oldest.at, window: oldest.window, containers: containers.collect() })
    }

    pub(super) fn whole(self) -> Whole<Self> {
        Whole { kind: "PodMetrics", api_version: API_VERSION, object: self }
    }
}

fn rfc3339<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    // One before 1970 cannot be written.
    serializer.collect_str(&humantime::format_rfc3339_seconds((*at).max(SystemTime::UNIX_EPOCH)))
}

fn duration<S: Serializer>(window: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{}s", window.as_secs().max(1)))
}
