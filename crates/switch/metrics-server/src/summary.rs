//! A kubelet's summary: of `/stats/summary`, what is used here.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Deserializer};

use crate::usage::Reading;

/// More pods or containers of one node, and more than these are not looked at.
const MOST_PODS: usize = 1000;
const MOST_CONTAINERS: usize = 100;

/// A namespace and a name in it.
pub type PodName = (String, String);

/// What one node says of itself and its pods.
#[derive(Debug, Default)]
pub struct Readings {
    pub node: Option<Reading>,
    /// By container's name; none where a container's figures are not whole.
    pub pods: BTreeMap<PodName, BTreeMap<String, Option<Reading>>>,
}

#[derive(Deserialize)]
struct Summary {
    node: Option<Stats>,
    #[serde(default, deserialize_with = "null_is_none")]
    pods: Vec<Pod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    pod_ref: PodRef,
    #[serde(default, deserialize_with = "null_is_none")]
    containers: Vec<Stats>,
}

#[derive(Deserialize)]
struct PodRef {
    name: String,
    namespace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    #[serde(default)]
    name: String,
    start_time: Option<String>,
    cpu: Option<Cpu>,
    memory: Option<Memory>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cpu {
    time: Option<String>,
    usage_nano_cores: Option<u64>,
    usage_core_nano_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memory {
    working_set_bytes: Option<u64>,
}

/// Go writes a list without anything in it as null.
fn null_is_none<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

pub fn read(text: &[u8]) -> serde_json::Result<Readings> {
    let summary: Summary = serde_json::from_slice(text)?;
    let pods = summary.pods.into_iter().take(MOST_PODS).map(|pod| {
        let containers = pod.containers.into_iter().take(MOST_CONTAINERS);
        let containers = containers.map(|stats| {
            let reading = reading(&stats);
            (stats.name, reading)
        });
        ((pod.pod_ref.namespace, pod.pod_ref.name), containers.collect())
    });
    Ok(Readings { node: summary.node.as_ref().and_then(reading), pods: pods.collect() })
}

/// None where there is nothing to tell of.
fn reading(stats: &Stats) -> Option<Reading> {
    let cpu = stats.cpu.as_ref()?;
    Some(Reading {
        at: time(cpu.time.as_deref()?)?,
        cpu_time: cpu.usage_core_nano_seconds,
        nanocores: cpu.usage_nano_cores,
        started: stats.start_time.as_deref().and_then(time),
        memory: stats.memory.as_ref()?.working_set_bytes?,
    })
}

fn time(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = r#"{
      "node": {"nodeName": "veos-l1", "systemContainers": [], "startTime": "2026-11-30T10:00:00Z",
        "cpu": {"time": "2026-11-30T12:00:00Z", "usageNanoCores": 5, "usageCoreNanoSeconds": 100},
        "memory": {"time": "2026-11-30T12:00:00Z", "workingSetBytes": 1048576}, "fs": {"x": [1]}},
      "pods": [
        {"podRef": {"name": "a", "namespace": "x", "uid": "1"}, "startTime": "2026-11-30T11:00:00Z", "containers": [
          {"name": "one", "startTime": "2026-11-30T11:00:01Z",
           "cpu": {"time": "2026-11-30T11:59:58Z", "usageCoreNanoSeconds": 7}, "memory": {"workingSetBytes": 2048}},
          {"name": "two", "cpu": {"time": "2026-11-30T11:59:58Z"}, "memory": null}]},
        {"podRef": {"name": "b", "namespace": "x"}, "containers": null}]
    }"#;

    #[test]
    fn of_a_summary_the_figures_are_taken_and_what_is_not_whole_is_known_as_such() {
        let readings = read(SUMMARY.as_bytes()).unwrap();
        let node = readings.node.unwrap();
        assert_eq!((node.cpu_time, node.nanocores, node.memory), (Some(100), Some(5), 1 << 20));
        let pod = &readings.pods[&("x".to_owned(), "a".to_owned())];
        assert_eq!(pod["one"].unwrap().cpu_time, Some(7));
        assert_eq!(pod["two"], None);
        assert!(readings.pods[&("x".to_owned(), "b".to_owned())].is_empty());
    }

    #[test]
    fn nothing_and_nonsense_are_read_as_what_they_are() {
        assert!(read(br#"{"node":{},"pods":null}"#).unwrap().node.is_none());
        for nonsense in ["", "[]", r#"{"pods": 5}"#, r#"{"node": {"cpu": {"usageNanoCores": -1}}}"#, "\0"] {
            assert!(read(nonsense.as_bytes()).is_err(), "{nonsense}");
        }
    }
}
