//! `k8s-node status`: everything that the person at the switch asks about, in one screen or as JSON.

mod screen;

use std::{fs, process::ExitCode, time::SystemTime};

use anyhow::Result;
use cluster::{
    Node,
    pki::{self, CertificateStatus, State as CertificateState},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    health::{self, Condition},
    places,
    record::{self, Progress},
    room::Room,
    service,
    stage::Stage,
    switch::{self, Switch},
    systemd,
};

#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The switch's name in the cluster, or its hostname where it is in none.
    pub node: String,
    pub release: Option<String>,
    pub state: State,
    pub stages: Vec<StageStatus>,
    pub services: Vec<ServiceStatus>,
    pub certificates: Vec<CertificateStatus>,
    pub conditions: Vec<Condition>,
    /// What is wrong, and what to do about it.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ready,
    Starting,
    Failed,
    Stopped,
}

#[derive(Debug, Clone, Serialize)]
pub struct StageStatus {
    pub stage: &'static str,
    #[serde(flatten)]
    pub record: record::Record,
}

#[derive(Debug, Clone, Serialize)]
pub struct ServiceStatus {
    pub service: &'static str,
    /// systemd's word.
    pub state: String,
    /// Its own word; none where it is not running.
    pub healthy: Option<bool>,
}

/// Prints it, and ends well when everything is ready.
pub fn run(json: bool) -> Result<ExitCode> {
    let status = collect()?;
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", screen::render(&status));
    }
    Ok(if status.state == State::Ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub fn collect() -> Result<Status> {
    let mut problems = Vec::new();
    let switch = Switch::load();
    if let Err(error) = &switch {
        problems.push(format!("{error:#}"));
    }
    let switch = switch.ok();
    let stages: Vec<StageStatus> =
        Stage::ALL.into_iter().map(|stage| StageStatus { stage: stage.name(), record: record::read(stage) }).collect();
    for stage in stages.iter().filter(|stage| stage.record.state == Progress::Failed) {
        problems.push(format!("stage {}: {}", stage.stage, stage.record.line));
    }
    problems.extend(switch.as_ref().and_then(|switch| short_of_room(&switch.node)));
    let bring_up = systemd::is_active(systemd::BRING_UP)?;
    let services = match &switch {
        Some(switch) => services(switch, &mut problems)?,
        None => Vec::new(),
    };
    let certificates = switch.as_ref().map(certificates).unwrap_or_default();
    problems.extend(certificates.iter().filter_map(certificate_problem));
    let conditions = match &switch {
        // Before, there is nobody to ask.
        Some(switch) if switch.node.worker && record::read(Stage::Kubelet).state == Progress::Done => {
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
    Ok(Status { node, release: release(), state, stages, services, certificates, conditions, problems })
}

fn state(bring_up: bool, stages: &[StageStatus], services: &[ServiceStatus], conditions: &[Condition]) -> State {
    let any = |progress| stages.iter().any(|stage| stage.record.state == progress);
    let unready = conditions.iter().any(|condition| condition.kind == "Ready" && condition.status != "True");
    if any(Progress::Failed) {
        State::Failed
    } else if !bring_up {
        State::Stopped
    } else if any(Progress::Waiting) || any(Progress::Running) {
        State::Starting
    } else if unready || services.iter().any(|service| service.healthy != Some(true)) {
        State::Failed
    } else {
        State::Ready
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
        services.push(ServiceStatus { service: name, state, healthy: healthy.map(|health| health.is_ok()) });
    }
    Ok(services)
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

/// The release's version, from the mounted image.
fn release() -> Option<String> {
    let release: Value = serde_json::from_slice(&fs::read(places::RELEASE).ok()?).ok()?;
    release["version"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use rustix::mount::{MountFlags, mount_remount};

    use super::*;
    use crate::test_support::{FLASH, came_up_before, flash_of, in_mount_namespace, node};

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn the_room_on_the_flash_is_that_of_now() {
        in_mount_namespace(|| {
            flash_of(950);
            came_up_before();
            assert_eq!(short_of_room(&node(true, true)), None);
            // Others take what they like of it.
            mount_remount(FLASH, MountFlags::empty(), c"size=20m").unwrap();
            let said = short_of_room(&node(true, true)).unwrap();
            assert!(said.starts_with("the flash has 19 MiB left: with less than 62"), "{said}");
            assert_eq!(short_of_room(&node(false, true)), None);
        });
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
