//! The stages of the bring-up. Each finds what is already right, leaves it, and says in one line what it found and did.

mod api_server;
mod control_plane;
mod docker;
mod identity;
mod network;
mod pki;
mod prepare;
mod rbac;
mod ready;
mod workers;

use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use contract::{Stage, Who, status::StageState};

use crate::{record, switch::Switch};

pub use identity::kubeconfigs as renew_kubeconfigs;
pub use pki::{asks_the_master, renew as renew_certificates};

fn execute(stage: Stage) -> Result<String> {
    let switch = Switch::load()?;
    match stage.who() {
        Who::Master if !switch.node.master => return Ok("not the master: nothing to do".into()),
        Who::Worker if !switch.node.worker => return Ok("not a worker: nothing to do".into()),
        _ => {}
    }
    match stage {
        Stage::Prepare => prepare::prepare(&switch),
        Stage::Pki => pki::pki(&switch),
        Stage::Enrolment => pki::enrolment(),
        Stage::Kubeconfigs => identity::kubeconfigs(&switch),
        Stage::Encryption => identity::encryption(),
        Stage::Firewall => network::firewall(&switch),
        Stage::Etcd => control_plane::etcd(&switch),
        Stage::ControlPlane => control_plane::control_plane(&switch),
        Stage::Docker => docker::docker(),
        Stage::Images => docker::images(),
        Stage::Cni => network::cni(&switch),
        Stage::Kubelet => workers::kubelet(&switch),
        Stage::KubeProxy => workers::kube_proxy(&switch),
        Stage::Routes => network::routes(&switch),
        Stage::ApiServer => api_server::api_server(),
        Stage::Rbac => rbac::rbac(),
        Stage::Ready => ready::ready(&switch),
        Stage::Renewal => pki::renewal(&switch),
    }
}

/// Runs one stage, prints its line and keeps it for `k8s-node status`.
pub fn run(stage: Stage) -> Result<()> {
    let begun = SystemTime::now();
    record::forget_after(stage).context("cannot forget what a bring-up before this one has recorded")?;
    record::write(stage, StageState::Running, "", begun)?;
    match execute(stage) {
        Ok(line) => {
            record::write(stage, StageState::Done, &line, begun)?;
            println!("{}: {line}", stage.name());
            Ok(())
        }
        Err(error) => {
            let why = format!("{error:#}");
            record::write(stage, StageState::Failed, &why, begun)?;
            bail!("stage {}: {why}", stage.name())
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
