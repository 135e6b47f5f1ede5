//! A group of blocks: its bitmaps, its table of inodes, its descriptor; and what the first one has: the root, lost+found, the journal.

use std::{fs::File, io, os::unix::fs::FileExt};

use super::{BLOCK, BLOCKS_PER_GROUP, INODE, INODES_PER_GROUP, JOURNAL_BLOCKS};

pub const DESCRIPTOR: usize = 32;

const TABLE_BLOCKS: u32 = INODES_PER_GROUP * INODE / BLOCK as u32;

/// Superblock, descriptors, two bitmaps, the table of inodes.
pub const METADATA_AT_MOST: u32 = 4 + TABLE_BLOCKS;

const ROOT: u32 = 2;
const JOURNAL: u32 = 8;
const LOST_FOUND: u32 = 11;

/// Of the root and of lost+found.
const DIRECTORY_BLOCKS: u32 = 2;
const FIRST_FILES: u32 = DIRECTORY_BLOCKS + JOURNAL_BLOCKS;

const EXTENTS: u32 = 0x8_0000;
const EXTRA: u16 = 32;
const DIRECTORY: u8 = 2;

pub struct Group {
    number: u32,
}

impl Group {
    pub fn new(number: u32) -> Group {
        Group { number }
    }

    pub fn first_block(&self) -> u32 {
        self.number * BLOCKS_PER_GROUP
    }

    /// Where it begins, in bytes.
    pub fn place(&self) -> u64 {
        u64::from(self.first_block()) * BLOCK
    }

    /// Groups 0, 1 and the powers of 3, 5 and 7.
    pub fn has_superblock(&self) -> bool {
        let is_power = |base: u32| {
            let mut power = base;
            while power < self.number {
                power *= base;
            }
            power == self.number
        };
        self.number < 2 || [3, 5, 7].into_iter().any(is_power)
    }

    fn bitmap(&self) -> u32 {
        self.first_block() + if self.has_superblock() { 2 } else { 0 }
    }

    fn table(&self) -> u32 {
        self.bitmap() + 2
    }

    fn used_blocks(&self) -> u32 {
        let metadata = self.table() + TABLE_BLOCKS - self.first_block();
        metadata + if self.number == 0 { FIRST_FILES } else { 0 }
    }

    fn used_inodes(&self) -> u32 {
        if self.number == 0 { LOST_FOUND } else { 0 }
    }

    pub fn free_blocks(&self) -> u32 {
        BLOCKS_PER_GROUP - self.used_blocks()
    }

    pub fn free_inodes(&self) -> u32 {
        INODES_PER_GROUP - self.used_inodes()
    }

    /// Its bitmaps. Its table of inodes has nothing but zeros, as the file has there.
    pub fn write(&self, file: &File) -> io::Result<()> {
        let at = u64::from(self.bitmap()) * BLOCK;
        let mut bitmaps = vec![0; 2 * BLOCK as usize];
        let (blocks, inodes) = bitmaps.split_at_mut(BLOCK as usize);
        (0..self.used_blocks()).for_each(|bit| set(blocks, bit));
        (0..self.used_inodes()).chain(INODES_PER_GROUP..BLOCKS_PER_GROUP).for_each(|bit| set(inodes, bit));
        file.write_all_at(&bitmaps, at)
    }

    pub fn describe(&self, descriptors: &mut [u8]) {
        let entry = &mut descriptors[self.number as usize * DESCRIPTOR..][..DESCRIPTOR];
        put32(entry, 0, self.bitmap());
        put32(entry, 4, self.bitmap() + 1);
        put32(entry, 8, self.table());
        put16(entry, 0xc, self.free_blocks() as u16);
        put16(entry, 0xe, self.free_inodes() as u16);
        put16(entry, 0x10, if self.number == 0 { DIRECTORY_BLOCKS as u16 } else { 0 });
    }
}

/// Where the journal's blocks begin.
fn journal_block() -> u32 {
    Group::new(0).table() + TABLE_BLOCKS + DIRECTORY_BLOCKS
}

/// What the journal's inode says of its blocks, which the superblock has a copy of.
pub fn journal_extent() -> [u8; 60] {
    extent(journal_block(), JOURNAL_BLOCKS)
}

pub fn write_first_files(file: &File, uuid: [u8; 16], seconds: u32) -> io::Result<()> {
    let first = Group::new(0).table() + TABLE_BLOCKS;
    let inode = |number: u32, inode: [u8; INODE as usize]| {
        file.write_all_at(&inode, u64::from(Group::new(0).table()) * BLOCK + u64::from((number - 1) * INODE))
    };
    inode(ROOT, inode_of(0o40755, 3, first, 1, seconds))?;
    inode(LOST_FOUND, inode_of(0o40700, 2, first + 1, 1, seconds))?;
    inode(JOURNAL, inode_of(0o100_600, 1, journal_block(), JOURNAL_BLOCKS, seconds))?;
    let mut directories = vec![0; 2 * BLOCK as usize];
    let (root, lost_found) = directories.split_at_mut(BLOCK as usize);
    entry(root, 0, ROOT, 12, ".");
    entry(root, 12, ROOT, 12, "..");
    entry(root, 24, LOST_FOUND, BLOCK as u16 - 24, "lost+found");
    entry(lost_found, 0, LOST_FOUND, 12, ".");
    entry(lost_found, 12, ROOT, BLOCK as u16 - 12, "..");
    file.write_all_at(&directories, u64::from(first) * BLOCK)?;
    file.write_all_at(&journal(uuid), u64::from(journal_block()) * BLOCK)
}

/// The journal's own superblock, which is big-endian: empty, and begun at its first block.
fn journal(uuid: [u8; 16]) -> [u8; 1024] {
    let mut journal = [0; 1024];
    let words = [(0, 0xc03b_3998), (4, 4), (12, BLOCK as u32), (16, JOURNAL_BLOCKS), (20, 1), (24, 1), (64, 1)];
    for (at, word) in words {
        journal[at..at + 4].copy_from_slice(&u32::to_be_bytes(word));
    }
    journal[48..64].copy_from_slice(&uuid);
    journal
}

fn inode_of(mode: u32, links: u16, block: u32, blocks: u32, seconds: u32) -> [u8; INODE as usize] {
    let mut inode = [0; INODE as usize];
    put16(&mut inode, 0, mode as u16);
    put32(&mut inode, 4, blocks * BLOCK as u32);
    for at in [8, 0xc, 0x10, 0x90] {
        put32(&mut inode, at, seconds);
    }
    put16(&mut inode, 0x1a, links);
    put32(&mut inode, 0x1c, blocks * (BLOCK as u32 / 512));
    put32(&mut inode, 0x20, EXTENTS);
    inode[0x28..0x28 + 60].copy_from_slice(&extent(block, blocks));
    put16(&mut inode, 0x80, EXTRA);
    inode
}

/// A tree of extents with one leaf.
fn extent(block: u32, blocks: u32) -> [u8; 60] {
    let mut tree = [0; 60];
    put16(&mut tree, 0, 0xf30a);
    put16(&mut tree, 2, 1);
    put16(&mut tree, 4, 4);
    put16(&mut tree, 16, blocks as u16);
    put32(&mut tree, 20, block);
    tree
}

fn entry(directory: &mut [u8], at: usize, inode: u32, length: u16, name: &str) {
    put32(directory, at, inode);
    put16(directory, at + 4, length);
    directory[at + 6] = name.len() as u8;
    directory[at + 7] = DIRECTORY;
    directory[at + 8..at + 8 + name.len()].copy_from_slice(name.as_bytes());
}

fn set(bitmap: &mut [u8], bit: u32) {
    bitmap[bit as usize / 8] |= 1 << (bit % 8);
}

pub fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

pub fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}
