//! Credentials of a program that a kubeconfig names in `exec`, which is run as client-go runs it: with arguments, never through a
//! shell, and with `KUBERNETES_EXEC_INFO`. kube would run it too, but makes a header of its answer without a look.
//!
//! It is run once at the start, when nothing else happens yet, and its failure ends the program. A thread of its own
//! ([`refresh`]) runs it again shortly before its token ends, and where the server refuses the token; no request waits for that.

mod child;
mod credential;
mod refresh;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use data_encoding::BASE64;
use hyper::Uri;
use serde::Deserialize;
use serde_json::{Value, json};

use super::certificates;
use super::kubeconfig::{Cluster, Text};
use child::{Failure, one_line};
use credential::Credential;
pub(crate) use refresh::{Current, start};

/// As long may it take. It may have to log in somewhere, on the processor of a switch.
const LIMIT: Duration = Duration::from_secs(30);

/// Where a cluster has what its `exec` plugins want to know.
const EXTENSION: &str = "client.authentication.k8s.io/exec";

const API_VERSIONS: [&str; 3] = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1", V1ALPHA1];
const V1ALPHA1: &str = "client.authentication.k8s.io/v1alpha1";

/// As it is written.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Exec {
    api_version: Text,
    command: Text,
    args: Option<Vec<String>>,
    env: Option<Vec<Variable>>,
    install_hint: Text,
    provide_cluster_info: Option<bool>,
    interactive_mode: Text,
}

#[derive(Clone, Deserialize)]
struct Variable {
    name: String,
    #[serde(default)]
    value: Option<String>,
}

/// As it is run.
pub(crate) struct Plugin {
    program: PathBuf,
    args: Vec<String>,
    env: Vec<Variable>,
    /// What its answer is to be, too.
    api_version: String,
    info: String,
    install_hint: String,
    limit: Duration,
}

impl Exec {
    /// A command with a slash in it is relative to the kubeconfig's directory; any other is looked for on PATH.
    pub fn plugin(&self, directory: &Path, cluster: &Cluster, server: &Uri) -> Result<Plugin, String> {
        let Some(command) = self.command.get() else {
            return Err("exec has no command: name the program that gives the credentials".to_owned());
        };
        let program = if command.contains('/') { directory.join(command) } else { command.into() };
        let wrong = |why: String| format!("exec {program:?}: {why}");
        let api_version = self.api_version.get().unwrap_or_default();
        if !API_VERSIONS.contains(&api_version) {
            return Err(wrong(format!("its apiVersion is {api_version:?}: give one of {}", API_VERSIONS.join(", "))));
        }
        match self.interactive_mode.get() {
            None | Some("Never" | "IfAvailable") => {}
            Some("Always") => {
                let why = "its interactiveMode is Always, and nobody is there to be asked: \
                           give IfAvailable if it can do without, else another plugin";
                return Err(wrong(why.to_owned()));
            }
            Some(other) => {
                return Err(wrong(format!("its interactiveMode is {other:?}: give Never or IfAvailable")));
            }
        }
        let env = self.env.clone().unwrap_or_default();
        if let Some(Variable { name, .. }) = env.iter().find(|entry| entry.name.is_empty() || entry.name.contains('='))
        {
            return Err(wrong(format!("its env has a variable named {name:?}, and none can be")));
        }
        let mut spec = json!({"interactive": false});
        if self.provide_cluster_info == Some(true) && api_version != V1ALPHA1 {
            spec["cluster"] = cluster_info(cluster, server, directory).map_err(&wrong)?;
        }
        Ok(Plugin {
            info: json!({"apiVersion": api_version, "kind": "ExecCredential", "spec": spec}).to_string(),
            args: self.args.clone().unwrap_or_default(),
            env,
            api_version: api_version.to_owned(),
            install_hint: one_line(self.install_hint.get().unwrap_or_default()),
            limit: LIMIT,
            program,
        })
    }
}

impl Plugin {
    /// Runs it. An error has no more of its answer than what says which answer it is, as there may be a token in it.
    fn credential(&self) -> Result<Credential, String> {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        command.envs(self.env.iter().map(|entry| (&entry.name, entry.value.as_deref().unwrap_or_default())));
        command.env("KUBERNETES_EXEC_INFO", &self.info);
        child::output(&mut command, self.limit)
            .map_err(|failure| self.explained(failure))
            .and_then(|printed| Credential::parse(&printed, &self.api_version))
            .map_err(|why| format!("exec {:?}: {why}", self.program))
    }

    fn explained(&self, failure: Failure) -> String {
        let is_path = self.program.components().count() > 1;
        match failure {
            // A script may be there, and what is to run it not.
            Failure::NotStarted(error)
                if error.kind() == io::ErrorKind::NotFound && !(is_path && self.program.exists()) =>
            {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let not_on = if is_path { String::new() } else { format!(" on PATH ({})", path.display()) };
                let hint = match self.install_hint.as_str() {
                    "" => String::new(),
                    hint => format!("; the kubeconfig's hint is: {hint}"),
                };
                format!("there is no such program{not_on}: install it, or give its path{hint}")
            }
            other => other.to_string(),
        }
    }
}

/// What client-go tells of the cluster.
fn cluster_info(cluster: &Cluster, server: &Uri, directory: &Path) -> Result<Value, String> {
    let mut info = json!({"server": server.to_string().trim_end_matches('/')});
    if let Some(name) = cluster.tls_server_name.get() {
        info["tls-server-name"] = json!(name);
    }
    if cluster.insecure_skip_tls_verify == Some(true) {
        info["insecure-skip-tls-verify"] = json!(true);
    }
    let (file, data) = (&cluster.certificate_authority, &cluster.certificate_authority_data);
    if let Some(pem) = certificates::pem("certificate-authority", file, data, directory)? {
        info["certificate-authority-data"] = json!(BASE64.encode(&pem));
    }
    let extensions = cluster.extensions.iter().flatten();
    if let Some(config) = extensions.filter(|entry| entry["name"] == EXTENSION).find_map(|entry| entry.get("extension"))
    {
        info["config"] = config.clone();
    }
    Ok(info)
}
