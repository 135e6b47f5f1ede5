//! What `k8s-node status --json` prints.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Credential;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The switch's name in the cluster, or its hostname where it is in none.
    pub node: String,
    /// Kubernetes' version, from the image that is mounted.
    pub release: Option<String>,
    /// The release of our RPM, which tells one build of that version from another.
    #[serde(default)]
    pub build: Option<String>,
    pub state: NodeState,
    pub stages: Vec<StageStatus>,
    pub services: Vec<ServiceStatus>,
    pub certificates: Vec<CertificateStatus>,
    /// On a master: by what [join] can name its certificate authority.
    #[serde(default)]
    pub ca_hash: Option<String>,
    pub conditions: Vec<Condition>,
    /// What is kept as the bring-up has made it, and by whom it was changed so often that it is not any more.
    #[serde(default)]
    pub reconciler: ReconcilerStatus,
    /// What is wrong, and what to do about it. All is well where the state is `ready` and this is empty.
    pub problems: Vec<String>,
    /// What is worth knowing while all is well.
    #[serde(default)]
    pub remarks: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    Ready,
    Starting,
    Failed,
    Stopped,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageStatus {
    pub stage: String,
    #[serde(flatten)]
    pub record: StageRecord,
}

/// What a stage has come to; in memory there is a file for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    pub state: StageState,
    /// What was found and done, or why it failed.
    pub line: String,
    pub seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageState {
    /// Not begun; the line says why where it could not be.
    Waiting,
    Running,
    Done,
    Failed,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServiceStatus {
    pub service: String,
    /// systemd's word.
    pub state: String,
    /// Its own word; none where it is not running.
    pub healthy: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    pub credential: Credential,
    /// None where it cannot be read.
    pub subject: Option<String>,
    /// As people read it, in UTC.
    pub not_after: Option<String>,
    /// Seconds since 1970.
    pub not_after_seconds: Option<u64>,
    pub days_left: Option<i64>,
    #[serde(flatten)]
    pub state: CertificateState,
}

/// How a certificate stands, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum CertificateState {
    Ok,
    /// A third of its life is left, or less.
    Due(String),
    /// It is good, and lasts longer than those that are issued now.
    LongLived(String),
    Expired(String),
    NotYetValid(String),
    Missing,
    /// It cannot be read.
    Damaged(String),
    /// It can be read and is not the one that is needed.
    Wrong(String),
}

/// A node's condition, as the API server has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub message: String,
    #[serde(default, rename(deserialize = "lastHeartbeatTime"), skip_serializing)]
    pub heartbeat: Option<String>,
}

/// What the reconciler has done since the switch came up; in memory there is a file of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcilerStatus {
    /// systemd's word.
    pub state: String,
    /// Until when it leaves everything alone, in seconds since 1970; `u64::MAX` until it is resumed.
    pub paused_until: Option<u64>,
    pub repaired: Vec<Repaired>,
    /// What was undone so often that it is left as it is.
    pub given_up: Vec<GivenUp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    pub kind: Kept,
    pub thing: String,
    pub times: u64,
    /// Seconds since 1970.
    pub last: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    pub kind: Kept,
    pub thing: String,
    /// Seconds since 1970.
    pub since: u64,
}

/// Kinds of things that are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    Firewall,
    Sysctls,
    Bridge,
    Routes,
    ServiceRoute,
    Mounts,
    Units,
}

impl Kept {
    pub const ALL: [Kept; 7] =
        [Kept::Firewall, Kept::Sysctls, Kept::Bridge, Kept::Routes, Kept::ServiceRoute, Kept::Mounts, Kept::Units];

    pub fn name(self) -> &'static str {
        match self {
            Kept::Firewall => "firewall",
            Kept::Sysctls => "sysctls",
            Kept::Bridge => "bridge",
            Kept::Routes => "routes",
            Kept::ServiceRoute => "service-route",
            Kept::Mounts => "mounts",
            Kept::Units => "units",
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Status {
    /// Whether the node serves, whatever there is to say of it.
    pub fn is_ready(&self) -> bool {
        self.state == NodeState::Ready
    }

    /// Whether it serves, and nothing is wrong.
    pub fn is_well(&self) -> bool {
        self.is_ready() && self.problems.is_empty()
    }

    /// Everything that it says of what is wrong, and every remark, as one text.
    pub fn complaints(&self) -> String {
        let failed = self.stages.iter().filter(|stage| stage.record.state == StageState::Failed);
        let lines = failed.map(|stage| format!("{}: {}", stage.stage, stage.record.line));
        lines.chain(self.problems.iter().chain(&self.remarks).cloned()).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NodeState::Ready => "ready",
            NodeState::Starting => "starting",
            NodeState::Failed => "failed",
            NodeState::Stopped => "stopped",
        })
    }
}

impl CertificateState {
    /// Whether it can be used now.
    pub fn serves(&self) -> bool {
        matches!(self, CertificateState::Ok | CertificateState::Due(_) | CertificateState::LongLived(_))
    }
}

impl fmt::Display for CertificateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateState::Ok => f.write_str("ok"),
            CertificateState::Missing => f.write_str("missing"),
            CertificateState::Due(why)
            | CertificateState::LongLived(why)
            | CertificateState::Expired(why)
            | CertificateState::NotYetValid(why)
            | CertificateState::Damaged(why)
            | CertificateState::Wrong(why) => f.write_str(why),
        }
    }
}
