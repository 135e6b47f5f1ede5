//! The kube-proxy of a world: which one, with which iptables, and when its rules are there.

use std::{
    env, fmt,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use common::command::find_on_path;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::World;
use crate::{
    addresses::{NODE_NAME, NODE_POD_CIDR, POD_BRIDGE, SERVICE_CIDR},
    api::Api,
    daemon::{Daemon, Program},
    programs::Programs,
};

/// How long a change may take until it is programmed.
const PROGRAMMED: Duration = Duration::from_secs(40);

/// Whose kube-proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Implementation {
    Upstream,
    Ours,
}

/// Which iptables is on PATH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IptablesVariant {
    Legacy,
    Nft,
}

/// The way that Services are proxied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendMode {
    Iptables,
    Userspace,
}

impl fmt::Display for IptablesVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for BackendMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A directory of programs that goes first on PATH.
pub fn tools(iptables: IptablesVariant) -> Result<TempDir> {
    let multi = format!("xtables-{iptables}-multi");
    let multi = find_on_path(&multi).with_context(|| format!("{multi} is required: install iptables"))?;
    let directory = TempDir::with_prefix("kube-proxy-diff-tools-").context("cannot make a directory")?;
    for family in ["iptables", "ip6tables"] {
        for ending in ["", "-save", "-restore"] {
            symlink(&multi, directory.path().join(format!("{family}{ending}")))?;
        }
    }
    Ok(directory)
}

/// What programs in a world find in their environment: its own iptables, with its own lock.
pub fn environment(tools: &Path) -> Vec<(String, String)> {
    let path = format!("{}:{}", tools.display(), env::var("PATH").unwrap_or_default());
    vec![("PATH".to_owned(), path), ("XTABLES_LOCKFILE".to_owned(), lock(tools).display().to_string())]
}

fn lock(tools: &Path) -> PathBuf {
    tools.join("lock")
}

impl World {
    /// How a kube-proxy is started in this world; `flags` come last.
    pub fn program(&self, which: Implementation, programs: &Programs, api: &Api, flags: &[&str]) -> Program {
        let mut arguments = vec![
            format!("--kubeconfig={}", api.kubeconfig().display()),
            format!("--hostname-override={NODE_NAME}"),
            "--iptables-min-sync-period=0s".to_owned(),
            "--conntrack-max-per-core=0".to_owned(),
            "--conntrack-min=0".to_owned(),
            "--conntrack-tcp-timeout-established=0s".to_owned(),
            "--conntrack-tcp-timeout-close-wait=0s".to_owned(),
            format!("--pod-bridge-interface={POD_BRIDGE}"),
        ];
        let path = match which {
            Implementation::Upstream => {
                // Nobody mirrors Endpoints into EndpointSlices here.
                arguments.push("--feature-gates=EndpointSliceProxying=false".to_owned());
                &programs.upstream
            }
            Implementation::Ours => {
                arguments.push(format!("--pod-cidr={NODE_POD_CIDR}"));
                arguments.push(format!("--service-cluster-ip-range={SERVICE_CIDR}"));
                &programs.ours
            }
        };
        arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
        Program {
            path: path.clone(),
            arguments,
            environment: environment(self.tools.path()),
            insists_on_limits: which == Implementation::Upstream,
        }
    }

    /// The lock that this world's iptables takes.
    pub fn xtables_lock(&self) -> PathBuf {
        lock(self.tools.path())
    }

    pub fn start_proxy(&mut self, program: &Program, api: &Api) -> Result<()> {
        self.proxy = Some(Daemon::start("kube-proxy", program, &self.node, &self.proxy_log(api))?);
        Ok(())
    }

    /// Starts it by a command that becomes the program which follows it on the command line.
    pub fn start_proxy_by(&mut self, mut command: Command, program: &Program, api: &Api) -> Result<()> {
        command.args(["setpriv", "--pdeathsig", "KILL", "--"]).arg(&program.path).args(&program.arguments);
        let log = self.proxy_log(api);
        self.proxy = Some(Daemon::start_command("kube-proxy", command, program, &self.node, &log)?);
        Ok(())
    }

    fn proxy_log(&self, api: &Api) -> PathBuf {
        api.directory().join(format!("{}.log", self.name))
    }

    pub fn proxy(&mut self) -> Result<&mut Daemon> {
        self.proxy.as_mut().with_context(|| format!("no kube-proxy was started in the world of {}", self.name))
    }

    /// Waits until the rules have all of `texts`, and returns them.
    pub fn wait_for_rules(&mut self, texts: &[String]) -> Result<String> {
        let began = Instant::now();
        loop {
            self.proxy()?.check()?;
            let rules = self.iptables_save()?;
            let Some(missing) = texts.iter().find(|text| !rules.contains(text.as_str())) else {
                return Ok(rules);
            };
            if began.elapsed() > PROGRAMMED {
                let log = self.proxy()?.log_tail();
                bail!("after {PROGRAMMED:?}, {} has no rule with {missing}; its log ends with\n{log}", self.name);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}
