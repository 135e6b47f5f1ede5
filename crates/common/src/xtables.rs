//! iptables of any version: how its programs are told to wait, what they lock, and whether somebody has changed the tables.
//!
//! Before 1.4.20 nobody locks anything. From there to 1.5 `iptables` binds the abstract socket `@xtables`, from 1.6 it locks a file;
//! `iptables-restore` does so, and knows `-w`, only from 1.6.2. For an older one the lock is taken here, both of them.

mod chain;
mod generation;
mod lock;
mod tables;

use std::{fmt, path::Path, time::Duration};

use anyhow::Result;

pub use self::{
    chain::Chain,
    generation::{Generation, Watch},
    lock::{Held, hold},
    tables::Tables,
};
use crate::command::Program;

/// How long whoever changes the tables is waited for; as long as iptables-restore is told to.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// With and without an interval between looks at the lock: versions before 1.8.8 look but once a second by default.
const WAITS: [&[&str]; 2] = [&["-w", "5", "-W", "100000"], &["-w", "5"]];

/// What iptables' programs say, of any version, where the lock was not to be had.
const LOCKED: &str = "xtables lock";

/// What legacy ones say where the kernel has no such table, behind words that they have for whatever else is wrong with it, too.
const NO_TABLE: &str = "Table does not exist";

/// What those for nftables put before its name.
const NAMED_TABLE: [&str; 2] = ["Table `", "table '"];

/// Longer than one that waits for the lock.
const LIMIT: Duration = Duration::from_secs(15);

/// Whose packets: each has programs and tables of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub fn program(self) -> &'static str {
        match self {
            Self::V4 => "iptables",
            Self::V6 => "ip6tables",
        }
    }
}

/// Which part of the kernel iptables' programs talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    Legacy,
    Nft,
}

impl Variant {
    /// By what `iptables --version` prints.
    pub fn of_version(version: &str) -> Self {
        if version.contains("nf_tables") { Self::Nft } else { Self::Legacy }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Legacy => "legacy",
            Self::Nft => "nft",
        })
    }
}

/// How `iptables-restore`, or `ip6tables-restore`, is told to wait for the lock; empty where it does not know it at all, and the lock
/// has to be held for it. It is asked with nothing to do, and changes nothing.
pub fn wait_of(restore: &Path) -> Result<&'static [&'static str]> {
    for wait in WAITS {
        let program = Program::new(restore, "try out how iptables waits")?.arg("--noflush").args(wait).limit(LIMIT);
        if program.input("")?.output()?.status.success() {
            return Ok(wait);
        }
    }
    Ok(&[])
}

/// Whether this is what a program says that could not get the lock.
pub fn says_locked(stderr: &str) -> bool {
    stderr.contains(LOCKED)
}

/// Whether this is what a program says of a table that the kernel lacks.
pub fn says_no_table(stderr: &str) -> bool {
    let is_missing = |rest: &str| rest.split_once("' ").is_some_and(|(_, rest)| rest.starts_with("does not exist"));
    stderr.contains(NO_TABLE)
        || NAMED_TABLE.iter().any(|words| stderr.split_once(words).is_some_and(|(_, rest)| is_missing(rest)))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    /// An iptables-restore that refuses what an older one does not know.
    fn older(refuses: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("iptables-restore");
        let text = format!("#!/bin/sh\nfor word; do [ \"$word\" != {refuses} ] || exit 2; done\n");
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        (directory, program)
    }

    #[test]
    fn each_version_is_told_to_wait_as_it_understands_it() {
        for (refuses, told) in [("-x", WAITS[0]), ("-W", WAITS[1]), ("-w", [].as_slice())] {
            let (_directory, program) = older(refuses);
            assert_eq!(wait_of(&program).unwrap(), told, "{refuses}");
        }
        assert!(wait_of("/no/such/iptables-restore".as_ref()).is_err());
    }

    /// What 1.8.9 prints of both variants, and older ones.
    #[test]
    fn a_table_is_lacking_only_where_that_is_said() {
        for says in [
            "iptables-save v1.8.9 (legacy): Cannot initialize: Table does not exist (do you need to insmod?)",
            "iptables v1.8.9 (legacy): can't initialize iptables table `raw': Table does not exist (do you need to insmod?)",
            "Table `raw' does not exist",
            "iptables v1.8.9 (nf_tables): table 'raw' does not exist",
        ] {
            assert!(says_no_table(&format!("`iptables-save -t raw` failed:\n    {says}\n    Perhaps")), "{says}");
        }
        for says in [
            "iptables-save v1.8.9 (legacy): Cannot initialize: Permission denied (you must be root)",
            "iptables-save v1.8.9 (legacy): Cannot initialize: Module is wrong version",
            "iptables-nft-save v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)",
            "iptables-nft-restore v1.8.9 (nf_tables): Chain 'NOSUCH' does not exist",
        ] {
            assert!(!says_no_table(says), "{says}");
        }
    }

    #[test]
    fn the_variant_is_what_the_version_says() {
        assert_eq!(Variant::of_version("iptables v1.8.9 (nf_tables)"), Variant::Nft);
        assert_eq!(Variant::of_version("iptables v1.4.16.2"), Variant::Legacy);
    }
}
