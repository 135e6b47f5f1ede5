//! `k8s-node status`: everything that the person at the switch asks about, in one screen or as JSON.

mod screen;

use std::{process::ExitCode, time::SystemTime};

use anyhow::Result;
use cluster::{Node, pki};
use contract::{
    Stage, places, services,
    status::{
        CertificateState, CertificateStatus, Condition, NodeState, ServiceStatus, StageRecord, StageState, StageStatus,
        Status,
    },
};

use crate::{
    health,
    node_keys::NodeKeysFile,
    record,
    release::Release,
    room::Room,
    service,
    switch::{self, Switch},
    systemd,
};

/// Prints it, and ends well when everything is ready.
pub fn run(json: bool) -> Result<ExitCode> {
    let status = collect()?;
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", screen::render(&status));
    }
    Ok(if status.is_ready() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub fn collect() -> Result<Status> {
    let mut problems = Vec::new();
    let switch = Switch::load();
    if let Err(error) = &switch {
        problems.push(format!("{error:#}"));
    }
    let switch = switch.ok();
    let stages: Vec<StageStatus> = Stage::ALL
        .iter()
        .map(|stage| StageStatus { stage: stage.name().into(), record: record::read(*stage) })
        .collect();
    for stage in stages.iter().filter(|stage| stage.record.state == StageState::Failed) {
        problems.push(format!("stage {}: {}", stage.stage, stage.record.line));
    }
    problems.extend(identity_problem(switch.as_ref(), &record::read(Stage::Pki)));
    problems.extend(switch.as_ref().and_then(|switch| short_of_room(&switch.node)));
    let bring_up = systemd::is_active(services::BOOTSTRAP)?;
    let services = match &switch {
        Some(switch) => services(switch, &mut problems)?,
        None => Vec::new(),
    };
    let certificates = switch.as_ref().map(certificates).unwrap_or_default();
    problems.extend(certificates.iter().filter_map(certificate_problem));
    let conditions = match &switch {
        // Before, there is nobody to ask.
        Some(switch) if switch.node.worker && record::read(Stage::Kubelet).state == StageState::Done => {
            health::conditions(switch).unwrap_or_else(|error| {
                problems.push(format!("the node's conditions are not known: {error:#}"));
                Vec::new()
            })
        }
        _ => Vec::new(),
    };
    problems.extend(conditions.iter().filter_map(pressure));
    let state = state(bring_up, &stages, &services, &conditions);
    let node = switch.map_or_else(switch::hostname, |switch| switch.node.name);
    let release = Release::read(places::RELEASE.as_ref()).ok();
    let build = release.as_ref().and_then(|release| Some(release.build.as_ref()?.release()));
    let release = release.map(|release| release.version);
    Ok(Status { node, release, build, state, stages, services, certificates, conditions, problems })
}

fn state(bring_up: bool, stages: &[StageStatus], services: &[ServiceStatus], conditions: &[Condition]) -> NodeState {
    let any = |progress| stages.iter().any(|stage| stage.record.state == progress);
    let unready = conditions.iter().any(|condition| condition.kind == "Ready" && condition.status != "True");
    if any(StageState::Failed) {
        NodeState::Failed
    } else if !bring_up {
        NodeState::Stopped
    } else if any(StageState::Waiting) || any(StageState::Running) {
        NodeState::Starting
    } else if unready || services.iter().any(|service| service.healthy != Some(true)) {
        NodeState::Failed
    } else {
        NodeState::Ready
    }
}

fn services(switch: &Switch, problems: &mut Vec<String>) -> Result<Vec<ServiceStatus>> {
    let mut services = Vec::new();
    for name in service::of(switch) {
        let state = systemd::state(&format!("{name}.service"))?;
        let healthy = if state == "active" { Some(health::service(name)) } else { None };
        if let Some(Err(error)) = &healthy {
            problems.push(format!("{name} is not healthy: {error:#}; see `k8s-node logs {name}`"));
        } else if state == "failed" || state == "activating" {
            problems.push(format!("{name} does not stay up; see `k8s-node logs {name}`"));
        }
        services.push(ServiceStatus { service: name.into(), state, healthy: healthy.map(|health| health.is_ok()) });
    }
    Ok(services)
}

/// Why this master signs for nobody, or what this worker waits for that somebody has to do on the master.
fn identity_problem(switch: Option<&Switch>, pki: &StageRecord) -> Option<String> {
    if switch.is_some_and(|switch| switch.node.master) {
        let begun = pki.state == StageState::Done;
        return NodeKeysFile::on_switch().read().err().filter(|_| begun).map(|error| format!("{error:#}"));
    }
    let waits = pki.state == StageState::Running && pki.line.contains("`k8s-node admit ");
    waits.then(|| format!("stage {}: {}", Stage::Pki.name(), pki.line))
}

/// What the flash lacks now, whatever it had when the switch came up.
fn short_of_room(node: &Node) -> Option<String> {
    match Room::on_flash(places::STATE.as_ref(), node) {
        Ok(room) => room.remark(node),
        Err(error) => Some(format!("the room on the flash is not known: {error:#}")),
    }
}

fn certificates(switch: &Switch) -> Vec<CertificateStatus> {
    pki::inspect(places::PKI.as_ref(), &switch.cluster, &switch.node, SystemTime::now())
}

/// What is missing is what the bring-up is there for; it is the stage's matter.
fn certificate_problem(certificate: &CertificateStatus) -> Option<String> {
    match &certificate.state {
        CertificateState::Ok | CertificateState::Missing => None,
        state => Some(format!("certificate {}: {state}; `k8s-node renew` issues it again", certificate.credential)),
    }
}

/// What keeps pods from this node while everything is healthy.
fn pressure(condition: &Condition) -> Option<String> {
    (condition.kind.ends_with("Pressure") && condition.status == "True").then(|| {
        let Condition { kind, message, .. } = condition;
        format!("{kind}: {message}; until room is made, pods are evicted and no new ones are placed here")
    })
}

#[cfg(test)]
mod tests {
    use rustix::mount::{MountFlags, mount_remount};

    use super::*;
    use crate::test_support::{came_up_before, flash_of, in_mount_namespace, node};

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn the_room_on_the_flash_is_that_of_now() {
        in_mount_namespace(|| {
            flash_of(950);
            came_up_before();
            assert_eq!(short_of_room(&node(true, true)), None);
            // Others take what they like of it.
            mount_remount(places::FLASH, MountFlags::empty(), c"size=20m").unwrap();
            let said = short_of_room(&node(true, true)).unwrap();
            assert!(said.starts_with("the flash has 19 MiB left: with less than 62"), "{said}");
            assert_eq!(short_of_room(&node(false, true)), None);
        });
    }

    #[test]
    fn a_worker_that_waits_for_the_operators_word_shows_the_whole_command() {
        let record = |state, line: &str| StageRecord { state, line: line.into(), seconds: 1.0 };
        let line =
            "waiting for the master 1.1.1.1:6444: …: `k8s-node admit veos-l1 --key 0f1e2d3c4b5a69788796a5b4c3d2e1f0`";
        let shown = identity_problem(None, &record(StageState::Running, line)).unwrap();
        assert_eq!(shown, format!("stage pki: {line}"));
        // A stage that failed is told of as every other one.
        assert_eq!(identity_problem(None, &record(StageState::Failed, line)), None);
        assert_eq!(identity_problem(None, &record(StageState::Running, "waiting for the master")), None);
    }

    #[test]
    fn a_node_under_pressure_is_a_problem_and_one_that_is_well_is_none() {
        let condition = |kind: &str, status: &str, message: &str| -> Condition {
            serde_json::from_value(serde_json::json!({"type": kind, "status": status, "message": message})).unwrap()
        };
        assert_eq!(
            pressure(&condition("DiskPressure", "True", "kubelet has disk pressure")).unwrap(),
            "DiskPressure: kubelet has disk pressure; until room is made, pods are evicted and no new ones are placed here"
        );
        assert_eq!(pressure(&condition("DiskPressure", "False", "kubelet has no disk pressure")), None);
        assert_eq!(pressure(&condition("Ready", "True", "kubelet is posting ready status")), None);
    }
}
