//! The room on the flash, held against what this node takes of it.
//!
//! Only a first boot is refused for want of room. A cluster that has its files may work for long on a flash that others
//! have filled: it comes up, and what is short is said.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use cluster::{Node, pki::Credential, room};
use common::files;
use rustix::fs::statvfs;

use crate::storage;

const MIB: u64 = 1 << 20;

/// What to do about it.
pub const FIX: &str = "remove old images or logs from /mnt/flash";

/// The same, where the state has a file system of its own.
pub const FIX_IN_FILE: &str = "make it larger: `k8s-node down`, `k8s-node storage grow`";

/// Bytes on the file system of the state's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    left: u64,
    /// By what grows: etcd and the logs, and etcd's scheduled copies, which give way.
    taken: u64,
    pub first_boot: bool,
    in_file: bool,
}

impl Room {
    /// `state` is where everything of this node lies; it need not be there yet.
    pub fn on_flash(state: &Path, node: &Node) -> Result<Room> {
        let there = state.ancestors().find(|directory| directory.exists()).unwrap_or(Path::new("/"));
        let space = statvfs(there).with_context(|| format!("cannot ask how much room {} has", there.display()))?;
        Ok(Room {
            left: space.f_bavail.saturating_mul(space.f_frsize),
            taken: ["etcd", "log", "snapshots"]
                .map(|directory| files::tree_size(&state.join(directory)))
                .into_iter()
                .sum(),
            first_boot: !has_files(state, node)?,
            in_file: storage::is_in_file(state)?,
        })
    }

    /// What has the room, and what to do where there is too little.
    fn words(&self) -> (&'static str, &'static str) {
        if self.in_file { ("the state's file", FIX_IN_FILE) } else { ("the flash", FIX) }
    }

    /// Why the first boot cannot be.
    pub fn refusal(&self, node: &Node) -> Option<String> {
        let (needed, (what, fix)) = (room::to_begin(node), self.words());
        (self.first_boot && self.left < needed).then(|| {
            let of = if node.master {
                "etcd's first files, the audit log, keys and certificates"
            } else {
                "keys and certificates"
            };
            format!(
                "{what} has {} MiB left, and {} are needed for a first boot, for {of}: {fix}",
                mib(self.left),
                needed.div_ceil(MIB)
            )
        })
    }

    /// What is short on a switch that comes up all the same: something will fail for it soon, or could one day.
    pub fn remark(&self, node: &Node) -> Option<String> {
        self.problem(node).or_else(|| self.outlook(node))
    }

    /// What fails as soon as the next file is written.
    pub fn problem(&self, node: &Node) -> Option<String> {
        let (left, next, (of, fix)) = (self.left, room::next(node), self.words());
        (left < next && self.refusal(node).is_none()).then(|| {
            let what =
                if node.master { "etcd ends when it needs its next file" } else { "no certificate can be renewed" };
            format!("{of} has {} MiB left: with less than {} {what}: {fix}", mib(left), next.div_ceil(MIB))
        })
    }

    /// What will do for as long as little changes.
    pub fn outlook(&self, node: &Node) -> Option<String> {
        let (left, most, (what, fix)) = (self.left, room::at_most(node), self.words());
        if self.refusal(node).is_some() || self.problem(node).is_some() {
            None
        } else if left.saturating_add(self.taken) < most {
            let (all, most) = (mib(left.saturating_add(self.taken)), most.div_ceil(MIB));
            Some(format!("{what} has {all} MiB for Kubernetes' files, which can come to {most}: {fix}"))
        } else {
            None
        }
    }
}

fn mib(bytes: u64) -> u64 {
    bytes / MIB
}

/// Whether this node has been up before, so that what needs the most room is there: etcd's log, or a worker's key.
fn has_files(state: &Path, node: &Node) -> Result<bool> {
    if !node.master {
        return fs::exists(state.join("pki").join(Credential::Node.key_file()))
            .context("cannot look for this node's key");
    }
    let log: PathBuf = state.join("etcd/member/wal");
    let entries = match fs::read_dir(&log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries.with_context(|| format!("cannot read {}", log.display()))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    Ok(names.iter().any(|name| name.as_encoded_bytes().ends_with(b".wal")))
}
