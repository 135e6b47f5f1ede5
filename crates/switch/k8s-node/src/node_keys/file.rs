//! The file of the table: whole or refused, and one writer at a time.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use cluster::state::{self, StateLock};
use common::{digest::Sha256, files};
use serde::{Deserialize, Serialize};

use super::NodeKeys;

const VERSION: u32 = 1;

/// A writer holds the lock while it signs, or while the master's whole PKI is made.
const WAIT: Duration = Duration::from_secs(4);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    /// Of `table`, as it is written.
    sha256: Sha256,
    table: NodeKeys,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// The directory's lock, which the PKI's writers take as well: they remove what they find unfinished there.
pub fn lock(file: &Path) -> Result<StateLock> {
    let directory = file.parent().context("a file without a directory")?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.with_context(|| format!("cannot create the directory {}", directory.display()))?;
    state::lock_within(directory, WAIT)
}

/// None where there is no file.
pub fn read(path: &Path) -> Result<Option<NodeKeys>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let stored: Option<Stored> = serde_json::from_slice(&bytes).ok();
    if let Some(Stored { version: VERSION, sha256, table }) = stored
        && digest(&table)? == sha256
    {
        return Ok(Some(table));
    }
    if let Ok(Version { version }) = serde_json::from_slice(&bytes)
        && version > VERSION
    {
        bail!(
            "{} is of a newer release: install that one again, or put the file back from your backup",
            path.display()
        );
    }
    bail!(
        "{} is damaged, and no worker is given certificates by it: put it back from your backup, or remove it and `systemctl \
         restart {}`, after which workers are known by their kubelets, or by `k8s-node admit`",
        path.display(),
        contract::services::BOOTSTRAP
    )
}

pub fn write(path: &Path, table: &NodeKeys) -> Result<()> {
    let stored = Stored { version: VERSION, sha256: digest(table)?, table: table.clone() };
    files::write_atomically(path, format!("{}\n", serde_json::to_string_pretty(&stored)?))
}

fn digest(table: &NodeKeys) -> Result<Sha256> {
    Ok(Sha256::of_bytes(serde_json::to_vec(table)?))
}
