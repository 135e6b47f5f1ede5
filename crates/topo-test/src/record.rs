//! What happened in a run of topo-test, as plain data: what the reports are made of.
//!
//! Moments are seconds since the run began.

use serde::Serialize;

/// One run, from the first device to the last scenario.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub took: f64,
    /// What raised the topology: `docker-topo` or `built-in`.
    pub driver: String,
    /// The topology's file and the prefix that its devices bear.
    pub topology: String,
    pub prefix: String,
    /// The file's name of the SWIX that was installed.
    pub swix: String,
    /// Every random choice came from it: the same seed, the same choices.
    pub seed: u64,
    pub devices: Vec<Device>,
    pub links: Vec<Link>,
    pub scenarios: Vec<Scenario>,
    pub figures: Vec<Figure>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Device {
    pub name: String,
    /// `switch` or `host`.
    pub kind: String,
    pub image: String,
    /// What the image says that it is: `EOS 4.28.0F`, or `stand-in for Arista vEOS`.
    pub identity: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Link {
    pub name: String,
    /// `veth` or `bridge`.
    pub driver: String,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Endpoint {
    pub device: String,
    pub interface: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct Scenario {
    pub name: String,
    pub purpose: String,
    pub began: f64,
    pub took: f64,
    pub outcome: Outcome,
    pub steps: Vec<Step>,
    /// What helps to see why it failed.
    pub evidence: Vec<Evidence>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Step {
    pub text: String,
    pub began: f64,
    pub took: f64,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "because")]
pub enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// Lines of a device's logs that concern a failure.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    pub device: String,
    pub title: String,
    pub text: String,
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

impl Outcome {
    pub fn is_failure(&self) -> bool {
        matches!(self, Outcome::Failed(_))
    }
}

impl Run {
    /// Nothing failed, and what was skipped had a reason of its own.
    pub fn has_passed(&self) -> bool {
        self.scenarios.iter().all(|scenario| !scenario.outcome.is_failure())
    }
}
