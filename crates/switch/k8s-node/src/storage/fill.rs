//! A state's file, made: written to its whole size, so that no table of the flash changes later, filled with what is there, read
//! back, and only then given the label that says it is the state.
//!
//! The label is in one sector of the file. A rename would be two entries of a FAT, and a power cut could leave both or none.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, Result, ensure};
use common::{digest::Sha256, files};
use contract::places;
use rustix::fs::{Advice, fadvise, syncfs};

use super::{LABEL, UNFINISHED_LABEL, before, ext4, flash, marker::Id, mount};

const MIB: usize = 1 << 20;

/// What is not taken over from a directory: images are the operator's and stay plain, the probe is written at every boot.
const NOT_TAKEN: [&str; 4] = ["images", "written-at-boot", "lost+found", before::TAKEN];

/// Whether this switch can do it at all, found out in memory: the flash is not written for nothing, again and again.
pub fn try_out() -> Result<()> {
    files::create_dir(places::RUN.as_ref())?;
    let file = tempfile::NamedTempFile::new_in(places::RUN).context("cannot make a file in memory")?;
    let trying = || -> Result<()> {
        file.as_file().set_len(ext4::GROUP)?;
        ext4::make(file.as_file(), Id::random()?.0, UNFINISHED_LABEL, 0)?;
        mount::mount(file.path(), places::NEW_STATE.as_ref())?;
        let written = fs::write(Path::new(places::NEW_STATE).join("tried"), "tried");
        mount::unmount(file.path(), places::NEW_STATE.as_ref())?;
        Ok(written?)
    };
    trying().context("a file system in a file cannot be used on this switch")
}

/// Makes the file, of `size` bytes, with what is in `from`. `begin` puts into it what is to be there from its first moment.
pub fn make(
    size: u64,
    from: Option<&Path>,
    begin: impl FnOnce(&Path) -> Result<()>,
    mut say: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let file = Path::new(places::STATE_FILE);
    let made = write(file, size, &mut say).and_then(|()| {
        say("puts the state into its file")?;
        fill(file, from, begin)
    });
    if made.is_err() {
        // What failed is told; the file is of no use to anybody, and takes room.
        let _ = mount::unmount(file, places::NEW_STATE.as_ref());
        let _ = discard(file);
    }
    made
}

fn write(file: &Path, size: u64, say: &mut impl FnMut(&str) -> Result<()>) -> Result<()> {
    files::create_dir(places::PLAIN.as_ref())?;
    let open = File::options().read(true).write(true).create(true).truncate(true).open(file);
    let mut open = open.with_context(|| format!("cannot make {}", file.display()))?;
    flash::sync(places::FLASH.as_ref())?;
    lengthen(&mut open, 0, size, say)
        .with_context(|| format!("cannot write {} MiB into {}", size >> 20, file.display()))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let made = ext4::make(&open, Id::random()?.0, UNFINISHED_LABEL, u32::try_from(now.as_secs()).unwrap_or(u32::MAX));
    made.with_context(|| format!("cannot make a file system in {}", file.display()))
}

/// Zeros from the end of what counts up to this size, on the medium: a file with holes would change the flash's tables whenever one is
/// filled. What a power cut has left behind that end is written anew: it may be what another file had there.
pub fn lengthen(file: &mut File, end: u64, size: u64, say: &mut impl FnMut(&str) -> Result<()>) -> Result<()> {
    let zeros = vec![0; MIB];
    let mut at = io::Seek::seek(file, io::SeekFrom::Start(end))?;
    while at < size {
        if at.is_multiple_of(64 * MIB as u64) {
            say(&format!("writes the state's file: {} of {} MiB", at >> 20, size >> 20))?;
            file.sync_data()?;
        }
        let chunk = usize::try_from(size - at).unwrap_or(MIB).min(MIB);
        file.write_all(&zeros[..chunk])?;
        if at == 0 {
            // Where the superblock will be: nobody takes what another file had there for it.
            file.sync_all()?;
        }
        at += chunk as u64;
    }
    Ok(file.sync_all()?)
}

/// Removes a file with what says that it is one of ours: where its blocks come back in another one, that is not taken for it.
pub fn discard(file: &Path) -> Result<()> {
    let open = match File::options().write(true).open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        open => open,
    };
    let length = |open: &File| Ok::<_, io::Error>(usize::try_from(open.metadata()?.len()).unwrap_or(MIB).min(MIB));
    let removed = open.and_then(|open| {
        open.write_all_at(&vec![0; length(&open)?], 0)?;
        open.sync_all()?;
        fs::remove_file(file)
    });
    removed.with_context(|| format!("cannot remove {}", file.display()))
}

fn fill(file: &Path, from: Option<&Path>, begin: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let place = Path::new(places::NEW_STATE);
    mount::mount(file, place)?;
    begin(place)?;
    if let Some(from) = from {
        copy(from, place)?;
    }
    let open = File::open(place).with_context(|| format!("cannot open {}", place.display()))?;
    syncfs(&open).with_context(|| format!("cannot write {}", file.display()))?;
    drop(open);
    mount::unmount(file, place)?;
    if let Some(from) = from {
        read_from_medium(file).with_context(|| format!("cannot read {}", file.display()))?;
        mount::mount_read_only(file, place)?;
        verify(from, place)?;
        mount::unmount(file, place)?;
    }
    let superblock =
        mount::superblock(file)?.with_context(|| format!("{} has lost its file system", file.display()))?;
    if let Some(from) = from {
        before::taken(from, Id(superblock.uuid()))?;
    }
    let open = File::options().read(true).write(true).open(file);
    let done = open.and_then(|open| superblock.relabel(&open, LABEL));
    done.with_context(|| format!("cannot write {}", file.display()))
}

/// What is read of it from now on comes from the medium.
fn read_from_medium(file: &Path) -> io::Result<()> {
    let open = File::options().read(true).write(true).open(file)?;
    open.sync_all()?;
    Ok(fadvise(&open, 0, None, Advice::DontNeed)?)
}

/// Everything below a directory, for its owner alone, as it has come from a flash that everybody's group reads.
fn copy(from: &Path, to: &Path) -> Result<()> {
    for (name, source) in entries(from)? {
        let target = to.join(&name);
        let kind = source.symlink_metadata().with_context(|| format!("cannot look at {}", source.display()))?;
        if kind.is_dir() {
            fs::create_dir_all(&target)
                .and_then(|()| fs::set_permissions(&target, Permissions::from_mode(0o700)))
                .with_context(|| format!("cannot make {}", target.display()))?;
            copy(&source, &target)?;
        } else {
            let copied = fs::copy(&source, &target).and_then(|_| {
                fs::set_permissions(&target, Permissions::from_mode(0o600))?;
                File::open(&target)?.sync_all()
            });
            copied.with_context(|| format!("cannot copy {} to {}", source.display(), target.display()))?;
        }
    }
    Ok(())
}

/// What is read back from the file is what is in the directory.
fn verify(from: &Path, to: &Path) -> Result<()> {
    for (name, source) in entries(from)? {
        let target = to.join(&name);
        if source.is_dir() {
            verify(&source, &target)?;
            continue;
        }
        let digest = |path: &Path| Sha256::of_file(path).with_context(|| format!("cannot read {}", path.display()));
        ensure!(digest(&source)? == digest(&target)?, "{} was not copied as it is", source.display());
    }
    Ok(())
}

/// Bytes of a directory that would be taken over.
pub fn size_of(from: &Path) -> Result<u64> {
    Ok(entries(from)?.iter().map(|(_, path)| files::tree_size(path)).sum())
}

/// Below the state's directory itself, what is taken over; elsewhere all, but for what nobody has finished.
fn entries(directory: &Path) -> Result<Vec<(std::ffi::OsString, PathBuf)>> {
    let reading = || format!("cannot read {}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let is_state = directory == Path::new(places::STATE);
        let is_left = text.starts_with(files::UNFINISHED) || is_state && NOT_TAKEN.contains(&text.as_ref());
        if !is_left {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}
