//! A switch that is, or is to become, a node.

use std::{ops::Deref, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use common::{files, retry};
use contract::{
    places::{ADMIN_KUBECONFIG, ETCDCTL, K8S_NODE, KUBECTL, PKI},
    ports,
    status::Status,
};
use devices::Device;

const INTERVAL: Duration = Duration::from_millis(500);

/// A device with our programs on it.
#[derive(Debug, Clone, Copy)]
pub struct Switch<'a> {
    pub(crate) device: Device<'a>,
    /// Where kubectl's objects are; none for `default`.
    pub(crate) namespace: Option<&'static str>,
}

impl<'a> Deref for Switch<'a> {
    type Target = Device<'a>;

    fn deref(&self) -> &Device<'a> {
        &self.device
    }
}

impl<'a> From<Device<'a>> for Switch<'a> {
    fn from(device: Device<'a>) -> Self {
        Switch { device, namespace: None }
    }
}

/// Writes a file on a device.
pub fn put(device: &Device<'_>, contents: impl AsRef<[u8]>, place: &str) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let file = directory.path().join("file");
    files::write_atomically(&file, contents)?;
    device.copy_in(&file, place)
}

impl Switch<'_> {
    /// Fails while the extension is not installed.
    pub fn status(&self) -> Result<Status> {
        let output = self.exec([K8S_NODE, "status", "--json"])?;
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!("{}'s status is not readable: {}", self.name(), String::from_utf8_lossy(&output.stderr))
        })
    }

    /// Waits until the status is as desired, whatever it was before.
    pub fn wait_for(&self, limit: Duration, what: &str, desired: impl Fn(&Status) -> bool) -> Result<Status> {
        retry::until(&format!("{} is {what}", self.name()), limit, INTERVAL, || {
            let status = self.status()?;
            if desired(&status) { Ok(status) } else { Err(anyhow!("it is {}", status.state).into()) }
        })
        .map_err(|error| anyhow!("{error:#}:\n{}", self.evidence()))
    }

    pub fn wait_until_ready(&self, limit: Duration) -> Result<Status> {
        self.wait_for(limit, "ready", Status::is_ready)
    }

    /// What a person wants to see where something went wrong: the status and the end of the journal.
    pub fn evidence(&self) -> String {
        let commands: [&[&str]; 3] = [
            &[K8S_NODE, "status"],
            &["journalctl", "--boot", "--no-pager", "--lines=60", "--unit=kubernetes-on-eos", "--output=short-iso"],
            &["journalctl", "--boot", "--no-pager", "--lines=40", "--output=short-iso"],
        ];
        let said = commands.map(|argv| match self.exec(argv) {
            Ok(output) => format!(
                "$ {}\n{}{}",
                argv.join(" "),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
            Err(error) => format!("$ {}\n{error:#}\n", argv.join(" ")),
        });
        said.concat()
    }

    /// kubectl as the operator, on the switch.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.exec_ok(
            [&[KUBECTL, "--kubeconfig", ADMIN_KUBECONFIG, "--namespace", self.namespace()][..], arguments].concat(),
        )
    }

    /// Where kubectl looks for objects, and makes them.
    pub fn namespace(&self) -> &'static str {
        self.namespace.unwrap_or("default")
    }

    pub fn kubectl_json(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let printed = self.kubectl(&[arguments, &["--output=json"]].concat())?;
        serde_json::from_str(&printed).with_context(|| format!("kubectl {} printed no JSON", arguments.join(" ")))
    }

    /// What the operator's kubectl is told.
    pub fn admin_kubeconfig(&self) -> Result<String> {
        self.exec_ok(["cat", ADMIN_KUBECONFIG])
    }

    /// The bytes that etcd holds under a key.
    pub fn etcd_value(&self, key: &str) -> Result<Vec<u8>> {
        let file = |option: &str, name: &str| format!("--{option}={PKI}/{name}");
        let output = self.exec([
            "env",
            "ETCDCTL_API=3",
            ETCDCTL,
            &format!("--endpoints=https://127.0.0.1:{}", ports::ETCD),
            &file("cacert", "etcd-ca.pem"),
            &file("cert", "etcd.pem"),
            &file("key", "etcd-key.pem"),
            "get",
            "--print-value-only",
            key,
        ])?;
        if !output.status.success() {
            bail!("etcdctl get {key} failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(output.stdout)
    }

    /// Runs lines on EOS' command line.
    pub fn cli(&self, lines: &str) -> Result<String> {
        self.exec_ok(["FastCli", "-p", "15", "-c", lines])
    }

    /// Runs shell text on the switch that has to succeed, and returns what it printed.
    pub fn sh(&self, script: &str) -> Result<String> {
        self.exec_ok(["sh", "-euc", script])
    }
}
