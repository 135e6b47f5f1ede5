//! What is given, out of what kubelets say, and when it is not.

use serde_json::json;

use crate::authorities::Authority;
use crate::running::{Running, summary};

#[test]
fn what_a_kubelet_has_measured_is_given_within_limits_of_memory() {
    let running = Running::start();
    running.wait_for("the node has metrics", || running.get("/nodes/veos-l1").0 == 200);
    let (_, node) = running.get("/nodes/veos-l1");
    assert_eq!(node["usage"], json!({"cpu": "7n", "memory": "5120Ki"}), "{node}");
    let (_, pods) = running.get("/pods");
    assert_eq!(pods["items"].as_array().unwrap().len(), 1, "one has not been measured: {pods}");
    let (_, pod) = running.get("/namespaces/x/pods/web");
    assert_eq!((&pod["containers"][0]["name"], &pod["timestamp"]), (&json!("main"), &json!("2026-11-30T12:00:30Z")));
    assert_eq!(running.get("/namespaces/x/pods/new").0, 404);
    assert_eq!(running.get("/namespaces/x/pods?labelSelector=app%3Dnew").1["items"], json!([]));
    let asked = running.kubelet.requests();
    assert_eq!(asked[0], "GET /stats/summary?only_cpu_and_memory=true HTTP/1.1");
    running.delete_pod("web");
    running.wait_for("a pod that is gone is not given", || running.get("/namespaces/x/pods/web").0 == 404);
    assert!(running.memory() < 8 * 1024, "{} KiB", running.memory());
    assert!(running.stop(), "SIGTERM is a good end");
}

#[test]
#[ignore = "takes half a minute: two rounds"]
fn the_second_round_measures_what_was_used_since_the_first() {
    let running = Running::start();
    running.wait_for("the node has metrics", || running.get("/nodes/veos-l1").0 == 200);
    running.kubelet.says("200 OK", &summary(50, 7));
    running.wait_for("twenty seconds of a whole core", || {
        let (_, node) = running.get("/nodes/veos-l1");
        node["usage"]["cpu"] == "1000000000n" && node["window"] == "20s"
    });
}

#[test]
fn a_kubelet_of_another_authority_or_that_says_nonsense_is_left_out_and_named() {
    for (of_kubelet, status, body) in [
        (Some(Authority::new("another")), "200 OK", summary(30, 7)),
        (None, "403 Forbidden", "{}".to_owned()),
        (None, "200 OK", "{\"pods\": 1}".to_owned()),
        (None, "200 OK", format!("{{\"pods\": [], \"x\": \"{}\"}}", "y".repeat(3 << 20))),
    ] {
        let running = Running::with(&Authority::new("Kubernetes"), of_kubelet.as_ref());
        running.kubelet.says(status, &body);
        running.until("serving");
        running.wait_for("it is named", || running.status().unwrap()["silent"] == json!(["veos-l1"]));
        assert_eq!(running.get("/nodes/veos-l1").0, 404);
        assert_eq!(running.get("/nodes").1["items"], json!([]));
    }
}

#[test]
fn a_node_that_is_not_ready_is_not_asked() {
    let running = Running::with(&Authority::new("Kubernetes"), None);
    running.set_node("Unknown");
    running.until("serving");
    running.wait_for("nodes are known", || running.get("/nodes").0 == 200);
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(running.kubelet.requests(), [""; 0]);
}

#[test]
fn an_operators_apiservice_turns_it_off_until_it_is_gone() {
    let running = Running::with(&Authority::new("Kubernetes"), None);
    running.set_api_service(false);
    let status = running.until("off");
    assert!(status["why"].as_str().unwrap().contains("is an operator's"), "{status}");
    running.set_api_service(true);
    running.until("serving");
}
