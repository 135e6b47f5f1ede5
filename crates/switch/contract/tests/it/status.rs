//! The shape of `k8s-node status --json`, letter by letter: other programs read it.

use contract::status::{NodeState, Status};

const PRINTED: &str = r#"{
  "node": "veos-b",
  "release": "1.20.2",
  "build": "1.g0123456789ab.dfedcba987654",
  "state": "starting",
  "stages": [
    {
      "stage": "prepare",
      "state": "done",
      "line": "veos-b at 1.1.1.1, master of 1 nodes",
      "seconds": 0.25
    },
    {
      "stage": "pki",
      "state": "failed",
      "line": "no",
      "seconds": 1.0
    }
  ],
  "services": [
    {
      "service": "etcd",
      "state": "inactive",
      "healthy": null
    }
  ],
  "certificates": [
    {
      "credential": "kube-apiserver-etcd-client",
      "subject": "CN=kube-apiserver-etcd-client",
      "not_after": "2027-01-01 00:00:00 UTC",
      "not_after_seconds": 1798761600,
      "days_left": 33,
      "state": "due",
      "why": "33 days left"
    },
    {
      "credential": "ca",
      "subject": null,
      "not_after": null,
      "not_after_seconds": null,
      "days_left": null,
      "state": "missing"
    }
  ],
  "ca_hash": null,
  "conditions": [
    {
      "type": "Ready",
      "status": "True",
      "reason": "KubeletReady",
      "message": "kubelet is posting ready status"
    }
  ],
  "reconciler": {
    "state": "active",
    "paused_until": null,
    "repaired": [
      {
        "kind": "service-route",
        "thing": "10.10.0.0/16",
        "times": 2,
        "last": 1798761600
      }
    ],
    "given_up": []
  },
  "problems": [
    "stage pki: no"
  ],
  "remarks": [
    "the flash is small"
  ]
}"#;

#[test]
fn the_status_is_printed_and_read_in_one_shape() {
    let status: Status = serde_json::from_str(PRINTED).unwrap();
    assert_eq!(serde_json::to_string_pretty(&status).unwrap(), PRINTED);
    assert!(!status.is_ready());
    assert_eq!(status.complaints(), "pki: no\nstage pki: no\nthe flash is small");
}

#[test]
fn all_is_well_where_the_node_serves_and_nothing_is_wrong() {
    let mut status: Status = serde_json::from_str(PRINTED).unwrap();
    status.state = NodeState::Ready;
    assert!(status.is_ready() && !status.is_well(), "it has a problem");
    status.problems.clear();
    assert!(status.is_well(), "a remark is no problem");
    status.state = NodeState::Starting;
    assert!(!status.is_well());
}

#[test]
fn the_status_of_an_earlier_release_is_read() {
    let before = PRINTED.replace(",\n  \"remarks\": [\n    \"the flash is small\"\n  ]", "");
    assert_ne!(before, PRINTED);
    let ours = PRINTED.find("  \"reconciler\"").unwrap()..PRINTED.find("  \"problems\"").unwrap();
    let before = before.replace(&PRINTED[ours], "");
    let status = serde_json::from_str::<Status>(&before).unwrap();
    assert!(status.remarks.is_empty() && status.reconciler == Default::default());
}

#[test]
fn a_condition_is_read_as_the_api_server_has_it_and_printed_without_its_heartbeat() {
    let theirs = r#"{"type":"Ready","status":"True","lastHeartbeatTime":"2026-01-01T00:00:00Z"}"#;
    let condition: contract::status::Condition = serde_json::from_str(theirs).unwrap();
    assert_eq!(condition.heartbeat.as_deref(), Some("2026-01-01T00:00:00Z"));
    let printed = serde_json::to_string(&condition).unwrap();
    assert_eq!(printed, r#"{"type":"Ready","status":"True","reason":"","message":""}"#);
}

#[test]
fn a_credential_that_is_not_known_is_an_error() {
    assert!(serde_json::from_str::<contract::Credential>("\"ca2\"").is_err());
}
