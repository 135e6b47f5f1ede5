//! The room that a node's files take of the flash: to begin with, and at most. Each number stands here alone; units get those
//! that are theirs from here.

use serde::Serialize;

use crate::Node;

const MIB: u64 = 1 << 20;

/// What the units of etcd and the API server set.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StorageLimits {
    /// Bytes of etcd's database, beyond which it takes nothing more.
    pub etcd_quota: u64,
    /// MiB of the file that the audit log is written to, and of each that it was written to before.
    pub audit_log_mib: u64,
    /// How many of those before are kept.
    pub audit_logs_kept: u64,
}

pub const LIMITS: StorageLimits = StorageLimits { etcd_quota: 512 * MIB, audit_log_mib: 10, audit_logs_kept: 3 };

/// Files of etcd's log have their full size from the beginning: SegmentSizeBytes in etcd's wal/wal.go.
const WAL_FILE: u64 = 64 * 1000 * 1000;

/// The file that etcd writes, and the next one, which it makes in advance: wal/file_pipeline.go.
const WAL_FILES_TO_BEGIN: u64 = 2;

/// Those that it keeps, the one that it writes among them (DefaultMaxWALs in embed/config.go), and the next one.
const WAL_FILES_AT_MOST: u64 = 5 + 1;

/// Snapshots that etcd keeps beside its log: DefaultMaxSnapshots in embed/config.go. They have what its old interface has
/// stored, which is the members' names alone: some KiB each.
const SNAPSHOTS: u64 = 5 * MIB;

/// By so much the database's file grows: DefaultAllocSize in bbolt's db.go.
const DATABASE_STEP: u64 = 16 * MIB;

/// The files of the master's PKI, its kubeconfigs and what else is small; a worker has fewer. Each is written beside the one
/// that it replaces, and takes at least a cluster of a vfat, of up to 32 KiB.
const SMALL_FILES: u64 = 2 * 32 * (32 << 10);

const AUDIT_LOGS: u64 = (LIMITS.audit_logs_kept + 1) * LIMITS.audit_log_mib * MIB;

/// What a node without any files has to find on its flash, in bytes: enough to be made, and to go on.
pub fn to_begin(node: &Node) -> u64 {
    if node.master { WAL_FILES_TO_BEGIN * WAL_FILE + DATABASE_STEP + AUDIT_LOGS + SMALL_FILES } else { SMALL_FILES }
}

/// What a node's files can come to, in bytes. The database can be past its quota by the step that it has grown last.
pub fn at_most(node: &Node) -> u64 {
    let etcd = WAL_FILES_AT_MOST * WAL_FILE + SNAPSHOTS + LIMITS.etcd_quota + DATABASE_STEP;
    if node.master { etcd + AUDIT_LOGS + SMALL_FILES } else { SMALL_FILES }
}

/// What a node takes in one piece now and then, in bytes: without it, it fails sooner or later.
pub fn next(node: &Node) -> u64 {
    if node.master { WAL_FILE } else { SMALL_FILES }
}
