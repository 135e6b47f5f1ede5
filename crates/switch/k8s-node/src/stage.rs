//! The stages of the bring-up. Each finds what is already right, leaves it, and says in one line what it found and did.
//!
//! first-boot runs them one by one, and the renewal all of them: there is no other way in which cluster.toml comes to be applied.
//! One runner at a time; what a stage has come to is recorded, and what needs one that is not done is not begun.

mod api_server;
mod configuration;
mod control_plane;
mod dns_service;
mod docker;
mod endpoints_role;
pub mod external_ips;
mod identity;
pub mod metrics;
mod network;
mod pki;
mod prepare;
mod rbac;
mod ready;
mod workers;

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, anyhow, bail};
use common::lock::{After, Lock, Tried};
use contract::{
    Stage, Who, places,
    status::{StageRecord, StageState},
};

use crate::{
    alerts, record,
    switch::{self, Switch},
};

pub use pki::asks_the_master;

/// What a stage needs that is not there, and may well come: the stage is not done, and has not failed. The bring-up that begins anew
/// looks again; others go on meanwhile.
#[derive(Debug)]
struct StillToCome(String);

impl fmt::Display for StillToCome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StillToCome {}

/// Longer than the unit of the renewal may run.
const TURN: Duration = Duration::from_secs(60 * 60);

/// For whom the stages are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// A worker without certificates waits for the master as long as it takes.
    BringUp,
    /// One that does not get any says so at once.
    Renewal,
}

fn execute(stage: Stage, switch: &Switch, runner: Runner) -> Result<String> {
    match stage.who() {
        Who::Master if !switch.node.master => return Ok("not the master: nothing to do".into()),
        Who::Worker if !switch.node.worker => return Ok("not a worker: nothing to do".into()),
        _ => {}
    }
    match stage {
        Stage::Prepare => prepare::prepare(switch),
        Stage::Pki => pki::pki(switch, runner),
        Stage::Enrolment => pki::enrolment(switch),
        Stage::Kubeconfigs => identity::kubeconfigs(switch),
        Stage::Encryption => identity::encryption(),
        Stage::Firewall => network::firewall(switch),
        Stage::Reconciler => network::reconciler(),
        Stage::Etcd => control_plane::etcd(switch),
        Stage::ControlPlane => control_plane::control_plane(switch),
        Stage::Docker => docker::docker(),
        Stage::Images => docker::images(),
        Stage::Cni => network::cni(switch),
        Stage::Kubelet => workers::kubelet(switch),
        Stage::KubeProxy => workers::kube_proxy(switch),
        Stage::ClusterDns => workers::cluster_dns(switch),
        Stage::Routes => {
            if runner == Runner::BringUp {
                configuration::wait_for_command_line(SystemTime::now())?;
            }
            network::routes(switch)
        }
        Stage::ApiServer => api_server::api_server(),
        Stage::Rbac => rbac::rbac(switch),
        Stage::Metrics => metrics::metrics(switch),
        Stage::Ready => ready::ready(switch, runner),
        Stage::Renewal => pki::renewal(switch),
    }
}

/// Runs one stage, prints its line and keeps it for `k8s-node status`.
pub fn run(stage: Stage) -> Result<()> {
    let _turn = Lock::acquire_within(lock()?.as_ref(), After::Stays, TURN, "no other stage is run", |holder| {
        println!("{}: waits for {holder}", stage.name());
    })?;
    let begun = SystemTime::now();
    record::forget_after(stage).context("cannot forget what a bring-up before this one has recorded")?;
    record::write(stage, StageState::Running, "", begun)?;
    if stage == Stage::Prepare {
        configuration::wait_for_node(begun)?;
        switch::remember_cluster_toml()?;
    }
    let switch = Switch::load();
    let obstacle = if switch::has_another_cluster_toml() {
        Some(format!("not begun: {} is another one since this bring-up began, which begins anew", places::CLUSTER_TOML))
    } else {
        obstacle(stage, |need| is_missing(&record::read(need)))
    };
    let last = Stage::ALL.last() == Some(&stage);
    let known = switch.as_ref().ok().filter(|_| last).cloned();
    let finished = finish(stage, obstacle, begun, || execute(stage, &switch?, Runner::BringUp));
    if let Some(switch) = known {
        alerts::look(&switch);
    }
    finished
}

/// Runs every stage with one reading of cluster.toml, and fails with everything that has failed. None where a bring-up is at
/// it, which does the same.
pub fn run_all() -> Result<Option<()>> {
    match Lock::try_acquire(lock()?.as_ref(), After::Stays)? {
        Tried::Got(turn) => run_all_in(turn).map(Some),
        Tried::HeldBy(_) => Ok(None),
    }
}

/// Waits so long until no stage is run, for who has changed what a stage of a bring-up may have looked at already.
pub fn turn_within(limit: Duration) -> Result<Lock> {
    Lock::acquire_within(lock()?.as_ref(), After::Stays, limit, "no other stage is run", |holder| {
        println!("waits for {holder}");
    })
}

/// The same as [`run_all`] in a turn that is had.
pub fn run_all_in(_turn: Lock) -> Result<()> {
    switch::remember_cluster_toml()?;
    let switch = Switch::load()?;
    let done =
        each(|stage, obstacle| finish(stage, obstacle, SystemTime::now(), || execute(stage, &switch, Runner::Renewal)));
    alerts::look(&switch);
    done
}

/// Calls `finish` for every stage, with what keeps it from being begun.
fn each(mut finish: impl FnMut(Stage, Option<String>) -> Result<()>) -> Result<()> {
    let (mut missing, mut failures) = (Vec::new(), Vec::new());
    for stage in Stage::ALL.iter().copied() {
        let obstacle = obstacle(stage, |need| missing.contains(&need));
        let was_begun = obstacle.is_none();
        if let Err(error) = finish(stage, obstacle) {
            missing.push(stage);
            if was_begun {
                failures.push(format!("{error:#}"));
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(anyhow!(failures.join("\n"))) }
}

/// Why a stage cannot be begun.
fn obstacle(stage: Stage, is_missing: impl Fn(Stage) -> bool) -> Option<String> {
    let missing: Vec<&str> = stage.needs().iter().filter(|need| is_missing(**need)).map(|need| need.name()).collect();
    (!missing.is_empty()).then(|| format!("not begun: it needs {}, which is not done", missing.join(" and ")))
}

/// One that is still running was ended before its end. A stage of which nothing is known is run by hand, and is no obstacle.
fn is_missing(record: &StageRecord) -> bool {
    match record.state {
        StageState::Done => false,
        StageState::Waiting => !record.line.is_empty(),
        StageState::Running | StageState::Failed => true,
    }
}

/// Executes a stage that nothing is in the way of, records what came of it and says so.
fn finish(
    stage: Stage,
    obstacle: Option<String>,
    begun: SystemTime,
    execute: impl FnOnce() -> Result<String>,
) -> Result<()> {
    let name = stage.name();
    if let Some(why) = obstacle {
        record::write(stage, StageState::Waiting, &why, begun)?;
        bail!("stage {name}: {why}");
    }
    match execute() {
        Ok(line) => {
            record::write(stage, StageState::Done, &line, begun)?;
            println!("{name}: {line}");
            Ok(())
        }
        Err(error) => {
            let why = format!("{error:#}");
            let state = if error.is::<StillToCome>() { StageState::Waiting } else { StageState::Failed };
            record::write(stage, state, &why, begun)?;
            bail!("stage {name}: {why}")
        }
    }
}

/// Says while a stage runs what it waits for; only what differs from `last` is said.
fn waiting_for(stage: Stage, begun: SystemTime, last: &mut String, what: &str) -> Result<()> {
    if last != what {
        record::write(stage, StageState::Running, what, begun)?;
        println!("{}: {what}", stage.name());
        *last = what.to_owned();
    }
    Ok(())
}

/// The lock's file, in a directory that is there.
fn lock() -> Result<&'static str> {
    common::files::create_dir(places::RUN.as_ref())?;
    Ok(places::STAGE_LOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which stages are executed when some fail, and what is told at the end.
    fn executed(failing: &[Stage]) -> (Vec<Stage>, String) {
        let mut executed = Vec::new();
        let told = each(|stage, obstacle| {
            if let Some(why) = obstacle {
                bail!("stage {}: {why}", stage.name());
            }
            executed.push(stage);
            if failing.contains(&stage) { bail!("stage {} is made to fail", stage.name()) } else { Ok(()) }
        });
        (executed, told.map_or_else(|error| format!("{error:#}"), |()| String::new()))
    }

    #[test]
    fn a_stage_that_fails_stops_only_those_that_need_it_and_all_failures_are_told() {
        assert_eq!(executed(&[]), (Stage::ALL.to_vec(), String::new()));
        let (stages, told) = executed(&[Stage::Docker, Stage::Routes]);
        for stage in [Stage::ControlPlane, Stage::KubeProxy, Stage::ApiServer, Stage::Rbac, Stage::Renewal] {
            assert!(stages.contains(&stage), "a broken Docker stops {}", stage.name());
        }
        for stage in [Stage::Images, Stage::Kubelet, Stage::Ready] {
            assert!(!stages.contains(&stage), "{} was run without Docker", stage.name());
        }
        assert_eq!(told, "stage docker is made to fail\nstage routes is made to fail");
        assert_eq!(executed(&[Stage::Prepare]).0, [Stage::Prepare]);
    }

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn what_is_still_to_come_is_waited_for_and_has_not_failed() {
        crate::test_support::in_mount_namespace(|| {
            rustix::mount::mount("run", "/run", "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
            let begun = SystemTime::now();
            let come = finish(Stage::Docker, None, begun, || Err(StillToCome("waiting for Docker".into()).into()));
            assert!(come.is_err(), "it is not done");
            let record = record::read(Stage::Docker);
            assert_eq!((record.state, record.line.as_str()), (StageState::Waiting, "waiting for Docker"));
            assert!(is_missing(&record), "what needs it begins");
            finish(Stage::Docker, None, begun, || Err(anyhow!("it is broken"))).unwrap_err();
            assert_eq!(record::read(Stage::Docker).state, StageState::Failed);
        });
    }

    #[test]
    fn what_one_waits_for_that_was_not_begun_or_was_ended_in_the_middle_is_named() {
        let record = |state, line: &str| StageRecord { state, line: line.into(), seconds: 0.0 };
        assert!(!is_missing(&record(StageState::Done, "kept all")));
        assert!(!is_missing(&record(StageState::Waiting, "")), "run by hand");
        assert!(is_missing(&record(StageState::Waiting, "not begun: it needs docker, which is not done")));
        assert!(is_missing(&record(StageState::Failed, "no")) && is_missing(&record(StageState::Running, "")));
        let why = obstacle(Stage::Kubelet, |need| need != Stage::Kubeconfigs).unwrap();
        assert_eq!(why, "not begun: it needs images and cni, which is not done");
        assert_eq!(obstacle(Stage::Prepare, |_| true), None);
    }
}
