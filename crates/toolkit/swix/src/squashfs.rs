//! The read-only image of the programs: squashfs 4.0 in xz with the x86 filter and blocks of 1 MiB,
//! which is what an old kernel mounts and what is smallest.
//!
//! backhand lays the image out, one block after the other. The work is in the blocks, so they are
//! compressed first, by as many threads as there are processors, and handed over by content: the image
//! does not depend on how many there were, nor on which of them were compressed for an image before. Files that are the same
//! are stored once.

mod blocks;
mod kept;
mod read;

use std::{fs::File, io, path::Path};

use anyhow::{Context, Result};
use backhand::{
    FilesystemCompressor, FilesystemWriter, NodeHeader,
    compression::{CompressionOptions, Compressor, Xz},
    kind::Kind as Format,
    v4::compressor::XzFilter,
};
use common::{Progress, files};

use self::kept::Kept;
pub use self::read::{Image, Item, Node, SquashfsError};
use crate::{
    SourceDate,
    tree::{self, Entry, Kind},
};

/// Bytes in a block before it is compressed: the largest that squashfs knows.
const BLOCK: u32 = 1 << 20;

/// Writes an image of the entries; directories that they are in come by themselves.
pub fn write(entries: &[Entry], to: &Path, date: SourceDate, progress: &dyn Progress) -> Result<()> {
    write_keeping(entries, to, date, None, progress)
}

/// The same, with the blocks that an earlier image left in a directory, where the new ones are left, too.
pub fn write_keeping(
    entries: &[Entry],
    to: &Path,
    date: SourceDate,
    kept: Option<&Path>,
    progress: &dyn Progress,
) -> Result<()> {
    let entries = tree::complete(entries)?;
    let files: Vec<&Path> = entries.iter().filter_map(|entry| entry.source()).collect();
    let blocks = blocks::compress(&files, Kept::new(kept), progress)?;
    let layout = || -> Result<FilesystemWriter<'_, '_, '_>> {
        let mut image = FilesystemWriter::default();
        image.set_kind(Format::new_v4(blocks.get()));
        image.set_block_size(BLOCK);
        image.set_time(date.0);
        image.set_compressor(compressor()?);
        image.set_root_mode(0o755);
        image.set_only_root_id();
        let header = |mode| NodeHeader { permissions: mode, uid: 0, gid: 0, mtime: date.0 };
        for Entry { path, kind } in &entries {
            match kind {
                Kind::File { from, mode } => image.push_file_from_path(from, path, header(*mode)),
                Kind::Symlink { target } => image.push_symlink(target, path, header(0o777)),
                Kind::Directory { mode } => image.push_dir(path, header(*mode)),
            }
            .with_context(|| format!("cannot put {path} into the image"))?;
        }
        Ok(image)
    };
    let mut image = layout()?;
    let fill = |file: &mut File| {
        let (_, length) = image.write(&mut *file).map_err(io::Error::other)?;
        // The blocks of a file that turned out to be a duplicate are written before that is known.
        file.set_len(length)
    };
    files::replace(to, fill).context("cannot write the squashfs image")
}

/// The options that the image records: kernels read the dictionary's size, the rest is for people.
fn compressor() -> Result<FilesystemCompressor> {
    let filters = XzFilter::new(1);
    let options = Xz { dictionary_size: BLOCK, filters, bit_opts: None, fb: None };
    Ok(FilesystemCompressor::new(Compressor::Xz, Some(CompressionOptions::Xz(options)))?)
}

impl Entry {
    fn source(&self) -> Option<&Path> {
        match &self.kind {
            Kind::File { from, .. } => Some(from),
            Kind::Symlink { .. } | Kind::Directory { .. } => None,
        }
    }
}
