//! The superblock: which file system it is, how large, and whether it was unmounted as it should be.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::{
    BLOCK, BLOCKS_PER_GROUP, INODE, INODES_PER_GROUP, JOURNAL_BLOCKS,
    group::{self, Group, put16, put32},
};

const PLACE: u64 = 1024;
const SIZE: usize = 1024;
/// What a medium writes whole or not at all.
const SECTOR: usize = 512;

const MAGIC: u16 = 0xef53;
const CLEAN: u16 = 1;
/// The kernel mounts it read-only where it finds an error.
const ON_ERROR_READ_ONLY: u16 = 2;

const COMPATIBLE: u32 = 0x4 | 0x8; // journal, extended attributes
const INCOMPATIBLE: u32 = 0x2 | 0x40; // kinds of files in directories, extents
const JOURNAL_TO_REPLAY: u32 = 0x4;
const READ_ONLY_COMPATIBLE: u32 = 0x1 | 0x2 | 0x40; // few superblocks, large files, large inodes

const BLOCKS: usize = 0x4;
const FREE_BLOCKS: usize = 0xc;
const INODES: usize = 0x0;
const FREE_INODES: usize = 0x10;
const NUMBER_OF_GROUP: usize = 0x5a;
const FEATURES: usize = 0x60;
const UUID: usize = 0x68;
const LABEL: usize = 0x78;
const LABEL_BYTES: usize = 16;
const OVERHEAD: usize = 0x248;

/// What groups add up to.
#[derive(Default)]
pub struct Numbers {
    groups: u32,
    free_blocks: u32,
    free_inodes: u32,
}

impl Numbers {
    pub fn add(&mut self, group: &Group) {
        self.groups += 1;
        self.free_blocks += group.free_blocks();
        self.free_inodes += group.free_inodes();
    }
}

#[derive(Clone)]
pub struct Superblock([u8; SIZE]);

impl Superblock {
    pub(super) fn made(uuid: [u8; 16], label: &str, seconds: u32, numbers: Numbers) -> Superblock {
        let mut bytes = [0; SIZE];
        let words = [
            (INODES, numbers.groups * INODES_PER_GROUP),
            (BLOCKS, numbers.groups * BLOCKS_PER_GROUP),
            (FREE_BLOCKS, numbers.free_blocks),
            (FREE_INODES, numbers.free_inodes),
            (0x18, 2),
            (0x1c, 2),
            (0x20, BLOCKS_PER_GROUP),
            (0x24, BLOCKS_PER_GROUP),
            (0x28, INODES_PER_GROUP),
            (0x30, seconds),
            (0x40, seconds),
            (0x4c, 1),
            (0x54, 11),
            (0x5c, COMPATIBLE),
            (FEATURES, INCOMPATIBLE),
            (0x64, READ_ONLY_COMPATIBLE),
            (0xe0, 8),
            (0x100, 0xc),
            (0x108, seconds),
            (0x10c + 16 * 4, JOURNAL_BLOCKS * BLOCK as u32),
            (0x160, 1),
        ];
        words.into_iter().for_each(|(at, word)| put32(&mut bytes, at, word));
        let halves = [
            (0x36, u16::MAX),
            (0x38, MAGIC),
            (0x3a, CLEAN),
            (0x3c, ON_ERROR_READ_ONLY),
            (0x58, INODE as u16),
            (0x15c, 32),
            (0x15e, 32),
        ];
        halves.into_iter().for_each(|(at, half)| put16(&mut bytes, at, half));
        bytes[UUID..UUID + 16].copy_from_slice(&uuid);
        bytes[0xec..0xec + 16].copy_from_slice(&uuid);
        (bytes[0xfc], bytes[0xfd]) = (1, 1);
        bytes[0x10c..0x10c + 60].copy_from_slice(&group::journal_extent());
        let mut superblock = Superblock(bytes);
        superblock.name(label);
        superblock
    }

    /// None where there is nothing that begins as one of ours does.
    pub fn read(file: &File) -> io::Result<Option<Superblock>> {
        Superblock::read_at(file, PLACE)
    }

    /// The same of its copy in the second group.
    pub fn read_copy(file: &File) -> io::Result<Option<Superblock>> {
        Superblock::read_at(file, Group::new(1).place())
    }

    fn read_at(file: &File, place: u64) -> io::Result<Option<Superblock>> {
        let mut bytes = [0; SIZE];
        match file.read_exact_at(&mut bytes, place) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        Ok(Some(Superblock(bytes)).filter(Superblock::is_ours))
    }

    /// Whether there is nothing but zeros where it would be, as it is before it is made.
    pub fn is_blank(file: &File) -> io::Result<bool> {
        let mut bytes = [1; SIZE];
        match file.read_exact_at(&mut bytes, PLACE) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
            read => read?,
        }
        Ok(bytes.iter().all(|byte| *byte == 0))
    }

    fn is_ours(&self) -> bool {
        self.half(0x38) == MAGIC
            && self.word(0x20) == BLOCKS_PER_GROUP
            && self.word(0x28) == INODES_PER_GROUP
            && self.word(BLOCKS).is_multiple_of(BLOCKS_PER_GROUP)
    }

    pub fn uuid(&self) -> [u8; 16] {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&self.0[UUID..UUID + 16]);
        uuid
    }

    pub fn label(&self) -> String {
        let label = &self.0[LABEL..LABEL + LABEL_BYTES];
        String::from_utf8_lossy(label).trim_end_matches('\0').to_owned()
    }

    /// In bytes, whatever its file has.
    pub fn size(&self) -> u64 {
        u64::from(self.word(BLOCKS)) * BLOCK
    }

    /// Whether it was unmounted, and the kernel has found no error in it.
    pub fn is_clean(&self) -> bool {
        self.half(0x3a) & 3 == CLEAN && self.word(FEATURES) & JOURNAL_TO_REPLAY == 0
    }

    /// Whether the kernel has found an error in it.
    pub fn has_errors(&self) -> bool {
        self.half(0x3a) & 2 != 0
    }

    /// Gives it another label, in one sector, and so wholly or not at all. All else that the file has is on the medium before. Not
    /// while it is mounted.
    pub fn relabel(mut self, file: &File, label: &str) -> io::Result<()> {
        self.name(label);
        file.sync_all()?;
        file.write_all_at(&self.0[..SECTOR], PLACE)?;
        file.sync_all()?;
        // For who has to take a copy, as e2fsck does where the first one is damaged.
        for group in self.with_copies() {
            file.write_all_at(&self.0[LABEL..LABEL + LABEL_BYTES], group.place() + LABEL as u64)?;
        }
        file.sync_all()
    }

    /// The groups that have a copy of it.
    fn with_copies(&self) -> impl Iterator<Item = Group> + use<> {
        (1..self.groups()).map(Group::new).filter(Group::has_superblock)
    }

    pub(super) fn groups(&self) -> u32 {
        self.word(BLOCKS) / BLOCKS_PER_GROUP
    }

    pub(super) fn add(&mut self, group: &Group) {
        for (at, more) in [
            (BLOCKS, BLOCKS_PER_GROUP),
            (INODES, INODES_PER_GROUP),
            (FREE_BLOCKS, group.free_blocks()),
            (FREE_INODES, group.free_inodes()),
        ] {
            let sum = self.word(at) + more;
            put32(&mut self.0, at, sum);
        }
        // The kernel reckons it anew.
        put32(&mut self.0, OVERHEAD, 0);
    }

    fn name(&mut self, label: &str) {
        self.0[LABEL..LABEL + LABEL_BYTES].fill(0);
        self.0[LABEL..LABEL + label.len()].copy_from_slice(label.as_bytes());
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }
}

/// All else is on the medium before the first sector of the superblock, which says what counts. The copies come last.
pub fn write_all(file: &File, superblock: &Superblock, descriptors: &[u8]) -> io::Result<()> {
    file.write_all_at(descriptors, BLOCK)?;
    file.write_all_at(&superblock.0[SECTOR..], PLACE + SECTOR as u64)?;
    file.sync_all()?;
    file.write_all_at(&superblock.0[..SECTOR], PLACE)?;
    file.sync_all()?;
    for group in superblock.with_copies() {
        let mut copy = superblock.clone();
        put16(&mut copy.0, NUMBER_OF_GROUP, (group.first_block() / BLOCKS_PER_GROUP) as u16);
        file.write_all_at(&copy.0, group.place())?;
        file.write_all_at(descriptors, group.place() + BLOCK)?;
    }
    file.sync_all()
}
