//! The stages of the bring-up. Each finds what is already right, leaves it, and says in one line what it found and did.

mod control_plane;
mod docker;
mod identity;
mod network;
mod pki;
mod prepare;
mod rbac;
mod ready;
mod workers;

use std::{ffi::OsString, time::SystemTime};

use anyhow::{Context, Result, bail};

use crate::{
    record::{self, Progress},
    switch::Switch,
};

pub use identity::kubeconfigs as renew_kubeconfigs;
pub use pki::{asks_the_master, renew as renew_certificates};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Prepare,
    Pki,
    Enrolment,
    Kubeconfigs,
    Encryption,
    Firewall,
    Etcd,
    ControlPlane,
    Docker,
    Images,
    Cni,
    Kubelet,
    KubeProxy,
    Routes,
    Rbac,
    Ready,
    Renewal,
}

/// Which switches a stage is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    All,
    Master,
    Worker,
}

impl Stage {
    /// In the order of the bring-up.
    pub const ALL: [Stage; 17] = [
        Stage::Prepare,
        Stage::Pki,
        Stage::Enrolment,
        Stage::Kubeconfigs,
        Stage::Encryption,
        Stage::Firewall,
        Stage::Etcd,
        Stage::ControlPlane,
        Stage::Docker,
        Stage::Images,
        Stage::Cni,
        Stage::Kubelet,
        Stage::KubeProxy,
        Stage::Routes,
        Stage::Rbac,
        Stage::Ready,
        Stage::Renewal,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Stage::Prepare => "prepare",
            Stage::Pki => "pki",
            Stage::Enrolment => "enrolment",
            Stage::Kubeconfigs => "kubeconfigs",
            Stage::Encryption => "encryption",
            Stage::Firewall => "firewall",
            Stage::Etcd => "etcd",
            Stage::ControlPlane => "control-plane",
            Stage::Docker => "docker",
            Stage::Images => "images",
            Stage::Cni => "cni",
            Stage::Kubelet => "kubelet",
            Stage::KubeProxy => "kube-proxy",
            Stage::Routes => "routes",
            Stage::Rbac => "rbac",
            Stage::Ready => "ready",
            Stage::Renewal => "renewal",
        }
    }

    pub fn named(name: Option<OsString>) -> Result<Stage> {
        let name = name.context("which stage is missing")?;
        let stage = Self::ALL.into_iter().find(|stage| name == stage.name());
        stage.with_context(|| {
            let all: Vec<&str> = Self::ALL.into_iter().map(Stage::name).collect();
            format!("there is no stage {name:?}: there are {}", all.join(", "))
        })
    }

    fn is_for(self) -> For {
        match self {
            Stage::Enrolment | Stage::Encryption | Stage::Etcd | Stage::ControlPlane | Stage::Rbac => For::Master,
            Stage::Docker | Stage::Images | Stage::Cni | Stage::Kubelet | Stage::KubeProxy => For::Worker,
            _ => For::All,
        }
    }

    fn carry_out(self) -> Result<String> {
        let switch = Switch::load()?;
        match self.is_for() {
            For::Master if !switch.node.master => return Ok("not the master: nothing to do".into()),
            For::Worker if !switch.node.worker => return Ok("not a worker: nothing to do".into()),
            _ => {}
        }
        match self {
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
            Stage::Rbac => rbac::rbac(&switch),
            Stage::Ready => ready::ready(&switch),
            Stage::Renewal => pki::renewal(&switch),
        }
    }
}

/// Runs one stage, prints its line and keeps it for `k8s-node status`.
pub fn run(stage: Stage) -> Result<()> {
    let begun = SystemTime::now();
    record::forget_after(stage).context("cannot forget what a bring-up before this one has recorded")?;
    record::write(stage, Progress::Running, "", begun)?;
    match stage.carry_out() {
        Ok(line) => {
            record::write(stage, Progress::Done, &line, begun)?;
            println!("{}: {line}", stage.name());
            Ok(())
        }
        Err(error) => {
            let why = format!("{error:#}");
            record::write(stage, Progress::Failed, &why, begun)?;
            bail!("stage {}: {why}", stage.name())
        }
    }
}

/// Says while a stage runs what it waits for; only what differs from `last` is said.
fn waiting_for(stage: Stage, begun: SystemTime, last: &mut String, what: &str) -> Result<()> {
    if last != what {
        record::write(stage, Progress::Running, what, begun)?;
        println!("{}: {what}", stage.name());
        *last = what.to_owned();
    }
    Ok(())
}
