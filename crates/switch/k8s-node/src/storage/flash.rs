//! What kind of flash this is, and what the kernel can mount.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use anyhow::{Context, Result};
use common::{files, mounts};
use contract::places;
use rustix::{fs::statvfs, process::geteuid};

use crate::program;

/// Kinds of file systems that know no modes.
const WITHOUT_MODES: [&str; 5] = ["vfat", "msdos", "exfat", "ntfs", "ntfs3"];

/// The flash, as far as it says what it can keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flash {
    /// The kernel's word for its file system.
    pub kind: String,
    /// Whether files have owners and modes there. Where they have none, there is no journal either.
    pub keeps_modes: bool,
}

impl Flash {
    /// By what the state's directory is on: an operator may have mounted another medium there.
    pub fn of_state() -> Result<Flash> {
        let kind = mounts::holding(places::STATE.as_ref())?.kind;
        let keeps_modes = match kind.as_str() {
            known if WITHOUT_MODES.contains(&known) => false,
            // A program's file system may be anything: it is tried.
            fuse if fuse.starts_with("fuse") => keeps_modes(places::FLASH.as_ref())?,
            _ => true,
        };
        Ok(Flash { kind, keeps_modes })
    }
}

fn keeps_modes(directory: &Path) -> Result<bool> {
    let probe = tempfile::Builder::new().prefix(files::UNFINISHED).tempfile_in(directory);
    let probe = probe.with_context(|| format!("cannot make a file in {}", directory.display()))?;
    let data = probe.as_file().metadata().context("cannot look at a file that was just made")?;
    Ok(data.mode() & 0o777 == 0o600 && data.uid() == geteuid().as_raw())
}

/// Whether the kernel can mount ext4; where it has it as a module, it has it now.
pub fn has_ext4() -> Result<bool> {
    Ok(knows_ext4()? || {
        for module in ["loop", "ext4"] {
            let _ = program::new("modprobe", "load a kernel module")?.args(["--quiet", module]).output();
        }
        knows_ext4()?
    })
}

fn knows_ext4() -> Result<bool> {
    let text = fs::read_to_string("/proc/filesystems").context("cannot read /proc/filesystems")?;
    Ok(text.lines().any(|line| line.split_whitespace().last() == Some("ext4")))
}

/// What was made or renamed in a directory of the flash is on the medium.
pub fn sync(directory: &Path) -> Result<()> {
    let synced = fs::File::open(directory).and_then(|open| open.sync_all());
    synced.with_context(|| format!("cannot write {}", directory.display()))
}

/// Bytes that are left on the flash, whatever is mounted at the state's directory.
pub fn left() -> Result<u64> {
    let space = statvfs(places::FLASH).with_context(|| format!("cannot ask how much room {} has", places::FLASH))?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}
