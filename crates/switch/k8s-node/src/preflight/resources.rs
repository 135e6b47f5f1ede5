//! Memory, the root that is in it, the clock and the flash.

use std::{fs, net::Ipv4Addr, path::Path, time::SystemTime};

use cluster::{Node, pki};
use common::mounts;
use contract::places;
use ipnet::Ipv4Net;
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::{Finding, Roles};
use crate::{room::Room, storage, switch::Switch};

const MIB: u64 = 1 << 20;

/// What our services take, in MiB: docs/operations.md, "What EOS keeps". A switch needs twice of it and more, as EOS is there first.
const MASTER: u64 = 700;
const WORKER: u64 = 250;

/// kubelet evicts pods where less is free, in MiB.
const ROOT: u64 = 200;

pub fn look(roles: Roles, node: Option<&Node>) -> Vec<Finding> {
    let mut found = vec![memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), roles)];
    if roles.worker {
        found.push(root(free("/".as_ref())));
    }
    found.extend([clock(SystemTime::now()), flash(roles, node)]);
    found
}

/// In all, as what is free now has what is ours in it or not.
fn memory(meminfo: &str, roles: Roles) -> Finding {
    let kib = |name: &str| -> Option<u64> {
        meminfo
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?
            .split_whitespace()
            .next()?
            .parse()
            .ok()
    };
    let Some(total) = kib("MemTotal").map(|kib| kib >> 10) else {
        return Finding::good("memory", "nobody can tell how much there is");
    };
    let ours = if roles.master { MASTER } else { 0 } + if roles.worker { WORKER } else { 0 };
    let said = format!("{total} MiB, of which Kubernetes' services take about {ours}");
    // EOS itself takes about 1.9 GB of a 720XP with 32 bits.
    match total {
        total if total < 1024 + ours => Finding::problem(
            "memory",
            format!("{said}: too little beside EOS; make a switch with more the master, or this one a worker"),
        ),
        total if total < 1900 + ours => Finding::remark(
            "memory",
            format!("{said}: little is left for pods; keep what EOS needs with [reserved] in cluster.toml"),
        ),
        _ => Finding::good("memory", said),
    }
}

fn free(place: &Path) -> Option<u64> {
    statvfs(place).ok().map(|space| space.f_bavail.saturating_mul(space.f_frsize) / MIB)
}

/// EOS' root is in memory, and has kubelet's and Docker's files in it.
fn root(free: Option<u64>) -> Finding {
    match free {
        Some(free) if free < ROOT => Finding::problem(
            "root",
            format!(
                "the root has {free} MiB left, and kubelet evicts pods with less than {ROOT}: remove what lies in /var/tmp or /tmp, or move \
                 Docker's data to a disk (\"data-root\" in /etc/docker/daemon.json)"
            ),
        ),
        Some(free) => Finding::good("root", format!("{free} MiB left, for images and pods' files too")),
        None => Finding::good("root", "nobody can tell how much it has left"),
    }
}

fn clock(now: SystemTime) -> Finding {
    match pki::check_clock(now) {
        Ok(()) => Finding::good("clock", humantime::format_rfc3339_seconds(now).to_string()),
        Err(error) => {
            Finding::problem("clock", format!("{error}; set it, best by NTP: `ntp server …`, or `clock set …`"))
        }
    }
}

fn flash(roles: Roles, node: Option<&Node>) -> Finding {
    let place = Path::new(places::FLASH);
    let kind = mounts::at_or_below(place).ok().and_then(|mounts| Some(mounts.first()?.kind.clone()));
    let Some(kind) = kind else {
        return Finding::remark(
            "flash",
            "nothing is mounted at /mnt/flash: what is written there may not last over a reboot",
        );
    };
    let Ok(space) = statvfs(place) else { return Finding::problem("flash", "it cannot be asked: see `dmesg`") };
    if space.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Finding::problem(
            "flash",
            format!("it is {kind} and read-only: see what `dmesg` says of it, and repair it"),
        );
    }
    let said = format!("{kind}, {} MiB left", space.f_bavail.saturating_mul(space.f_frsize) / MIB);
    // What it takes is in its file already.
    if storage::is_elsewhere().is_ok_and(|is_away| is_away) {
        return Finding::good("flash", said);
    }
    let node = node.cloned().unwrap_or_else(|| any_node(roles));
    // What is short on a later boot is said by the status.
    let storage = Switch::load().map(|switch| switch.cluster.storage).unwrap_or_default();
    let refusal = storage::refusal(storage, node.master).and_then(|refusal| match refusal {
        Some(why) => Ok(Some(why)),
        None => Ok(Room::on_flash(places::STATE.as_ref(), &node)?.refusal(&node)),
    });
    match refusal {
        Ok(Some(why)) => Finding::problem("flash", format!("{kind}; {why}")),
        Ok(None) => Finding::good("flash", said),
        Err(error) => Finding::problem("flash", format!("{said}; {error:#}")),
    }
}

/// What this switch would be in a cluster that nobody has written yet.
fn any_node(Roles { master, worker }: Roles) -> Node {
    let pod_cidr = Ipv4Net::new(Ipv4Addr::UNSPECIFIED, 24).expect("24 is a prefix");
    Node { name: String::new(), address: Ipv4Addr::UNSPECIFIED, master, worker, pod_cidr }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::{
        preflight::Verdict,
        test_support::{flash_of, in_mount_namespace, node},
    };

    #[test]
    fn memory_is_held_against_what_the_switch_is_to_be() {
        let of = |gib_in_tenths: u64, master, worker| {
            let meminfo = format!("MemTotal:       {} kB\nMemFree:        1 kB\n", gib_in_tenths * 1024 * 1024 / 10);
            memory(&meminfo, Roles { master, worker }).verdict
        };
        assert_eq!([of(40, true, true), of(40, false, true)], [Verdict::Good; 2]);
        // A vEOS of 2 GB.
        assert_eq!([of(20, true, true), of(20, false, true)], [Verdict::Remark; 2]);
        assert_eq!([of(15, true, true), of(15, false, true)], [Verdict::Problem, Verdict::Remark]);
        assert_eq!(memory("", Roles { master: true, worker: true }).verdict, Verdict::Good);
    }

    #[test]
    fn a_clock_that_was_never_set_and_a_full_root_are_problems() {
        let found = clock(UNIX_EPOCH + Duration::from_secs(86_400));
        assert!(found.verdict == Verdict::Problem && found.said.contains("ntp server"), "{found:?}");
        assert_eq!(clock(SystemTime::now()).verdict, Verdict::Good);
        assert_eq!((root(Some(593)).verdict, root(Some(120)).verdict), (Verdict::Good, Verdict::Problem));
    }

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn the_flash_is_told_by_its_file_system_and_its_room() {
        in_mount_namespace(|| {
            let of = |node: Option<&Node>| flash(Roles { master: true, worker: true }, node);
            flash_of(950);
            assert_eq!(of(None), Finding::good("flash", "tmpfs, 950 MiB left"));
            let both = node(true, true);
            assert_eq!(of(Some(&both)).verdict, Verdict::Good);
            flash_of(20);
            for found in [of(None), of(Some(&both))] {
                assert!(found.verdict == Verdict::Problem && found.said.contains("are needed"), "{found:?}");
            }
            assert_eq!(of(Some(&node(false, true))).verdict, Verdict::Good);
        });
    }
}
