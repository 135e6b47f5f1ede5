//! `k8s-node status`: everything that the person at the switch asks about, in one screen or as JSON.

mod findings;
mod screen;

use std::{process::ExitCode, time::SystemTime};

use anyhow::Result;
use cluster::pki;
use contract::{
    Stage, places, ports, services,
    status::{
        CertificateStatus, Condition, NodeState, ReconcilerStatus, ServiceStatus, StageRecord, StageState, StageStatus,
        Status,
    },
};

use self::findings::{Findings, RENEWED_WITHIN};
use crate::{
    etcd::Etcd,
    health, metrics_server, moved_on,
    node_keys::NodeKeysFile,
    preflight::{self, Verdict},
    reconciler, record,
    release::Release,
    room::Room,
    rotate_ca, service, snapshots, stage, storage,
    switch::{self, Switch},
    systemd,
};

/// Prints it, and ends well when all is well.
pub fn run(json: bool) -> Result<ExitCode> {
    let status = collect()?;
    if json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", screen::render(&status));
    }
    Ok(if status.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub fn collect() -> Result<Status> {
    let mut findings = Findings::default();
    let switch = Switch::load();
    if let Err(error) = &switch {
        findings.problems.push(format!("{error:#}"));
    }
    let switch = switch.ok();
    let stages: Vec<StageStatus> = Stage::ALL
        .iter()
        .map(|stage| StageStatus { stage: stage.name().into(), record: record::read(*stage) })
        .collect();
    for stage in stages.iter().filter(|stage| stage.record.state == StageState::Failed) {
        findings.problems.push(format!("stage {}: {}", stage.stage, stage.record.line));
    }
    findings.storage(storage::report(switch.as_ref().is_some_and(|switch| switch.node.master)));
    let is_away = storage::is_elsewhere().unwrap_or_default();
    let preflight = preflight::look(switch.as_ref().map(|switch| &switch.node));
    findings.problems.extend(preflight::said(&preflight, Verdict::Problem));
    findings.remarks.extend(preflight::said(&preflight, Verdict::Remark));
    if let Some(Switch { node, .. }) = switch.as_ref().filter(|_| !is_away) {
        findings.room(Room::on_flash(places::STATE.as_ref(), node), node);
    }
    if switch.as_ref().is_some_and(|switch| switch.node.master) {
        findings.etcd(Etcd::on_switch().database_size(), snapshots::skipped());
    }
    if let Some(switch) = &switch {
        findings.remarks.extend(rotate_ca::remark(switch));
        findings.remarks.extend(switch.cluster.network_remark().map(str::to_owned));
    }
    findings.problems.extend(identity_problem(switch.as_ref(), &record::read(Stage::Pki)));
    let bring_up = systemd::is_active(services::BOOTSTRAP)?;
    let services = match &switch {
        Some(switch) => services(switch, &mut findings)?,
        None => Vec::new(),
    };
    let certificates = switch.as_ref().filter(|_| !is_away);
    let certificates = certificates.map(|switch| certificates_of(switch, &mut findings)).unwrap_or_default();
    if is_done(Stage::Renewal) {
        findings.renewal(&systemd::state(services::RENEWAL_TIMER)?, &systemd::state(services::RENEWAL)?);
        if switch.as_ref().is_some_and(|switch| switch.node.master) {
            findings.snapshots(&systemd::state(services::SNAPSHOT_TIMER)?);
        }
    }
    let conditions = match &switch {
        // Before, there is nobody to ask.
        Some(switch) if switch.node.worker && is_done(Stage::Kubelet) => {
            health::conditions(switch).unwrap_or_else(|error| {
                findings.problems.push(format!("the node's conditions are not known: {error:#}"));
                Vec::new()
            })
        }
        _ => Vec::new(),
    };
    if let Some(switch) = switch.as_ref().filter(|_| is_done(Stage::Kubelet)) {
        let api_server = (switch.cluster.master().address, ports::API_SERVER).into();
        findings.remarks.extend(moved_on::remark(switch, places::PKI.as_ref(), api_server));
    }
    if switch.as_ref().is_some_and(|switch| switch.node.worker) && is_done(Stage::ClusterDns) {
        findings.remarks.extend(health::names());
    }
    if switch.as_ref().is_some_and(|switch| switch.node.master) && is_done(Stage::Metrics) {
        findings.remarks.extend(stage::metrics::remark(&record::read(Stage::Metrics).line).or_else(health::metrics));
    }
    conditions.iter().for_each(|condition| findings.pressure(condition));
    let reconciler = ReconcilerStatus {
        state: systemd::state(services::RECONCILER)?,
        paused_until: reconciler::paused_until(),
        ..reconciler::recorded()
    };
    findings.reconciler(&reconciler, is_done(Stage::Reconciler));
    let state = state(bring_up, &stages, &services, &conditions);
    let ca_hash = switch.as_ref().and_then(ca_hash);
    if let Some(why) = switch.as_ref().and_then(nobody_joins) {
        findings.remarks.push(why);
    }
    let node = switch.map_or_else(switch::hostname, |switch| switch.node.name);
    let release = Release::read(places::RELEASE.as_ref()).ok();
    let build = release.as_ref().and_then(|release| Some(release.build.as_ref()?.release()));
    let release = release.map(|release| release.version);
    let Findings { problems, remarks } = findings;
    Ok(Status {
        node,
        release,
        build,
        state,
        stages,
        services,
        certificates,
        ca_hash,
        conditions,
        reconciler,
        problems,
        remarks,
    })
}

fn is_done(stage: Stage) -> bool {
    record::read(stage).state == StageState::Done
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
    } else if unready || services.iter().any(|of| of.healthy != Some(true) && of.service != metrics_server::SERVICE) {
        NodeState::Failed
    } else {
        NodeState::Ready
    }
}

fn services(switch: &Switch, findings: &mut Findings) -> Result<Vec<ServiceStatus>> {
    let mut services = Vec::new();
    for name in service::of(switch) {
        let unit = format!("{name}.service");
        let state = systemd::state(&unit)?;
        // Nothing of Kubernetes waits for it.
        let Findings { problems, remarks } = findings;
        let problems = if name == metrics_server::SERVICE { remarks } else { problems };
        let healthy = if state == "active" { Some(health::service(name)) } else { None };
        if let Some(Err(error)) = &healthy {
            problems.push(format!("{name} is not healthy: {error:#}; see `k8s-node logs {name}`"));
        } else if state == "failed" || (state == "activating" && systemd::is_down_for_now(&unit)?) {
            problems.push(format!("{name} does not stay up; see `k8s-node logs {name}`"));
        } else if state == "activating" {
            problems.push(format!("{name} is not up yet; `k8s-node logs {name}` says what it is at"));
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
    let for_operator = ["`k8s-node admit ", " is revoked on the master "].iter().any(|words| pki.line.contains(words));
    let waits = pki.state == StageState::Running && for_operator;
    waits.then(|| format!("stage {}: {}", Stage::Pki.name(), pki.line))
}

/// Of the authority that workers find at this master.
fn ca_hash(switch: &Switch) -> Option<String> {
    let hash = switch.node.master.then(|| pki::ca_hash(places::PKI.as_ref()))?;
    hash.ok().flatten().map(|hash| hash.to_string())
}

fn nobody_joins(switch: &Switch) -> Option<String> {
    let why = switch.node.master.then(|| switch.nobody_joins(SystemTime::now()))??;
    Some(format!("no node can join that has not yet: {why}; those that have renew their certificates all the same"))
}

fn certificates_of(switch: &Switch, findings: &mut Findings) -> Vec<CertificateStatus> {
    let now = SystemTime::now();
    let certificates = judge_certificates(switch, findings, now);
    findings.superseded(&pki::superseded(places::PKI.as_ref(), now).unwrap_or_default());
    authorities(switch, findings, now);
    certificates
}

/// What of the certificates somebody has to see to, once they have been made.
pub fn certificate_problems(switch: &Switch, now: SystemTime) -> Vec<String> {
    let mut findings = Findings::default();
    judge_certificates(switch, &mut findings, now);
    findings.problems
}

fn judge_certificates(switch: &Switch, findings: &mut Findings, now: SystemTime) -> Vec<CertificateStatus> {
    let at = |time| pki::inspect(places::PKI.as_ref(), &switch.cluster, &switch.node, time);
    let (certificates, before) = (at(now), at(now - RENEWED_WITHIN));
    for (certificate, before) in certificates.iter().zip(before) {
        findings.certificate(certificate, &before.state, &switch.node, is_done(Stage::Pki));
    }
    certificates
}

/// Who are clients, and what is to be said of an operator's authorities.
fn authorities(switch: &Switch, findings: &mut Findings, now: SystemTime) {
    let pki = places::PKI.as_ref();
    findings.ca_hash(switch.cluster.ca_hash, pki::ca_hash(pki).unwrap_or_default());
    // What cannot be read is told of the certificates.
    if let Ok(Some(clients)) = pki::inspect_clients(pki, &switch.cluster, &switch.node, now) {
        findings.problems.extend(clients.problems);
        findings.remarks.extend(clients.remarks);
    }
    if switch.node.master {
        findings.remarks.extend(pki::authority_remarks(pki, &switch.cluster, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_waits_for_the_operators_word_shows_the_whole_command() {
        let record = |state, line: &str| StageRecord { state, line: line.into(), seconds: 1.0 };
        let line =
            "waiting for the master 1.1.1.1:6444: …: `k8s-node admit veos-l1 --key 0f1e2d3c4b5a69788796a5b4c3d2e1f0`";
        let shown = identity_problem(None, &record(StageState::Running, line)).unwrap();
        assert_eq!(shown, format!("stage pki: {line}"));
        let revoked = "waiting for the master 1.1.1.1:6444: …: veos-l1 is revoked on the master veos-b since …";
        assert!(identity_problem(None, &record(StageState::Running, revoked)).is_some());
        // A stage that failed is told of as every other one.
        assert_eq!(identity_problem(None, &record(StageState::Failed, line)), None);
        assert_eq!(identity_problem(None, &record(StageState::Running, "waiting for the master")), None);
    }
}
