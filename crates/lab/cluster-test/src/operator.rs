//! The operator's own machine: a host with the kubectl that the build makes for it, and admin.kubeconfig.

use std::path::PathBuf;

use anyhow::{Context, Result};
use devices::Device;

use crate::{Scene, switch::put};

const KUBECTL: &str = "/usr/local/bin/kubectl";
const ADMIN: &str = "/root/admin.kubeconfig";

/// A port of the host's own that nothing else takes.
const LOCAL_PORT: &str = "18080";

/// Asks through a tunnel until the first answer, and ends the tunnel.
const ASK_THROUGH_FORWARD: &str = include_str!("scripts/ask-through-forward.sh");

pub struct Operator<'a> {
    host: Device<'a>,
    namespace: &'static str,
}

impl<'a> Operator<'a> {
    /// Puts both on the topology's first host.
    pub fn of(scene: &Scene<'a>) -> Result<Self> {
        let host = scene.hosts().into_iter().next().context("the topology has no host")?;
        let master = scene.master()?;
        put(&host, master.admin_kubeconfig()?, ADMIN)?;
        host.copy_program_in(&built_kubectl(scene)?, KUBECTL)?;
        Ok(Operator { host, namespace: master.namespace() })
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let kubectl = [KUBECTL, "--kubeconfig", ADMIN, "--namespace", self.namespace];
        self.host.exec_ok([&kubectl[..], arguments].concat())
    }

    /// What a pod's port answers through `kubectl port-forward`.
    pub fn ask_by_port_forward(&self, pod: &str, port: u16) -> Result<String> {
        let (pod, port) = (format!("pod/{pod}"), port.to_string());
        let script = ["sh", "-uc", ASK_THROUGH_FORWARD, "sh", KUBECTL, ADMIN, &pod, LOCAL_PORT, &port, self.namespace];
        self.host.exec_ok(script)
    }
}

/// `$KOE_KUBECTL`, or the one that the build leaves beside the SWIX.
fn built_kubectl(scene: &Scene<'_>) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("KOE_KUBECTL") {
        return Ok(given.into());
    }
    let swix = &scene.parts.swix;
    let directory = swix.parent().with_context(|| format!("{} is in no directory", swix.display()))?;
    swix::dist::program(directory, "kubectl", "linux-amd64").with_context(|| {
        let directory = directory.display();
        format!("there is no kubectl-…-linux-amd64 beside the SWIX in {directory}: `cargo xtask build-swix` makes both")
    })
}
