//! How large the state's file is made: what a node takes at most, as far as an EOS image still fits beside it, and on a master no less
//! than what etcd needs to go on.

use anyhow::{Result, ensure};
use cluster::room::{self, scheduled_snapshots};

use super::ext4::{self, GROUP};
use crate::room::FIX;

const MIB: u64 = 1 << 20;

/// What stays on the flash beside the file, for what else is small.
pub const BESIDE: u64 = 8 * MIB;

/// Four files of etcd's log, two steps of its database, the logs and what is small.
const MASTER: u64 = 3 * GROUP;

/// What is to be put into a new file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Contents {
    /// Bytes in a directory on the same flash, which goes later.
    pub there: u64,
    /// Bytes that restoring a backup takes, with etcd's first files.
    pub restored: u64,
}

/// Of a new file, on a flash with so much left. Room for an EOS image is left where one would fit.
pub fn of_new(master: bool, left: u64, Contents { there, restored }: Contents) -> Result<u64> {
    let to_begin = room::to_begin_as(master);
    // etcd's first files are in both.
    let restored = restored + to_begin.saturating_sub(2 * room::WAL_FILE);
    let needed = holding(to_begin.max(there + there / 4).max(restored));
    let floor = if master { MASTER } else { needed };
    let all = (left + there).saturating_sub(BESIDE);
    // Where none fits, half of it is left for what else comes.
    let spared = if all < scheduled_snapshots::LEFT { all / 2 } else { scheduled_snapshots::LEFT };
    let now = whole(left.saturating_sub(BESIDE));
    let size = wanted(master).min(whole(all - spared)).max(floor).min(now).max(needed);
    ensure!(
        left >= size + BESIDE,
        "the flash has {} MiB left, and the file that the state is to be in takes {}: {FIX}",
        left / MIB,
        (size + BESIDE).div_ceil(MIB)
    );
    Ok(size)
}

/// What a node's files can come to, with etcd's scheduled copies.
pub fn wanted(master: bool) -> u64 {
    holding(room::at_most_as(master) + if master { scheduled_snapshots::BYTES } else { 0 })
}

/// The largest file of its kind on a flash of this kind: a file of a FAT has less than 4 GiB.
pub fn largest(kind: &str) -> u64 {
    if matches!(kind, "vfat" | "msdos") { (4 << 30) - GROUP } else { ext4::LARGEST }
}

/// The size that is asked for, or the next larger one that the flash has room for, of a file of `size` bytes with so much left beside it.
pub fn of_grown(master: bool, size: u64, asked: Option<u64>, left: u64, largest: u64) -> Result<u64> {
    let fitting = || whole(size + left.saturating_sub(BESIDE)).max(size + GROUP).min(largest);
    let grown = asked.unwrap_or_else(|| wanted(master).max(size + GROUP).min(fitting())).div_ceil(GROUP) * GROUP;
    ensure!(grown > size, "it has {} MiB already; it does not become smaller", size / MIB);
    ensure!(grown <= largest, "it can have {} MiB at most on this flash", largest / MIB);
    ensure!(
        left >= grown - size + BESIDE,
        "the flash has {} MiB left, and {} are needed for a file of {}: {FIX}",
        left / MIB,
        (grown - size + BESIDE).div_ceil(MIB),
        grown / MIB
    );
    Ok(grown)
}

/// By how much a file becomes larger so that it has room for so many bytes more.
pub fn growth(bytes: u64) -> u64 {
    bytes.div_ceil(GROUP - (ext4::overhead(2 * GROUP) - ext4::overhead(GROUP))) * GROUP
}

/// The smallest file that has room for so many bytes.
fn holding(bytes: u64) -> u64 {
    let mut size = GROUP;
    while size - ext4::overhead(size) < bytes {
        size += GROUP;
    }
    size
}

/// As many groups as so many bytes have room for.
fn whole(bytes: u64) -> u64 {
    bytes / GROUP * GROUP
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Contents = Contents { there: 0, restored: 0 };

    #[test]
    fn an_eos_image_fits_beside_the_file_wherever_the_flash_allows_it() {
        let gib = 1 << 30;
        // A flash of 28 GB: as much as the node takes at most.
        assert_eq!(of_new(true, 20 * gib, NONE).unwrap(), 1152 * MIB);
        assert_eq!(of_new(false, 20 * gib, NONE).unwrap(), 128 * MIB);
        // One of 3.7 GB with one image on it.
        let size = of_new(true, 2_400_000_000, NONE).unwrap();
        assert_eq!(size, 640 * MIB);
        assert!(2_400_000_000 - size >= scheduled_snapshots::LEFT);
        // One that has no room for a second image has room for a cluster all the same.
        assert_eq!(of_new(true, 1_600_000_000, NONE).unwrap(), 640 * MIB);
        assert_eq!(of_new(true, 300 * MIB, NONE).unwrap(), 256 * MIB);
        assert_eq!(of_new(false, 200 * MIB, NONE).unwrap(), 128 * MIB);
        let error = of_new(true, 200 * MIB, NONE).unwrap_err().to_string();
        assert!(
            error.starts_with("the flash has 200 MiB left, and the file that the state is to be in takes 264"),
            "{error}"
        );
    }

    #[test]
    fn etcd_fits_wherever_the_flash_has_the_room_and_an_image_gives_way_to_it() {
        // Four files of its log, two steps of its database, the logs.
        let etcd = 4 * room::WAL_FILE + 2 * 16 * MIB + 42 * MIB;
        for left in [400 * MIB, 800 * MIB, 1_000_000_000, 1_700_000_000, 1_900_000_000, 2_100_000_000] {
            let size = of_new(true, left, NONE).unwrap();
            assert!(size - ext4::overhead(size) >= etcd, "{left}: {}", size / MIB);
        }
        assert_eq!(of_new(true, 1_900_000_000, NONE).unwrap(), 384 * MIB);
    }

    #[test]
    fn what_is_there_fits_into_the_file_that_takes_it_over() {
        let there = 600 * MIB;
        let of = |left| of_new(true, left, Contents { there, ..NONE });
        let size = of(1200 * MIB).unwrap();
        assert!(size - ext4::overhead(size) >= there + there / 4, "{size}");
        assert!(of(700 * MIB).is_err(), "both have to be there for a while");
    }

    #[test]
    fn what_a_backup_takes_fits_into_the_file_that_it_is_put_into() {
        let restored = 2 * 300 * MIB + 2 * room::WAL_FILE;
        let of = |left| of_new(true, left, Contents { restored, ..NONE });
        let size = of(1000 * MIB).unwrap();
        assert!(size - ext4::overhead(size) >= restored + 42 * MIB, "{size}");
        assert!(of(800 * MIB).is_err());
    }

    #[test]
    fn a_file_grows_by_what_is_asked_for_or_to_what_a_node_takes_at_most_as_far_as_it_fits() {
        let left = 20 << 30;
        let of = |master, size, asked, left| of_grown(master, size, asked, left, largest("vfat"));
        assert_eq!(of(true, 256 * MIB, None, left).unwrap(), 1152 * MIB);
        assert_eq!(of(true, 1152 * MIB, None, left).unwrap(), 1280 * MIB);
        assert_eq!(of(false, 128 * MIB, Some(300 * MIB), left).unwrap(), 384 * MIB);
        assert!(of(true, 1152 * MIB, Some(1152 * MIB), left).is_err());
        assert_eq!(of(true, 256 * MIB, None, 500 * MIB).unwrap(), 640 * MIB);
        assert!(of(true, 256 * MIB, None, 100 * MIB).unwrap_err().to_string().contains("the flash has 100 MiB left"));
        assert!(of(true, 256 * MIB, Some(1 << 30), 500 * MIB).is_err());
    }

    #[test]
    fn no_file_is_made_larger_than_its_flash_takes() {
        let left = 40 << 30;
        let most = (4 << 30) - 128 * MIB;
        assert_eq!(of_grown(true, most - GROUP, None, left, largest("vfat")).unwrap(), most);
        assert!(of_grown(true, most, None, left, largest("msdos")).is_err());
        assert!(of_grown(true, 256 * MIB, Some(4 << 30), left, largest("vfat")).is_err());
        assert_eq!(of_grown(true, 256 * MIB, Some(8 << 30), left, largest("ext2")).unwrap(), 8 << 30);
        assert!(of_grown(true, 256 * MIB, Some(17 << 30), left, largest("ext2")).is_err());
    }

    #[test]
    fn a_file_that_grows_by_what_is_lacking_has_the_room() {
        for bytes in [1, 100 * MIB, GROUP, 700 * MIB] {
            let before = 256 * MIB;
            let after = before + growth(bytes);
            assert!(after - ext4::overhead(after) - (before - ext4::overhead(before)) >= bytes, "{bytes}");
        }
    }
}
