//! What happened in a run of topo-test, as plain data: what the reports are made of.
//!
//! Moments are seconds since the run began.

use serde::Serialize;
use topology::format::Endpoint;

/// One run, from the first device to the last scenario.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Run {
    /// When, in RFC 3339.
    pub began: String,
    pub took: f64,
    /// The user ended it before it was done.
    pub interrupted: bool,
    /// Which table the scenarios are of.
    pub suite: String,
    /// What brought up the topology: `docker-topo` or `built-in`.
    pub driver: String,
    /// The topology's file and the prefix that its devices bear.
    pub topology: String,
    pub prefix: String,
    /// The file's name of the SWIX that was installed.
    pub swix: String,
    /// Every random choice came from it: the same seed, the same choices.
    pub seed: u64,
    pub swix_sha256: String,
    pub devices: Vec<DeviceRecord>,
    pub links: Vec<LinkRecord>,
    pub scenarios: Vec<ScenarioRecord>,
    pub figures: Vec<Figure>,
    pub bring_ups: Vec<BringUp>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct DeviceRecord {
    pub name: String,
    /// `switch`, `host` or `other`.
    pub kind: String,
    pub image: String,
    /// What the image says that it is: `EOS 4.28.0F`, or `stand-in for Arista vEOS`.
    pub identity: String,
    /// Interface and address with its length: `eth1 10.0.0.0/31`.
    pub addresses: Vec<String>,
    /// At the end of the run: `not raised`, `off`, `on`, and for a node what its status says, such as `ready`.
    pub state: String,
    /// Resident, by process, when kubelet was last seen to run there.
    pub memory: Vec<ProcessMemory>,
    /// Where its log bundle is, beside the report.
    pub logs: Option<String>,
}

/// What all processes of one name hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProcessMemory {
    pub process: String,
    pub mib: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct LinkRecord {
    pub name: String,
    /// `veth` or `bridge`.
    pub driver: String,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct ScenarioRecord {
    pub name: String,
    pub purpose: String,
    pub began: f64,
    pub took: f64,
    pub outcome: PlayOutcome,
    pub steps: Vec<StepRecord>,
    /// What helps to see why it failed.
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct StepRecord {
    pub text: String,
    pub began: f64,
    pub took: f64,
    pub outcome: PlayOutcome,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "because")]
pub enum PlayOutcome {
    #[default]
    Passed,
    Failed(String),
    Skipped(String),
    /// The topology, or who brought it up, does not offer what it wants.
    NotPossible(String),
}

/// Lines of a device's logs that concern a failure.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    pub device: String,
    pub title: String,
    pub text: String,
}

/// A switch on its way to a node that is ready.
#[derive(Debug, Clone, Serialize)]
pub struct BringUp {
    pub device: String,
    /// What it came after: `install`, or a reboot.
    pub occasion: String,
    pub began: f64,
    pub stages: Vec<StageSpan>,
    pub ready: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StageSpan {
    pub name: String,
    pub began: f64,
    pub ended: f64,
    /// What the stage says of itself.
    pub line: String,
}

/// Something measured.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub name: String,
    pub value: f64,
    /// `s`, for one.
    pub unit: String,
    /// How it was measured, in a few words.
    pub how: String,
}

impl PlayOutcome {
    pub fn of<T>(done: &anyhow::Result<T>) -> Self {
        done.as_ref().map_or_else(|error| PlayOutcome::Failed(format!("{error:#}")), |_| PlayOutcome::Passed)
    }

    /// In a word, and why.
    pub fn told(&self) -> (&'static str, &str) {
        match self {
            PlayOutcome::Passed => ("passed", ""),
            PlayOutcome::Failed(why) => ("failed", why),
            PlayOutcome::Skipped(why) => ("not played", why),
            PlayOutcome::NotPossible(why) => ("not possible here", why),
        }
    }

    pub fn is_failure(&self) -> bool {
        matches!(self, PlayOutcome::Failed(_))
    }
}

impl Run {
    /// Nothing failed, and what was skipped had a reason of its own.
    pub fn has_passed(&self) -> bool {
        !self.interrupted && self.scenarios.iter().all(|scenario| !scenario.outcome.is_failure())
    }
}
