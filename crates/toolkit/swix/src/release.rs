//! What an image says about itself: a JSON file inside it that names the release, its components
//! and how to ask each program for its version.

use std::collections::BTreeMap;

use common::Arch;
use contract::Build;
use serde::{Deserialize, Serialize};

/// Where the file is inside the image.
pub const PATH: &str = "share/kubernetes-on-eos/release.json";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseInfo {
    /// The release as its recipes name it.
    pub name: String,
    /// The version of the package; Kubernetes' own.
    pub version: String,
    pub arch: Arch,
    /// Which build it is; those before 2026-12 do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    pub components: Vec<ReleaseComponent>,
    pub probes: Vec<Probe>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseComponent {
    pub name: String,
    pub version: String,
}

/// A program of the image that prints its version when it is run so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The path inside the image.
    pub program: String,
    pub args: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// A line of what it prints, ends of the line trimmed.
    pub expect: String,
}

impl ReleaseInfo {
    /// The file's content.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}
