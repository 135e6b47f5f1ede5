//! Files that are there whole or not at all: written beside, synced, renamed.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
};

use anyhow::{Context, Result};

pub use crate::removal::remove_tree;

/// How the name of a file begins while it is being written.
pub const UNFINISHED: &str = ".new-";

/// Creates a directory and the ones above it.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot create the directory {}", path.display()))
}

pub fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

pub fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read(path)?).ok().with_context(|| format!("{} is no text: it is not UTF-8", path.display()))
}

/// Writes a file of mode 0644 so that readers, also after a power cut, find the old one or the new one.
pub fn write_atomically(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    replace(path, |file| file.write_all(contents.as_ref()))
}

/// Copies a file under the same promise, keeping its permissions.
pub fn copy_atomically(from: &Path, to: &Path) -> Result<()> {
    let mut source = fs::File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
    let permissions = source.metadata()?.permissions();
    replace(to, |file| {
        io::copy(&mut source, file)?;
        file.set_permissions(permissions)
    })
}

/// Lets `fill` write a new file beside `path`, then puts it in its place.
pub fn replace(path: &Path, fill: impl FnOnce(&mut fs::File) -> io::Result<()>) -> Result<()> {
    replace_by(path, UNFINISHED.as_ref(), fill)
}

/// The same for a file that one process at a time writes, in a directory that is not ours: what one that was killed has left of this
/// file goes first.
pub fn replace_alone(path: &Path, fill: impl FnOnce(&mut fs::File) -> io::Result<()>) -> Result<()> {
    let name = path.file_name().with_context(|| format!("{} names no file", path.display()))?;
    let mut prefix = OsString::from(UNFINISHED);
    prefix.push(name);
    prefix.push(".");
    let directory = directory_of(path);
    if let Ok(there) = directory.read_dir() {
        for entry in there.flatten().filter(|entry| {
            let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
            is_file && entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
        }) {
            let left = entry.path();
            fs::remove_file(&left).with_context(|| format!("cannot remove {}, which was left", left.display()))?;
        }
    }
    replace_by(path, &prefix, fill)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn replace_by(path: &Path, prefix: &OsStr, fill: impl FnOnce(&mut fs::File) -> io::Result<()>) -> Result<()> {
    let directory = directory_of(path);
    create_dir(directory)?;
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(prefix).tempfile_in(directory)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        fill(file.as_file_mut())?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|failed| failed.error)?;
        fs::File::open(directory)?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Mode 0644.
    Everyone,
    /// Mode 0600 from the moment that the file exists.
    Owner,
}

/// A file that is to be in a directory.
pub struct NewFile<'a> {
    pub name: &'a str,
    pub access: Access,
    pub contents: &'a [u8],
}

/// Writes one file of mode 0600 under the same promise, and its directory where there is none.
pub fn write_for_owner(path: &Path, contents: &[u8]) -> Result<()> {
    let (directory, name) =
        path.parent().zip(path.file_name().and_then(|name| name.to_str())).context("a path without a file name")?;
    create_dir(directory)?;
    write_together(directory, &[NewFile { name, access: Access::Owner, contents }])
}

/// Writes files into one directory under the same promise for each of them. All of them are on the disk when
/// this returns; a power cut before leaves any of them new and the others old.
pub fn write_together(directory: &Path, files: &[NewFile]) -> Result<()> {
    let unfinished = |file: &NewFile| -> io::Result<tempfile::NamedTempFile> {
        // Made with mode 0600.
        let mut unfinished = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
        if file.access == Access::Everyone {
            unfinished.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        }
        unfinished.write_all(file.contents)?;
        unfinished.as_file().sync_all()?;
        Ok(unfinished)
    };
    let cannot = |file: &NewFile| format!("cannot write {}", directory.join(file.name).display());
    // Side by side: a file system writes what several wait for at once.
    let written: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = files.iter().map(|file| scope.spawn(|| unfinished(file))).collect();
        let died = || io::Error::other("the thread that wrote it died");
        writers.into_iter().map(|writer| writer.join().unwrap_or_else(|_| Err(died()))).collect()
    });
    let written: Vec<_> = files
        .iter()
        .zip(written)
        .map(|(file, written)| written.with_context(|| cannot(file)))
        .collect::<Result<_>>()?;
    for (file, unfinished) in files.iter().zip(written) {
        let placed = unfinished.persist(directory.join(file.name)).map_err(|failed| failed.error);
        placed.with_context(|| cannot(file))?;
    }
    let sync = fs::File::open(directory).and_then(|directory| directory.sync_all());
    sync.with_context(|| format!("cannot write {}", directory.display()))
}

/// Copies a file or a tree: files with their permissions, links as links.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in walkdir::WalkDir::new(from).sort_by_file_name() {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let inside = entry.path().strip_prefix(from)?;
        // Joining nothing would leave a slash behind a file's name.
        let target = if inside.as_os_str().is_empty() { to.to_owned() } else { to.join(inside) };
        let copy = || -> io::Result<()> {
            if entry.file_type().is_dir() {
                fs::create_dir_all(&target)
            } else if entry.file_type().is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(entry.path())?, &target)
            } else {
                fs::copy(entry.path(), &target).map(drop)
            }
        };
        copy().with_context(|| format!("cannot copy {} to {}", entry.path().display(), target.display()))?;
    }
    Ok(())
}

/// The size of all files below `path`, in bytes.
pub fn tree_size(path: &Path) -> u64 {
    let files = walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok);
    files.filter_map(|entry| entry.metadata().ok()).filter(|meta| meta.is_file()).map(|meta| meta.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        write_atomically(&path, "old").unwrap();
        let failed = replace(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the disk is full"))
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("the disk is full"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next_write_of_that_file_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("backup");
        for name in [".new-backup.Xa7f2Q", ".new-other.Xa7f2Q", ".new-backups", "backup.old"] {
            fs::write(dir.path().join(name), "half").unwrap();
        }
        replace_alone(&path, |file| file.write_all(b"whole")).unwrap();
        let mut names: Vec<_> =
            dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, [".new-backups", ".new-other.Xa7f2Q", "backup", "backup.old"]);
    }

    #[test]
    fn files_that_are_written_together_have_the_modes_that_were_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name, access| NewFile { name, access, contents: b"new" };
        write_together(dir.path(), &[file("open", Access::Everyone), file("secret", Access::Owner)]).unwrap();
        for (name, mode) in [("open", 0o644), ("secret", 0o600)] {
            assert_eq!(fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777, mode, "{name}");
        }
        let failed = write_together(&dir.path().join("missing"), &[file("x", Access::Owner)]).unwrap_err();
        assert!(format!("{failed:#}").contains("missing/x"), "{failed:#}");
    }

    #[test]
    fn a_file_and_a_tree_are_copied_with_modes_and_links() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("below")).unwrap();
        fs::write(tree.join("below/program"), "x").unwrap();
        fs::set_permissions(tree.join("below/program"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("below/program", tree.join("link")).unwrap();
        copy_tree(&tree, &dir.path().join("copy")).unwrap();
        copy_tree(&tree.join("below/program"), &dir.path().join("alone")).unwrap();
        assert_eq!(fs::read_link(dir.path().join("copy/link")).unwrap(), Path::new("below/program"));
        for copied in ["copy/below/program", "alone"] {
            assert_eq!(fs::metadata(dir.path().join(copied)).unwrap().permissions().mode() & 0o777, 0o755, "{copied}");
        }
    }
}
