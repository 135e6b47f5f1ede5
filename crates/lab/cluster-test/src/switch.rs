//! A switch that is, or is to become, a node.

use std::{ops::Deref, time::Duration};

use anyhow::{Context, Result, anyhow, bail, ensure};
use common::{files, retry};
use contract::{
    Stage,
    places::{ADMIN_KUBECONFIG, ETCDCTL, K8S_NODE, KUBECTL, PKI, STAGE_RECORDS},
    ports, services,
    status::{StageRecord, StageState, Status},
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

    /// Ends the control plane so that it stays away: nobody is to bring it back but who says so.
    pub fn stop_control_plane(&self) -> Result<()> {
        self.exec_ok([K8S_NODE, "pause"])?;
        self.exec_ok([&["systemctl", "stop"][..], &services::MASTER].concat()).map(drop)
    }

    pub fn start_control_plane(&self) -> Result<()> {
        self.exec_ok([&["systemctl", "start"][..], &services::MASTER].concat())?;
        self.exec_ok([K8S_NODE, "resume"]).map(drop)
    }

    /// Waits until the status is as desired, whatever it was before.
    pub fn wait_for(&self, limit: Duration, what: &str, desired: impl Fn(&Status) -> bool) -> Result<Status> {
        self.until(limit, what, || self.status_that(&desired))
    }

    /// Waits until the last stage is done, and asks for the status only then: whoever asks for it runs systemctl, and asks
    /// every service and the API server, while a bring-up is timed that waits for the same.
    pub fn wait_until_ready(&self, limit: Duration) -> Result<Status> {
        self.until(limit, "ready", || {
            Stage::ALL.last().map_or(Ok(()), |last| self.has_done(*last))?;
            self.status_that(Status::is_ready)
        })
    }

    fn until(&self, limit: Duration, what: &str, attempt: impl Fn() -> Result<Status>) -> Result<Status> {
        retry::until(&format!("{} is {what}", self.name()), limit, INTERVAL, || Ok(attempt()?))
            .map_err(|error| anyhow!("{error:#}:\n{}", self.evidence()))
    }

    fn status_that(&self, desired: impl Fn(&Status) -> bool) -> Result<Status> {
        let status = self.status()?;
        ensure!(desired(&status), "it is {}", status.state);
        Ok(status)
    }

    /// Fails where a stage is not done, by its record alone.
    pub fn has_done(&self, stage: Stage) -> Result<()> {
        let name = stage.name();
        let read = self.exec(["cat", &format!("{STAGE_RECORDS}/{name}.json")])?;
        let record: Option<StageRecord> = serde_json::from_slice(&read.stdout).ok();
        ensure!(record.is_some_and(|record| record.state == StageState::Done), "its stage {name} is not done");
        Ok(())
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

    /// Runs lines on EOS' command line, whatever AAA says of root.
    pub fn cli(&self, lines: &str) -> Result<String> {
        self.exec_ok(["FastCli", "-A", "-p", "15", "-c", lines])
    }

    /// Runs shell text on the switch that has to succeed, and returns what it printed.
    pub fn sh(&self, script: &str) -> Result<String> {
        self.exec_ok(["sh", "-euc", script])
    }
}
