//! A kubelet's summary: of `/stats/summary`, what is used here.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::usage::Reading;

/// No node has more pods, or more containers in all of them: a summary that tells of more is refused where it does, as little text can
/// become much in memory.
const MOST_PODS: usize = 1000;
const MOST_CONTAINERS: usize = 2000;

/// In bytes, as the API server has it.
const LONGEST_CONTAINER_NAME: usize = 63;

/// A namespace and a name in it.
pub type PodName = (Arc<str>, Arc<str>);

/// What one node says of itself and its pods.
#[derive(Debug, Default)]
pub struct Readings {
    pub node: Option<Reading>,
    /// The containers of each are in the order of their names.
    pub pods: BTreeMap<PodName, Box<[Container]>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    pub name: Box<str>,
    /// None where its figures are not whole.
    pub reading: Option<Reading>,
}

#[derive(Deserialize)]
struct Summary {
    node: Option<Stats>,
    #[serde(default, deserialize_with = "pods")]
    pods: BTreeMap<PodName, Box<[Container]>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    pod_ref: PodRef,
    #[serde(default, deserialize_with = "containers")]
    containers: Box<[Container]>,
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

/// Hands each element of a list on as soon as it is read; an error ends the reading.
struct Each<T, K>(K, PhantomData<T>);

impl<'de, T: Deserialize<'de>, K: FnMut(T) -> Result<(), String>> Visitor<'de> for Each<T, K> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    /// Go writes a list without anything in it as null.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element()? {
            (self.0)(element).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

fn pods<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<PodName, Box<[Container]>>, D::Error> {
    let (mut pods, mut of_pods, mut of_containers) = (BTreeMap::new(), 0, 0);
    let keep = |Pod { pod_ref, containers }: Pod| {
        (of_pods, of_containers) = (of_pods + 1, of_containers + containers.len());
        most("pods", of_pods, MOST_PODS)?;
        most("containers", of_containers, MOST_CONTAINERS)?;
        pods.insert((pod_ref.namespace.into(), pod_ref.name.into()), containers);
        Ok(())
    };
    deserializer.deserialize_any(Each(keep, PhantomData))?;
    Ok(pods)
}

fn containers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[Container]>, D::Error> {
    let mut containers = Vec::new();
    let keep = |stats: Stats| {
        most("containers", containers.len() + 1, MOST_CONTAINERS)?;
        most("bytes in a container's name", stats.name.len(), LONGEST_CONTAINER_NAME)?;
        containers.push(Container { reading: reading(&stats), name: stats.name.into() });
        Ok(())
    };
    deserializer.deserialize_any(Each(keep, PhantomData))?;
    containers.sort_by(|one: &Container, other| one.name.cmp(&other.name));
    // Of a name that is there twice, the last counts.
    containers.dedup_by(|later, earlier| {
        let is_same = later.name == earlier.name;
        if is_same {
            earlier.reading = later.reading;
        }
        is_same
    });
    Ok(containers.into())
}

fn most(what: &str, there: usize, most: usize) -> Result<(), String> {
    if there > most { Err(format!("more than {most} {what}")) } else { Ok(()) }
}

pub fn read(text: &[u8]) -> serde_json::Result<Readings> {
    let summary: Summary = serde_json::from_slice(text)?;
    Ok(Readings { node: summary.node.as_ref().and_then(reading), pods: summary.pods })
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
        let pod = &readings.pods[&("x".into(), "a".into())];
        assert_eq!((&*pod[0].name, pod[0].reading.unwrap().cpu_time), ("one", Some(7)));
        assert_eq!((&*pod[1].name, pod[1].reading), ("two", None));
        assert!(readings.pods[&("x".into(), "b".into())].is_empty());
    }

    /// `begin`, and as many of the same as 2 MiB have, with each one's number for `#`.
    fn long(begin: &str, element: &str, end: &str) -> String {
        let mut text = begin.to_owned();
        for number in 0.. {
            if text.len() > (2 << 20) - 100 {
                break;
            }
            let comma = if number == 0 { "" } else { "," };
            text.extend([comma, &element.replace('#', &number.to_string())]);
        }
        text + end
    }

    #[test]
    fn of_a_summary_of_more_than_a_node_can_have_no_more_is_read_than_the_bound() {
        let of_pod = r#"{"pods":[{"podRef":{"name":"a","namespace":"b"},"containers":["#;
        let tiny = r##"{"podRef":{"name":"#","namespace":""}}"##;
        let of_three =
            r##"{"podRef":{"name":"#","namespace":""},"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}"##;
        for (text, what) in [
            (long(of_pod, "{}", "]}]}"), "more than 2000 containers"),
            (long(r#"{"pods":["#, tiny, "]}"), "more than 1000 pods"),
            (long(r#"{"pods":["#, of_three, "]}"), "more than 2000 containers"),
        ] {
            assert!(text.len() > (2 << 20) - 200);
            let error = read(text.as_bytes()).expect_err(what);
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.column() < 100 * 1024, "it is read to byte {}", error.column());
        }
        let long_name = format!(
            r#"{{"pods":[{{"podRef":{{"name":"a","namespace":"b"}},"containers":[{{"name":"{}"}}]}}]}}"#,
            "x".repeat(64)
        );
        assert!(read(long_name.as_bytes()).is_err());
    }

    #[test]
    fn of_two_containers_of_one_name_the_last_counts() {
        let text = r#"{"pods":[{"podRef":{"name":"a","namespace":"b"},"containers":[
            {"name":"x","cpu":{"time":"2026-11-30T11:59:58Z"},"memory":{"workingSetBytes":1}}, {"name":"a"},
            {"name":"x","cpu":{"time":"2026-11-30T11:59:58Z"},"memory":{"workingSetBytes":2}}]}]}"#;
        let readings = read(text.as_bytes()).unwrap();
        let containers = readings.pods.values().next().unwrap().iter();
        let memory =
            |container: &Container| (container.name.to_string(), container.reading.map(|reading| reading.memory));
        assert_eq!(containers.map(memory).collect::<Vec<_>>(), [("a".to_owned(), None), ("x".to_owned(), Some(2))]);
    }

    #[test]
    fn nothing_and_nonsense_are_read_as_what_they_are() {
        assert!(read(br#"{"node":{},"pods":null}"#).unwrap().node.is_none());
        for nonsense in ["", "[]", r#"{"pods": 5}"#, r#"{"node": {"cpu": {"usageNanoCores": -1}}}"#, "\0"] {
            assert!(read(nonsense.as_bytes()).is_err(), "{nonsense}");
        }
    }
}
