//! The image's blocks, compressed ahead by all processors and looked up by their content.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt,
    panic::resume_unwind,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};
use backhand::{
    BackhandError, FilesystemCompressor, SuperBlock,
    compression::{CompressionAction, Compressor, DefaultCompressor},
    kind::Kind as Format,
};
use common::{Progress, Sha256, progress::Unit};
use liblzma::{
    stream::{Check, Filters, LzmaOptions, Stream},
    write::XzEncoder,
};

use super::{BLOCK, kept::Kept};

/// liblzma's own default. Higher ones gain nothing on blocks of 1 MiB (measured on Go programs: under 0.1 %).
const PRESET: u32 = 6;

/// liblzma's fastest preset.
const FASTEST: u32 = 0;

/// Compressed blocks by the digest of what is in them.
#[derive(Default)]
pub(super) struct Blocks {
    packed: Mutex<HashMap<Sha256, Vec<u8>>>,
    kept: Kept,
}

/// Lends blocks to backhand, which wants them for ever, and takes the memory back when it is dropped;
/// the empty map, a few dozen bytes an image, stays.
pub(super) struct Lent(&'static Blocks);

impl Lent {
    pub(super) fn get(&self) -> &'static Blocks {
        self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.0.lock() = HashMap::new();
    }
}

/// Compresses the blocks of all files that fill at least one; smaller files share blocks, which are
/// compressed when backhand has filled them.
pub(super) fn compress(files: &[&Path], kept: Kept, progress: &dyn Progress) -> Result<Lent> {
    let mut pieces = Vec::new();
    for path in files {
        let size = path.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
        if size >= BLOCK.into() {
            pieces.extend((0..size).step_by(BLOCK as usize).map(|offset| (*path, offset, size)));
        }
    }
    let total = pieces.iter().map(|(_, offset, size)| piece_size(*offset, *size) as u64).sum();
    let task = Mutex::new(progress.start("squashfs", Unit::Bytes, Some(total)));
    let blocks = Lent(Box::leak(Box::new(Blocks { kept, ..Blocks::default() })));
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some((path, offset, size)) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut piece = vec![0; piece_size(*offset, *size)];
            let read = File::open(path).and_then(|file| file.read_exact_at(&mut piece, *offset));
            read.with_context(|| format!("cannot read {}", path.display()))?;
            blocks.get().fill(&piece).with_context(|| format!("cannot compress {}", path.display()))?;
            let task = task.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            task.doing(&path.file_name().unwrap_or_default().to_string_lossy());
            task.advance(piece.len() as u64);
        }
        Ok(())
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        workers.into_iter().try_for_each(join)
    })?;
    Ok(blocks)
}

fn piece_size(offset: u64, size: u64) -> usize {
    (size - offset).min(BLOCK.into()) as usize
}

impl Blocks {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Sha256, Vec<u8>>> {
        self.packed.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn fill(&self, bytes: &[u8]) -> io::Result<()> {
        let digest = Sha256::of_bytes(bytes);
        let known = self.lock().contains_key(&digest);
        if !known {
            let packed = self.pack(&digest, bytes)?;
            self.lock().insert(digest, packed);
        }
        Ok(())
    }

    fn pack(&self, digest: &Sha256, bytes: &[u8]) -> io::Result<Vec<u8>> {
        if let Some(block) = self.kept.get(digest) {
            return Ok(block);
        }
        let packed = smallest(bytes)?;
        self.kept.put(digest, &packed);
        Ok(packed)
    }
}

/// What goes before the compressor proper: nothing, or the filter for x86 code. Code gains up to nine
/// percent by it, data loses.
#[derive(Clone, Copy)]
enum Filter {
    Plain,
    X86,
}

/// Compressed with the better filter. The fastest preset tells which that is as well as the real one
/// does, at a fifth of the work.
fn smallest(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let trial = |filter| Ok::<usize, io::Error>(xz(bytes, filter, FASTEST)?.len());
    let filter = if trial(Filter::X86)? < trial(Filter::Plain)? { Filter::X86 } else { Filter::Plain };
    xz(bytes, filter, PRESET)
}

/// One xz stream with CRC32, the only check that kernels' decoders have.
fn xz(bytes: &[u8], filter: Filter, preset: u32) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::new_preset(preset)?;
    options.dict_size(BLOCK);
    let mut filters = Filters::new();
    if let Filter::X86 = filter {
        filters.x86();
    }
    filters.lzma2(&options);
    let stream = Stream::new_stream_encoder(&filters, Check::Crc32)?;
    let mut encoder = XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(bytes)?;
    encoder.finish()
}

impl CompressionAction for Blocks {
    type Error = BackhandError;
    type Compressor = Compressor;
    type FilesystemCompressor = FilesystemCompressor;
    type SuperBlock = SuperBlock;

    fn decompress(&self, bytes: &[u8], out: &mut Vec<u8>, compressor: Compressor) -> Result<(), BackhandError> {
        DefaultCompressor.decompress(bytes, out, compressor)
    }

    fn compress(&self, bytes: &[u8], _: FilesystemCompressor, _: u32) -> Result<Vec<u8>, BackhandError> {
        let digest = Sha256::of_bytes(bytes);
        let known = self.lock().get(&digest).cloned();
        known.map_or_else(|| Ok(self.pack(&digest, bytes)?), Ok)
    }

    fn compression_options(
        &self,
        superblock: &mut SuperBlock,
        format: &Format,
        compressor: FilesystemCompressor,
    ) -> Result<Option<Vec<u8>>, BackhandError> {
        DefaultCompressor.compression_options(superblock, format, compressor)
    }
}
