//! Cargo's lock files: which crates there are, what pins them, and what each needs.

use anyhow::Result;
use serde::Deserialize;

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
pub(crate) struct Locked {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Of the registry's archive, SHA-256: only what comes from a registry has one.
    pub(crate) checksum: Option<String>,
    /// `name`, or `name version` where there are several.
    #[serde(default)]
    pub(crate) dependencies: Vec<String>,
}

pub(crate) fn read(lock: &str) -> Result<Vec<Locked>> {
    Ok(toml::from_str::<Lock>(lock)?.package)
}
