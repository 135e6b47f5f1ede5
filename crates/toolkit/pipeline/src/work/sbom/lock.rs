//! The digests by which Cargo's lock file pins the crates of registries.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use swix::bill;

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Package URL -> SHA-256 of the registry's archive.
pub(super) fn checksums(lock: &str) -> Result<BTreeMap<String, String>> {
    let lock: Lock = toml::from_str(lock).context("Cargo.lock cannot be understood")?;
    let pinned = lock.package.into_iter().filter_map(|of| Some((bill::purl(&(of.name, of.version)), of.checksum?)));
    Ok(pinned.collect())
}
