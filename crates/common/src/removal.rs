//! Trees removed, and never what is mounted in them.
//!
//! The kernel lets nobody remove a mount point, but who walks down from above passes it and removes what is behind it: a
//! pod's volume, a server's export. So nothing at all is removed while anything is mounted at a tree or below it. And for
//! what is mounted after this was asked, every directory is opened first, is asked for the mount that it is on, and is emptied
//! through what was opened: what is mounted over it meanwhile stays out of reach. Mounts are compared by their number, as
//! a part of the same file system can be bound into a tree, too, and has the same device. No link is followed.

use std::{
    ffi::{CStr, CString, OsStr},
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use anyhow::{Context, Result, bail};
use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, chmod, fstat, openat, statat, unlinkat},
    io::Errno,
};

use crate::mounts;

/// Removes a directory with everything in it, also where directories are read-only (Go's module cache and unpacked packages have
/// such); nothing there is fine. Removes nothing while anything is mounted in it.
pub fn remove_tree(path: &Path) -> Result<()> {
    let cannot = || format!("cannot remove {}", path.display());
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(cannot),
        Ok(found) if !found.is_dir() => return fs::remove_file(path).with_context(cannot),
        Ok(_) => {}
    }
    let mounted = mounts::at_or_below(path)?;
    if !mounted.is_empty() {
        let places: Vec<String> = mounted.iter().map(|mount| mount.place.display().to_string()).collect();
        bail!(
            "nothing of {} is removed, because what is mounted there would be removed with it: unmount {} first",
            path.display(),
            places.join(", ")
        );
    }
    remove_unmounted(path)
}

/// Removes a tree up to whatever is mounted in it.
fn remove_unmounted(path: &Path) -> Result<()> {
    let cannot = || format!("cannot remove {}", path.display());
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().with_context(cannot)?;
    let above =
        openat(CWD, above, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).with_context(cannot)?;
    let mount = mounts::number(&above)?;
    remove_directory(above.as_fd(), &CString::new(name.as_bytes())?, mount, path)
}

/// `path` is what the directory is called in errors.
fn remove_directory(above: BorrowedFd<'_>, name: &CStr, mount: u64, path: &Path) -> Result<()> {
    let cannot = || format!("cannot remove {}", path.display());
    let Some(directory) = open(above, name, mount, path)? else { return Ok(()) };
    for (name, is_directory) in entries(&directory).with_context(|| format!("cannot read {}", path.display()))? {
        let path = path.join(OsStr::from_bytes(name.to_bytes()));
        if is_directory {
            remove_directory(directory.as_fd(), &name, mount, &path)?;
        } else if let Err(error) = unlinkat(&directory, &name, AtFlags::empty())
            && error != Errno::NOENT
        {
            return Err(error).with_context(|| format!("cannot remove {}", path.display()));
        }
    }
    unlinkat(above, name, AtFlags::REMOVEDIR).with_context(cannot)
}

/// Opens a directory that is on this mount and makes it writable; none where there is none any more.
fn open(above: BorrowedFd<'_>, name: &CStr, mount: u64, path: &Path) -> Result<Option<OwnedFd>> {
    let cannot = || format!("cannot look into {}", path.display());
    let look = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = match openat(above, name, look, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        found => found.with_context(cannot)?,
    };
    if mounts::number(&found)? != mount {
        bail!("{} is mounted from elsewhere, and what is behind it is not removed: unmount it first", path.display());
    }
    let mode = Mode::from_raw_mode(fstat(&found).with_context(cannot)?.st_mode);
    if !mode.contains(Mode::RWXU) {
        // What is opened only to be looked at is changed by its path in /proc alone.
        chmod(format!("/proc/thread-self/fd/{}", found.as_raw_fd()), mode | Mode::RWXU).with_context(cannot)?;
    }
    // The same directory once more, now to be read: a dot does not lead into what is mounted over it.
    let read = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(Some(openat(&found, c".", read, Mode::empty()).with_context(cannot)?))
}

/// The names in a directory, each with whether it is a directory itself.
fn entries(directory: &OwnedFd) -> rustix::io::Result<Vec<(CString, bool)>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => FileType::from_raw_mode(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode),
            kind => kind,
        };
        entries.push((name.to_owned(), kind == FileType::Directory));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
