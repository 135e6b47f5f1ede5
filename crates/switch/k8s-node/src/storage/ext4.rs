//! An ext4 file system in a file, made and made larger without mke2fs, which EOS need not have.
//!
//! Whole groups of 128 MiB, one block of descriptors, and no feature that Linux 4.9 or e2fsck 1.42 lack. So what is made is the same on
//! every switch, and a file grows by groups behind its end that count once the superblock's first sector says so.

mod group;
mod superblock;

use std::{fs::File, io, os::unix::fs::FileExt};

use group::Group;
use superblock::Numbers;
pub use superblock::Superblock;

const BLOCK: u64 = 4096;
const BLOCKS_PER_GROUP: u32 = 32768;
const INODES_PER_GROUP: u32 = 2048;
const INODE: u32 = 256;

/// Of the journal: 8 MiB.
const JOURNAL_BLOCKS: u32 = 2048;

/// What sizes are multiples of, in bytes.
pub const GROUP: u64 = BLOCKS_PER_GROUP as u64 * BLOCK;

/// As many groups as one block of descriptors has room for: 16 GiB.
pub const LARGEST: u64 = BLOCK / group::DESCRIPTOR as u64 * GROUP;

/// What of so many bytes is no room for files.
pub fn overhead(size: u64) -> u64 {
    u64::from(JOURNAL_BLOCKS) * BLOCK + size / GROUP * u64::from(group::METADATA_AT_MOST) * BLOCK
}

/// Makes a file system of a file that has nothing but zeros in it. It counts once it is on the medium.
pub fn make(file: &File, uuid: [u8; 16], label: &str, seconds: u32) -> io::Result<()> {
    let groups = u32::try_from(file.metadata()?.len() / GROUP).map_err(io::Error::other)?;
    let mut descriptors = vec![0; BLOCK as usize];
    let mut numbers = Numbers::default();
    for number in 0..groups {
        let group = Group::new(number);
        group.write(file)?;
        group.describe(&mut descriptors);
        numbers.add(&group);
    }
    group::write_first_files(file, uuid, seconds)?;
    superblock::write_all(file, &Superblock::made(uuid, label, seconds, numbers), &descriptors)
}

/// Adds the groups that a file has behind its file system's end, which have nothing but zeros in them. Not while it is mounted, and
/// not with a journal that has to be replayed: false then, and nothing was done.
pub fn grow(file: &File) -> io::Result<bool> {
    let mut superblock = Superblock::read(file)?.ok_or_else(|| io::Error::other("it is no ext4 of ours"))?;
    if !superblock.is_clean() {
        return Ok(false);
    }
    let mut descriptors = vec![0; BLOCK as usize];
    file.read_exact_at(&mut descriptors, BLOCK)?;
    let groups = u32::try_from(file.metadata()?.len() / GROUP).map_err(io::Error::other)?;
    for number in superblock.groups()..groups {
        let group = Group::new(number);
        group.write(file)?;
        group.describe(&mut descriptors);
        superblock.add(&group);
    }
    superblock::write_all(file, &superblock, &descriptors)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
