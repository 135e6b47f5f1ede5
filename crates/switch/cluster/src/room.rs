//! The room that a node's files take of the flash: to begin with, and at most. Each number stands here alone; units get those
//! that are theirs from here.

use serde::Serialize;

use crate::Node;

const MIB: u64 = 1 << 20;

/// What the units of etcd and the API server set, and what k8s-node keeps to.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StorageLimits {
    /// Bytes of etcd's database, beyond which it takes nothing more.
    pub etcd_quota: u64,
    /// Bytes of one request to etcd, and so of an entry of its log, more or less.
    pub etcd_request: u64,
    /// So many entries of its log etcd keeps for its next start, and makes a snapshot of what was before.
    pub etcd_entries: u64,
    /// Files of its log, and snapshots, that etcd keeps though it needs them no more.
    pub etcd_wals: u64,
    pub etcd_snapshots: u64,
    /// MiB of the file that the audit log is written to, and of each that it was written to before.
    pub audit_log_mib: u64,
    /// How many of those before are kept.
    pub audit_logs_kept: u64,
    /// What the audit log takes a second in the long run, and at once where it was quiet before: so many lines of so many bytes
    /// at most, an ordinary one of which has 700.
    pub audit_lines_a_second: u64,
    pub audit_lines_at_once: u64,
    pub audit_line_bytes: u64,
    /// Bytes of the file that enrolments are written to, and of the one that they were written to before.
    pub enrolment_log_bytes: u64,
}

pub const LIMITS: StorageLimits = StorageLimits {
    etcd_quota: 512 * MIB,
    etcd_request: 3 * MIB / 2,
    etcd_entries: 100,
    etcd_wals: 2,
    etcd_snapshots: 2,
    audit_log_mib: 10,
    audit_logs_kept: 3,
    audit_lines_a_second: 1,
    audit_lines_at_once: 2000,
    audit_line_bytes: 4096,
    enrolment_log_bytes: MIB,
};

/// Files of etcd's log have their full size from the beginning: SegmentSizeBytes in etcd's wal/wal.go.
pub const WAL_FILE: u64 = 64 * 1000 * 1000;

/// The file that etcd writes, and the next one, which it makes in advance: wal/file_pipeline.go.
const WAL_FILES_TO_BEGIN: u64 = 2;

/// The files that have what is behind the last snapshot: as many as the largest entries fill, begun in the middle of one.
const WAL_FILES_NEEDED: u64 = (LIMITS.etcd_entries * LIMITS.etcd_request).div_ceil(WAL_FILE) + 1;

/// Those that it keeps whichever reason is the stronger, and the next one. It looks every half minute for what can go
/// (purgeFileInterval in etcdserver/server.go).
const WAL_FILES_AT_MOST: u64 =
    if WAL_FILES_NEEDED > LIMITS.etcd_wals { WAL_FILES_NEEDED + 1 } else { LIMITS.etcd_wals + 1 };

/// etcd's own snapshots, and those of half a minute. They have what its old interface has stored, which is the members' names
/// alone: some KiB each.
const SNAPSHOTS: u64 = 5 * MIB;

/// By so much the database's file grows: DefaultAllocSize in bbolt's db.go.
const DATABASE_STEP: u64 = 16 * MIB;

/// The files of the master's PKI, its kubeconfigs and what else is small; a worker has fewer. Each is written beside the one
/// that it replaces, and takes at least a cluster of a vfat, of up to 32 KiB.
const SMALL_FILES: u64 = 2 * 32 * (32 << 10);

const LOGS: u64 = (LIMITS.audit_logs_kept + 1) * LIMITS.audit_log_mib * MIB + 2 * LIMITS.enrolment_log_bytes;

/// What a node without any files has to find on its flash, in bytes: enough to be made, and to go on.
pub fn to_begin(node: &Node) -> u64 {
    to_begin_as(node.master)
}

/// The same, by whether it is a master.
pub const fn to_begin_as(master: bool) -> u64 {
    if master { WAL_FILES_TO_BEGIN * WAL_FILE + DATABASE_STEP + LOGS + SMALL_FILES } else { SMALL_FILES }
}

/// What a node's files can come to, in bytes. The database can be past its quota by the step that it has grown last.
pub fn at_most(node: &Node) -> u64 {
    at_most_as(node.master)
}

/// The same, by whether it is a master.
pub const fn at_most_as(master: bool) -> u64 {
    let etcd = WAL_FILES_AT_MOST * WAL_FILE + SNAPSHOTS + LIMITS.etcd_quota + DATABASE_STEP;
    if master { etcd + LOGS + SMALL_FILES } else { SMALL_FILES }
}

/// What a node takes in one piece now and then, in bytes: without it, it fails sooner or later.
pub fn next(node: &Node) -> u64 {
    if node.master { WAL_FILE } else { SMALL_FILES }
}

/// What the scheduled copies of etcd's database may take of the flash.
pub mod scheduled_snapshots {
    use super::MIB;

    /// So many are kept,
    pub const KEPT: usize = 4;

    /// of so many bytes in all,
    pub const BYTES: u64 = 256 * MIB;

    /// and while so much is left: an EOS image, of which a switch needs a second one for its upgrade.
    pub const LEFT: u64 = 1_700_000_000;

    /// Where the state has a file system of its own, no image is for there: then it is what etcd takes next.
    pub const LEFT_IN_FILE: u64 = super::WAL_FILE + super::DATABASE_STEP;
}
