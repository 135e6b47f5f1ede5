//! `k8s-node etcd defrag`: room in a database that has reached its quota, or is much larger than what is in it.
//!
//! 1. The history is compacted up to now. The API server does that every five minutes, and cannot any more once the quota is
//!    full, as it has to write for it.
//! 2. The database is written anew without what is free in it. That needs room for both meanwhile.
//! 3. The alarm is taken back, if the database is below its quota then: else the next write would raise it again.
//!
//! Each step may be done twice: what was interrupted anywhere is said again.

use std::path::Path;

use anyhow::{Context, Result, bail};
use cluster::room::{LIMITS, WAL_FILE};
use rustix::fs::statvfs;

use super::{Etcd, EtcdStatus};
use crate::{room, switch::Switch};

pub fn run() -> Result<()> {
    let switch = Switch::load()?;
    if !switch.node.master {
        bail!("etcd is on the master: say this on {}", switch.cluster.master().name);
    }
    defragment(&Etcd::on_switch(), LIMITS.etcd_quota, |line| println!("{line}"))
}

fn defragment(etcd: &Etcd, quota: u64, mut say: impl FnMut(&str)) -> Result<()> {
    let asking = "etcd does not answer: see `k8s-node logs etcd`";
    let before = etcd.status().context(asking)?;
    say(&format!("before: {}", sizes(&before)));
    etcd.compact(before.revision)?;
    say(&format!("compacted the history up to revision {}", before.revision));
    let compacted = etcd.status().context(asking)?;
    require_room(etcd.data(), compacted.in_use.unwrap_or(compacted.size))?;
    say("defragments the database; etcd and the API server answer nobody meanwhile");
    etcd.defragment()?;
    let after = etcd.status().context(asking)?;
    say(&format!("after: {}", sizes(&after)));
    if !etcd.has_no_space()? {
        return Ok(());
    }
    if after.size >= quota {
        bail!(
            "all of it is in use, and the quota of {} MiB stays full: delete what the cluster does not need (kubectl delete works: \
             Secrets of old Helm releases, ConfigMaps, custom resources), then say this again",
            quota >> 20
        );
    }
    etcd.disarm()?;
    say("took back the alarm NOSPACE: the cluster takes what is new");
    Ok(())
}

fn sizes(status: &EtcdStatus) -> String {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let in_use = status.in_use.map(|bytes| format!(", {} of them in use", mib(bytes))).unwrap_or_default();
    format!("the database has {}{in_use}", mib(status.size))
}

/// The new database is written beside the old one, and etcd's log may want its next file meanwhile.
fn require_room(data: &Path, database: u64) -> Result<()> {
    let needed = database + WAL_FILE;
    let space = statvfs(data).with_context(|| format!("cannot ask how much room {} has", data.display()))?;
    let left = space.f_bavail.saturating_mul(space.f_frsize);
    if left < needed {
        bail!(
            "the flash has {} MiB left, and {} are needed, as a new database of {} MiB is written beside the old one: {}, then say this again",
            left >> 20,
            needed.div_ceil(1 << 20),
            database.div_ceil(1 << 20),
            room::FIX
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        etcd::tests::server::Server,
        test_support::{flash_of, in_mount_namespace},
    };

    const QUOTA: u64 = 16 << 20;

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn the_next_file_of_the_log_has_room_beside_the_new_database() {
        in_mount_namespace(|| {
            flash_of(70);
            let flash = Path::new(contract::places::FLASH);
            require_room(flash, 8 << 20).unwrap();
            let error = require_room(flash, 10 << 20).unwrap_err().to_string();
            assert!(error.contains("70 MiB left, and 72 are needed"), "{error}");
        });
    }

    #[test]
    #[ignore = "needs the SWIX in dist/, or etcd and etcdctl in $KOE_ETCD"]
    fn swix_in_dist_has_an_etcd_whose_full_quota_is_cured_and_may_be_cured_twice() {
        let server = Server::start(&[&format!("--quota-backend-bytes={QUOTA}")]);
        let etcd = &server.etcd;
        server.put_until_full();
        assert!(etcd.has_no_space().unwrap());
        let before = etcd.status().unwrap();
        let mut said = Vec::new();
        defragment(etcd, QUOTA, |line| said.push(line.to_owned())).unwrap();
        let said = said.join("\n");
        assert!(said.contains("before: the database has") && said.contains("after: the database has"), "{said}");
        assert!(said.contains("took back the alarm NOSPACE"), "{said}");
        let after = etcd.status().unwrap();
        assert!(!etcd.has_no_space().unwrap() && after.size < before.size / 2, "{before:?}, {after:?}");
        server.put("new", "is taken").unwrap();
        // As after an interruption.
        defragment(etcd, QUOTA, |_| {}).unwrap();
        etcd.compact(before.revision).expect("what was compacted before is no error");
    }

    #[test]
    #[ignore = "needs the SWIX in dist/, or etcd and etcdctl in $KOE_ETCD"]
    fn swix_in_dist_has_an_etcd_that_stays_full_where_all_of_it_is_in_use_and_says_so() {
        let server = Server::start(&[&format!("--quota-backend-bytes={QUOTA}")]);
        server.put_until_full();
        let error = defragment(&server.etcd, 1, |_| {}).unwrap_err().to_string();
        assert!(error.contains("all of it is in use") && error.contains("kubectl delete"), "{error}");
        assert!(server.etcd.has_no_space().unwrap());
    }
}
