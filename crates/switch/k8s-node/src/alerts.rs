//! What EOS' log is told of how this node stands: whether it is Ready, whether the master answers, certificates, the flash.
//!
//! One look asks each once and waits for none longer than the API client does; [`syslog::report`] knows what is news.

use std::time::SystemTime;

use anyhow::Result;
use common::errors;
use contract::{
    Stage, places,
    status::{Condition, StageState},
};

use crate::{
    health, record,
    room::Room,
    status,
    switch::Switch,
    syslog::{self, Event},
};

/// Reports all of it, as far as the bring-up has come; what it cannot find out is said and keeps nothing else from being done.
pub fn look(switch: &Switch) {
    let runs = if switch.node.worker { Stage::Kubelet } else { Stage::ControlPlane };
    let node = if record::read(runs).state == StageState::Done { node(switch) } else { Ok(()) };
    if let Err(error) = errors::all([node, certificates(switch), flash(switch)]) {
        eprintln!("k8s-node: warning: EOS' log may lack how this node stands: {error:#}");
    }
}

/// Whether a node that is no worker is Ready nobody says: it is when its API server answers.
fn node(switch: &Switch) -> Result<()> {
    let name = &switch.node.name;
    if !switch.node.worker {
        return match health::service("kube-apiserver") {
            Ok(()) => syslog::report("node", Event::NodeReady, &format!("{name}: the API server is healthy")),
            Err(error) => syslog::report("node", Event::NodeNotReady, &not_ready(name, &format!("{error:#}"))),
        };
    }
    match health::conditions(switch) {
        Ok(conditions) => {
            let master = format!("the API server at {} answers", switch.cluster.master().address);
            syslog::report("master", Event::MasterReachable, &master)?;
            let (event, text) = readiness(name, &conditions);
            syslog::report("node", event, &text)
        }
        Err(error) if switch.node.master => {
            syslog::report("node", Event::NodeNotReady, &not_ready(name, &format!("its API server: {error:#}")))
        }
        Err(error) => {
            let master = switch.cluster.master();
            let text = format!("the API server of {}, {}, does not answer: {error:#}", master.name, master.address);
            syslog::report("master", Event::MasterUnreachable, &text)
        }
    }
}

fn readiness(name: &str, conditions: &[Condition]) -> (Event, String) {
    match conditions.iter().find(|condition| condition.kind == "Ready") {
        Some(ready) if ready.status == "True" => (Event::NodeReady, format!("{name} is Ready")),
        Some(ready) => (Event::NodeNotReady, not_ready(name, &format!("{}: {}", ready.reason, ready.message))),
        None => (Event::NodeNotReady, not_ready(name, "its kubelet has said nothing")),
    }
}

fn not_ready(name: &str, why: &str) -> String {
    format!("{name} is not Ready: {why}; `k8s-node status` says more")
}

/// One line for all that end: what is to be done is the same.
fn certificates(switch: &Switch) -> Result<()> {
    let problems = status::certificate_problems(switch, SystemTime::now());
    match problems.first() {
        None => syslog::report("certificates", Event::CertificateGood, "every certificate is good"),
        Some(first) => {
            let others = match problems.len() {
                1 => String::new(),
                all => format!(" (and {} more: `k8s-node status`)", all - 1),
            };
            syslog::report("certificates", Event::CertificateEnding, &format!("{first}{others}"))
        }
    }
}

fn flash(switch: &Switch) -> Result<()> {
    match Room::on_flash(places::STATE.as_ref(), &switch.node)?.problem(&switch.node) {
        Some(problem) => syslog::report("flash", Event::FlashFilling, &problem),
        None => syslog::report("flash", Event::FlashHasRoom, "the flash has room for Kubernetes' next files"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_as_ready_as_its_condition_says() {
        let of = |conditions: serde_json::Value| {
            readiness("veos-l1", &serde_json::from_value::<Vec<Condition>>(conditions).unwrap())
        };
        let ready = |status: &str| {
            serde_json::json!([
                {"type": "DiskPressure", "status": "True"},
                {"type": "Ready", "status": status, "reason": "KubeletNotReady", "message": "runtime is down"},
            ])
        };
        assert_eq!(of(ready("True")), (Event::NodeReady, "veos-l1 is Ready".into()));
        for status in ["False", "Unknown"] {
            let (event, text) = of(ready(status));
            assert_eq!(event, Event::NodeNotReady);
            assert!(text.starts_with("veos-l1 is not Ready: KubeletNotReady: runtime is down"), "{text}");
        }
        assert_eq!(of(serde_json::json!([])).0, Event::NodeNotReady);
    }
}
