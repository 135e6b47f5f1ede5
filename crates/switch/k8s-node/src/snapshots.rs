//! Copies of etcd's data that a timer takes on the master, beside them on the same flash: against what is done to the cluster, not
//! against the flash's end. They never take the room of an EOS image, and the oldest go first.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result, bail};
use cluster::{
    pki::{self, KeyDigest},
    room::scheduled_snapshots::{BYTES, KEPT, LEFT, LEFT_IN_FILE},
    state::{self, StateLock},
};
use common::files;
use contract::places;
use rustix::fs::statvfs;

use crate::{etcd::Etcd, room, storage, switch::Switch, systemd};

const BEGINNING: &str = "etcd-";
const END: &str = ".snapshot";

/// A copy that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Snapshot {
    name: String,
    size: u64,
}

/// What the timer starts.
pub fn run() -> Result<()> {
    let switch = Switch::load()?;
    if !switch.node.master {
        bail!("etcd is on the master: say this on {}", switch.cluster.master().name);
    }
    let record = Path::new(places::SNAPSHOT_SKIPPED);
    match take(&Etcd::on_switch(), places::SNAPSHOTS.as_ref(), SystemTime::now()) {
        Ok(name) => {
            println!("{name} is written and whole");
            files::remove_tree(record)
        }
        Err(error) => {
            files::write_atomically(
                record,
                format!("the last scheduled copy of etcd's data was not taken: {error:#}"),
            )?;
            Err(error)
        }
    }
}

/// Why the last one was not taken.
pub fn skipped() -> Option<String> {
    fs::read_to_string(places::SNAPSHOT_SKIPPED).ok()
}

/// When the last one was taken that is there, by its name.
pub fn last() -> Option<String> {
    let copies = list(places::SNAPSHOTS.as_ref(), SystemTime::now()).ok()?;
    let name = copies.last()?.name.strip_prefix(BEGINNING)?;
    Some(name.split('-').next()?.to_owned())
}

/// Whose cluster's a scheduled copy is, by its name; none for what is no such copy.
pub fn authority_of(file: &Path) -> Option<KeyDigest> {
    let name = file.file_name()?.to_str()?;
    name.strip_prefix(BEGINNING)?.strip_suffix(END)?.rsplit_once('-')?.1.parse().ok()
}

fn take(etcd: &Etcd, directory: &Path, now: SystemTime) -> Result<String> {
    pki::check_clock(now)?;
    if !systemd::is_active("etcd.service")? {
        bail!("etcd does not run");
    }
    let size = etcd.database_size().context("etcd has no database")?;
    let _lock = lock(directory)?;
    let there = list(directory, now)?;
    let space = statvfs(directory).with_context(|| format!("cannot ask how much room {} has", directory.display()))?;
    let left = space.f_bavail.saturating_mul(space.f_frsize);
    let spare = if storage::is_in_file(directory)? { LEFT_IN_FILE } else { LEFT };
    let going = make_room(&there, size, left, spare)?;
    let (before, after) = there[..going].split_at(going_before(going, size, left, spare));
    let remove =
        |copies: &[Snapshot]| copies.iter().try_for_each(|copy| files::remove_tree(&directory.join(&copy.name)));
    remove(before)?;
    let authority = pki::authority_keys(places::PKI.as_ref())?
        .map(|keys| keys.signing)
        .context("there is no certificate authority")?;
    let name = format!("{}-{authority}{END}", beginning(now));
    let unfinished = directory.join(format!("{}{name}", files::UNFINISHED));
    let saved = etcd.save_snapshot(&unfinished);
    if let Err(error) = saved {
        files::remove_tree(&unfinished)?;
        return Err(error);
    }
    let place = directory.join(&name);
    fs::rename(&unfinished, &place).with_context(|| format!("cannot write {}", place.display()))?;
    let sync = fs::File::open(directory).and_then(|directory| directory.sync_all());
    sync.with_context(|| format!("cannot write {}", place.display()))?;
    remove(after)?;
    Ok(name)
}

/// Of a copy's name: without what vfat takes in none.
fn beginning(time: SystemTime) -> String {
    format!("{BEGINNING}{}", humantime::format_rfc3339_seconds(time).to_string().replace([':', '-'], ""))
}

/// How many of the oldest have to go that one of `size` bytes may come, by what is `left` and has to be spared. The newest stays whatever comes
/// of this one.
fn make_room(there: &[Snapshot], size: u64, left: u64, spare: u64) -> Result<usize> {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    if size > BYTES {
        bail!(
            "it would take {} MiB, and all of them may take {}: `k8s-node etcd defrag`, or `k8s-node backup` to another place",
            mib(size),
            mib(BYTES)
        );
    }
    let may_go = there.len().saturating_sub(1);
    let total: u64 = there.iter().map(|copy| copy.size).sum();
    let mut gone = 0;
    for going in 0..=may_go {
        let fits = there.len() - going < KEPT && total - gone + size <= BYTES && left + gone >= spare + size;
        if fits {
            return Ok(going);
        }
        gone += there[..may_go].get(going).map_or(0, |copy| copy.size);
    }
    if total - gone + size > BYTES {
        bail!("it and the one before would take more than {} MiB: `k8s-node etcd defrag`", mib(BYTES));
    }
    if spare == LEFT_IN_FILE {
        bail!(
            "the state's file has {} MiB left, and etcd takes up to {} at once: {}, or `k8s-node backup` to another place",
            left >> 20,
            mib(spare),
            room::FIX_IN_FILE
        );
    }
    bail!(
        "the flash has {} MiB left, and an EOS image of {} is to have room beside it: {}, or `k8s-node backup` to another place",
        left >> 20,
        mib(LEFT),
        room::FIX
    )
}

/// How many of those that go have to before the new one is there: none where there is room, as it may fail.
fn going_before(going: usize, size: u64, left: u64, spare: u64) -> usize {
    if left >= spare + size { 0 } else { going }
}

/// The oldest first. Before them, those of a clock that was wrong, later than now: they would stay for ever.
fn list(directory: &Path, now: SystemTime) -> Result<Vec<Snapshot>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let copy = |path: PathBuf| {
        authority_of(&path)?;
        let name = path.file_name()?.to_str()?.to_owned();
        Some(Snapshot { name, size: path.metadata().ok()?.len() })
    };
    let mut copies: Vec<Snapshot> = entries.flatten().filter_map(|entry| copy(entry.path())).collect();
    let end_of_now = format!("{}~", beginning(now));
    copies.sort_by(|one, other| (one.name <= end_of_now, &one.name).cmp(&(other.name <= end_of_now, &other.name)));
    Ok(copies)
}

/// Nobody else is at it meanwhile, and what a power cut has left is gone.
pub fn lock(directory: &Path) -> Result<StateLock> {
    let lock = state::lock_directory(directory)?;
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(files::UNFINISHED) {
            files::remove_tree(&entry.path())?;
        }
    }
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn copies(sizes: &[u64]) -> Vec<Snapshot> {
        let copy = |(at, size): (usize, &u64)| Snapshot { name: at.to_string(), size: size * MIB };
        sizes.iter().enumerate().map(copy).collect()
    }

    #[test]
    fn the_oldest_go_for_a_new_one_and_the_newest_stays() {
        let left = LEFT + 1000 * MIB;
        let going = |sizes: &[u64], size| make_room(&copies(sizes), size * MIB, left, LEFT).unwrap();
        assert_eq!(going(&[], 30), 0);
        assert_eq!(going(&[30, 30, 30], 30), 0);
        assert_eq!(going(&[30, 30, 30, 30], 30), 1);
        assert_eq!(going(&[100, 100, 50], 100), 1, "they take no more than 256 MiB");
        assert_eq!(going(&[1, 1, 1, 1, 1, 1, 1], 1), 4, "more than there should be");
        let error = make_room(&copies(&[200]), 100 * MIB, left, LEFT).unwrap_err().to_string();
        assert!(error.contains("it and the one before would take more than 256 MiB"), "{error}");
        let error = make_room(&[], 257 * MIB, left, LEFT).unwrap_err().to_string();
        assert!(error.contains("it would take 257 MiB"), "{error}");
    }

    #[test]
    fn an_eos_image_has_its_room_or_none_is_taken() {
        let going = |left: u64| make_room(&copies(&[30, 30]), 30 * MIB, left, LEFT);
        assert_eq!(going(LEFT + 30 * MIB).unwrap(), 0);
        assert_eq!(going(LEFT).unwrap(), 1, "the older one makes room");
        let error = going(LEFT - MIB).unwrap_err().to_string();
        assert!(error.starts_with("the flash has 1620 MiB left, and an EOS image of 1622"), "{error}");
        // Where the state has a file system of its own, no image is for there.
        let in_file = |left: u64| make_room(&copies(&[30, 30]), 30 * MIB, left, LEFT_IN_FILE);
        assert_eq!(in_file(200 * MIB).unwrap(), 0);
        let error = in_file(40 * MIB).unwrap_err().to_string();
        assert!(error.contains("`k8s-node storage grow`"), "{error}");
    }

    #[test]
    fn the_old_ones_stay_until_the_new_one_is_there_where_the_flash_has_room() {
        assert_eq!(going_before(2, 30 * MIB, LEFT + 30 * MIB, LEFT), 0);
        assert_eq!(going_before(2, 30 * MIB, LEFT + 29 * MIB, LEFT), 2);
    }

    #[test]
    fn none_is_taken_by_a_clock_that_cannot_be_right() {
        let directory = tempfile::tempdir().unwrap();
        let error = take(&Etcd::on_switch(), directory.path(), SystemTime::UNIX_EPOCH).unwrap_err().to_string();
        assert!(error.contains("this clock says 1970-01-01"), "{error}");
    }

    #[test]
    fn a_copy_is_known_by_its_name_and_nothing_else_is_one() {
        let key = "0123456789abcdef0123456789abcdef";
        let name = format!("/mnt/usb/etcd-20261129T223000Z-{key}.snapshot");
        assert_eq!(authority_of(name.as_ref()).unwrap().to_string(), key);
        for other in ["etcd.snapshot", "etcd-2026-01.snapshot", "backup.age", ".new-etcd-x-0123.snapshot"] {
            assert_eq!(authority_of(other.as_ref()), None, "{other}");
        }
        let directory = tempfile::tempdir().unwrap();
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let names = [1_795_000_000, 1_796_000_000, 2_400_000_000]
            .map(|seconds| format!("{}-{key}{END}", beginning(at(seconds))));
        for name in names.iter().chain([&"another".to_owned()]) {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        let listed = list(directory.path(), at(1_796_000_000)).unwrap();
        let listed: Vec<&String> = listed.iter().map(|copy| &copy.name).collect();
        assert_eq!(listed, [&names[2], &names[0], &names[1]], "what is later than now goes first");
    }
}
