//! Every path, and what is refused, of a cluster of two nodes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::*;
use crate::labels::LabelSet;
use crate::store::{Node, Pod};
use crate::summary::{Container, PodName, Readings};
use crate::usage::Reading;

const V1BETA1: &str = "/apis/metrics.k8s.io/v1beta1";

fn labels(value: &str) -> LabelSet {
    BTreeMap::from([("app".to_owned(), value.to_owned())]).into()
}

fn name(namespace: &str, name: &str) -> PodName {
    (namespace.into(), name.into())
}

fn reading(seconds: u64) -> Reading {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds);
    Reading { at, cpu_time: Some(seconds * 250_000_000), nanocores: Some(7), started: None, memory: 3 << 20 }
}

/// `a` has answered twice, `b` never.
fn state() -> State {
    let mut state = State::default();
    for node in ["a", "b"] {
        state.set_node(node.to_owned(), Some(Node { ready: true, labels: labels(node), address: None }));
    }
    for (namespace, pod, node) in [("x", "web", "a"), ("x", "db", "a"), ("y", "web", "a"), ("y", "new", "b")] {
        state.set_pod(name(namespace, pod), Some(Pod { node: node.into(), labels: labels(pod) }));
    }
    for seconds in [0, 30] {
        let containers = || Box::new([Container { name: "main".into(), reading: Some(reading(seconds)) }]) as Box<[_]>;
        let pods = [name("x", "web"), name("x", "db"), name("y", "web")].map(|name| (name, containers()));
        let readings = Readings { node: Some(reading(seconds)), pods: BTreeMap::from(pods) };
        state.set_readings("a", readings, Instant::now());
    }
    state
}

fn asked(path: &str) -> (u16, Value) {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let Answer { status, body } = answer(&state(), Instant::now(), &Method::GET, path, query);
    (status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

/// The names of what a list has.
fn listed(path: &str) -> Vec<String> {
    let (status, list) = asked(&format!("{V1BETA1}/{path}"));
    assert_eq!(status, 200, "{path}: {list}");
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn discovery_says_what_there_is() {
    assert_eq!(asked("/apis").1["groups"][0]["name"], "metrics.k8s.io");
    assert_eq!(asked("/apis/metrics.k8s.io").1["preferredVersion"]["groupVersion"], "metrics.k8s.io/v1beta1");
    let (status, resources) = asked(V1BETA1);
    assert_eq!((status, &resources["kind"]), (200, &json!("APIResourceList")));
    assert_eq!(resources["resources"][1]["kind"], "PodMetrics");
    assert_eq!(asked("/openapi/v2").1["swagger"], "2.0");
    assert_eq!(asked("/healthz").0, 200);
}

#[test]
fn a_node_and_a_pod_are_given_with_what_they_used() {
    let (_, node) = asked(&format!("{V1BETA1}/nodes/a"));
    let expected = json!({
        "kind": "NodeMetrics",
        "apiVersion": "metrics.k8s.io/v1beta1",
        "metadata": {"name": "a", "creationTimestamp": "2023-11-14T22:13:50Z", "labels": {"app": "a"}},
        "timestamp": "2023-11-14T22:13:50Z",
        "window": "30s",
        "usage": {"cpu": "250000000n", "memory": "3072Ki"},
    });
    assert_eq!(node, expected);
    let (_, pod) = asked(&format!("{V1BETA1}/namespaces/x/pods/web"));
    assert_eq!((&pod["kind"], &pod["metadata"]["namespace"]), (&json!("PodMetrics"), &json!("x")));
    let container = json!([{"name": "main", "usage": {"cpu": "250000000n", "memory": "3072Ki"}}]);
    assert_eq!((&pod["containers"], &pod["window"]), (&container, &json!("30s")));
}

#[test]
fn lists_have_what_is_known_and_selectors_choose_of_it() {
    let (_, list) = asked(&format!("{V1BETA1}/pods"));
    assert_eq!((&list["kind"], list["items"][0].get("kind")), (&json!("PodMetricsList"), None));
    assert_eq!(asked(&format!("{V1BETA1}/nodes")).1["kind"], "NodeMetricsList");
    for (path, names) in [
        ("nodes", &["a"][..]),
        ("nodes?labelSelector=app%3Db", &[]),
        ("pods?limit=1", &["db", "web", "web"]),
        ("namespaces/x/pods", &["db", "web"]),
        ("namespaces/nowhere/pods", &[]),
        ("pods?labelSelector=app+in+(db,new)", &["db"]),
        ("pods?fieldSelector=metadata.name%3Dweb,metadata.namespace%21%3Dx", &["web"]),
        ("nodes?fieldSelector=metadata.name%3Da", &["a"]),
    ] {
        assert_eq!(listed(path), names, "{path}");
    }
}

#[test]
fn what_is_not_there_or_not_possible_is_refused_with_a_status() {
    for (path, code, reason) in [
        ("/", 404, "NotFound"),
        ("/apis/apps/v1", 404, "NotFound"),
        ("/apis/metrics.k8s.io/v1beta1/nodes/gone", 404, "NotFound"),
        ("/apis/metrics.k8s.io/v1beta1/nodes/b", 404, "NotFound"),
        ("/apis/metrics.k8s.io/v1beta1/namespaces/y/pods/new", 404, "NotFound"),
        ("/apis/metrics.k8s.io/v1beta1/namespaces/x/pods/web/log", 404, "NotFound"),
        ("/apis/metrics.k8s.io/v1beta1/pods/web", 404, "NotFound"),
        ("/apis/metrics.k8s.io/v1beta1/secrets", 404, "NotFound"),
        ("/apis/metrics.k8s.io/v1beta1/pods?labelSelector=a%20b", 400, "BadRequest"),
        ("/apis/metrics.k8s.io/v1beta1/pods?fieldSelector=spec.nodeName%3Da", 400, "BadRequest"),
        ("/apis/metrics.k8s.io/v1beta1/nodes/%ff", 400, "BadRequest"),
        ("/apis/metrics.k8s.io/v1beta1/pods?watch=1", 405, "MethodNotAllowed"),
    ] {
        let (status, body) = asked(path);
        assert_eq!((status, &body["code"], &body["reason"]), (code, &json!(code), &json!(reason)), "{path}: {body}");
        assert_eq!((&body["kind"], &body["status"]), (&json!("Status"), &json!("Failure")), "{path}");
    }
    let posted = answer(&state(), Instant::now(), &Method::POST, V1BETA1, None);
    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    let early = answer(&State::default(), Instant::now(), &Method::GET, &format!("{V1BETA1}/pods"), None);
    assert_eq!(early.status, StatusCode::SERVICE_UNAVAILABLE);
}
