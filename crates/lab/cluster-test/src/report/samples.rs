//! Small records, for the tests of the reports.

use topology::format::Endpoint;

use crate::record::{
    BringUp, DeviceRecord, Evidence, Figure, LinkRecord, PlayOutcome, ProcessMemory, Run, ScenarioRecord, StageSpan,
    StepRecord,
};

/// A device whose name says whether it is a host.
pub fn device(name: &str) -> DeviceRecord {
    let kind = if name.contains("host") { "host" } else { "switch" };
    DeviceRecord {
        name: name.to_owned(),
        kind: kind.to_owned(),
        image: "veos:latest".to_owned(),
        identity: "a stand-in".to_owned(),
        addresses: vec!["eth0 172.18.0.2/16".to_owned(), "eth1 10.0.0.0/31".to_owned()],
        state: if kind == "host" { "on" } else { "ready" }.to_owned(),
        memory: vec![],
        logs: Some(format!("logs/{name}.tar.gz")),
    }
}

pub fn link(driver: &str, devices: &[&str]) -> LinkRecord {
    let end = |(number, device): (usize, &&str)| Endpoint {
        device: (*device).to_owned(),
        interface: if driver == "bridge" { "eth0".to_owned() } else { format!("eth{}", number + 1) },
    };
    LinkRecord {
        name: "net".to_owned(),
        driver: driver.to_owned(),
        endpoints: devices.iter().enumerate().map(end).collect(),
    }
}

fn scenario(name: &str, began: f64, took: f64, outcome: PlayOutcome) -> ScenarioRecord {
    let step = StepRecord { text: format!("a step of {name}"), began, took, outcome: outcome.clone() };
    ScenarioRecord {
        name: name.to_owned(),
        purpose: format!("what {name} proves"),
        began,
        took,
        steps: if matches!(outcome, PlayOutcome::Skipped(_) | PlayOutcome::NotPossible(_)) {
            vec![]
        } else {
            vec![step]
        },
        outcome,
        evidence: vec![],
    }
}

/// Two switches and a host, of which one switch did not come up, with what an attacker would put into a log.
pub fn failed() -> Run {
    let names = ["veos-b", "veos-l1", "host-c1"];
    let mut devices = names.map(device);
    devices[0].memory = ["kube-apiserver", "kubelet"]
        .iter()
        .zip([220.25, 71.5])
        .map(|(process, mib)| ProcessMemory { process: (*process).to_owned(), mib })
        .collect();
    devices[1].state = "failed".to_owned();
    let because = "veos-l1 is not ready after 60 s:\n<b>Stage</b> \"node\" & more";
    let mut bring_up = scenario("bring-up", 14.0, 60.0, PlayOutcome::Failed(because.to_owned()));
    bring_up.evidence = vec![Evidence {
        device: "veos-l1".to_owned(),
        title: "status and journal".to_owned(),
        text: "all is well\nE1125 error: <script>alert(1)</script> \u{1b}[31mred\n".to_owned(),
    }];
    let stage =
        |name: &str, began, ended| StageSpan { name: name.to_owned(), began, ended, line: format!("{name} & done") };
    Run {
        began: "2026-11-25T12:00:00Z".to_owned(),
        took: 80.0,
        interrupted: false,
        suite: "cluster".to_owned(),
        driver: "built-in".to_owned(),
        topology: "topo/k8s.yml".to_owned(),
        prefix: "k".to_owned(),
        swix: "kubernetes-on-eos-1.20.2-386.swix".to_owned(),
        seed: 7,
        swix_sha256: "00".repeat(32),
        devices: devices.into(),
        links: vec![link("bridge", &names), link("veth", &["veos-b", "host-c1"]), link("veth", &["veos-b", "veos-l1"])],
        scenarios: vec![
            scenario("routing", 1.0, 12.5, PlayOutcome::Passed),
            bring_up,
            scenario("pods", 74.0, 0.0, PlayOutcome::Skipped("it needs bring-up, which has not passed".to_owned())),
            scenario("upgrade", 74.0, 0.0, PlayOutcome::NotPossible("it wants 3 workers".to_owned())),
        ],
        figures: vec![Figure {
            name: "bring-up".to_owned(),
            value: 61.5,
            unit: "s".to_owned(),
            how: "from install to ready".to_owned(),
        }],
        bring_ups: vec![BringUp {
            device: "veos-b".to_owned(),
            occasion: "install".to_owned(),
            began: 14.0,
            stages: vec![stage("pki", 14.5, 17.0), stage("etcd", 17.0, 21.25)],
            ready: Some(24.0),
        }],
    }
}
