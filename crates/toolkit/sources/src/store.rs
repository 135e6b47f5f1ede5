//! The store: files named by their digest, `<cache>/blobs/<sha256>`. A blob is there whole and right
//! or not at all, and it is hashed again when it is used. What is on its way is in `<cache>/partial`.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, ErrorKind, Seek},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::{
    Sha256, files,
    lock::{self, After, Lock},
};

use crate::error::PinMismatch;

/// How the name of a file begins whose digest is not known yet.
const SCRATCH: &str = ".new-";

/// Held while such a file is made, and while those that nobody uses are removed.
const SCRATCH_LOCK: &str = "scratch.lock";

#[derive(Debug, Clone)]
pub struct Store {
    cache: PathBuf,
}

/// A blob on its way, locked against other threads and processes. What a killed download left is still there.
#[derive(Debug)]
pub struct Partial {
    path: PathBuf,
    _lock: Lock,
}

impl Partial {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes have come so far.
    pub fn len(&self) -> u64 {
        file_size(&self.path).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Store {
    /// Opens the store of that cache directory, making what is not there yet.
    pub fn open(cache: &Path) -> Result<Self> {
        for directory in ["blobs", "partial", "git", "apt"] {
            files::create_dir(&cache.join(directory))?;
        }
        let cache = fs::canonicalize(cache).with_context(|| format!("cannot find {}", cache.display()))?;
        Ok(Store { cache })
    }

    /// A directory of the cache where an origin keeps what it knows.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        self.cache.join(name)
    }

    /// Where the blob is, or would be.
    pub fn path(&self, digest: &Sha256) -> PathBuf {
        self.cache.join("blobs").join(digest.to_string())
    }

    /// Whether the blob is there. That it is undamaged is seen when it is opened.
    pub fn has(&self, digest: &Sha256) -> bool {
        self.size(digest).is_some()
    }

    pub fn size(&self, digest: &Sha256) -> Option<u64> {
        file_size(&self.path(digest))
    }

    /// Opens a blob whose bytes have just been hashed. A damaged one is removed and counts as missing.
    pub fn open_verified(&self, digest: &Sha256) -> Result<Option<File>> {
        let path = self.path(digest);
        let open = || -> io::Result<Option<File>> {
            let mut file = match File::open(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            if Sha256::of_reader(&file)? != *digest {
                fs::remove_file(&path)?;
                return Ok(None);
            }
            file.rewind()?;
            Ok(Some(file))
        };
        open().with_context(|| format!("cannot read {}", path.display()))
    }

    /// Moves `file` into the store if its digest is the expected one; removes it if it is not.
    /// `what` is what the error calls it. Returns its size.
    pub fn insert(&self, file: &Path, expected: &Sha256, what: &str) -> Result<u64> {
        let found = Sha256::of_file(file).with_context(|| format!("cannot read {}", file.display()))?;
        if found != *expected {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
            let (expected, found) = (format!("sha256 {expected}"), format!("sha256 {found}"));
            return Err(PinMismatch { what: what.to_owned(), expected, found }.into());
        }
        self.put(file, expected)
    }

    /// Moves a file that this tool has made itself into the store.
    pub(crate) fn add(&self, file: &Path) -> Result<(Sha256, u64)> {
        let digest = Sha256::of_file(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok((digest, self.put(file, &digest)?))
    }

    fn put(&self, file: &Path, digest: &Sha256) -> Result<u64> {
        let path = self.path(digest);
        if file.is_symlink() {
            // A mirror on this machine's own disk: the file stays where it is.
            files::copy_atomically(file, &path)?;
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        let put = || -> io::Result<u64> {
            if !path.exists() || file.exists() {
                let handle = File::open(file)?;
                handle.set_permissions(fs::Permissions::from_mode(0o644))?;
                handle.sync_all()?;
                fs::rename(file, &path)?;
                File::open(self.directory("blobs"))?.sync_all()?;
            }
            Ok(fs::metadata(&path)?.len())
        };
        put().with_context(|| format!("cannot put {} into the store", file.display()))
    }

    /// Removes every blob but those; returns how many bytes that freed.
    pub fn retain(&self, used: &BTreeSet<Sha256>) -> Result<u64> {
        let mut freed = 0;
        let blobs = self.directory("blobs");
        for entry in fs::read_dir(&blobs).with_context(|| format!("cannot read {}", blobs.display()))?.flatten() {
            let digest = entry.file_name().to_string_lossy().parse::<Sha256>();
            if digest.is_ok_and(|digest| used.contains(&digest)) {
                continue;
            }
            freed += file_size(&entry.path()).unwrap_or(0);
            files::remove_tree(&entry.path())?;
        }
        Ok(freed)
    }

    /// Waits until nobody else is fetching that blob, and then hands out the place to fetch it to.
    pub fn partial(&self, digest: &Sha256) -> Result<Partial> {
        let directory = self.cache.join("partial");
        let lock = Lock::acquire(&directory.join(format!("{digest}.lock")), After::Removed, |_| {})?;
        Ok(Partial { path: directory.join(digest.to_string()), _lock: lock })
    }

    /// A new file to build a blob in whose digest is not known yet. It is locked as long as it is in use.
    pub(crate) fn scratch(&self) -> Result<tempfile::NamedTempFile> {
        let directory = self.cache.join("partial");
        let _alone = lock_scratch(&directory)?;
        let make = || {
            let file = tempfile::Builder::new().prefix(SCRATCH).tempfile_in(&directory)?;
            lock::mark(file.as_file())?;
            io::Result::Ok(file)
        };
        make().with_context(|| format!("cannot write in {}", directory.display()))
    }

    /// Removes the blobs that killed runs were building. A download that was cut off stays: it is resumed.
    pub fn sweep(&self) -> Result<()> {
        let directory = self.cache.join("partial");
        let _alone = lock_scratch(&directory)?;
        for entry in fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?.flatten()
        {
            let is_scratch = entry.file_name().to_string_lossy().starts_with(SCRATCH);
            if is_scratch && lock::is_abandoned(&entry.path()) == Some(true) {
                files::remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn lock_scratch(directory: &Path) -> Result<Lock> {
    Lock::acquire(&directory.join(SCRATCH_LOCK), After::Removed, |_| {})
}

fn file_size(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|meta| meta.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        (dir, store)
    }

    #[test]
    fn a_file_with_another_digest_is_refused_and_removed() {
        let (dir, store) = store();
        let file = dir.path().join("file");
        fs::write(&file, "something else").unwrap();
        let expected = Sha256::of_bytes("the archive");
        let error = store.insert(&file, &expected, "the archive").unwrap_err();
        let found = Sha256::of_bytes("something else").to_string();
        assert!(error.downcast_ref::<PinMismatch>().is_some());
        assert!(error.to_string().contains(&expected.to_string()) && error.to_string().contains(&found), "{error}");
        assert!(!file.exists() && !store.has(&expected));
    }

    #[test]
    fn a_damaged_blob_is_removed_and_counts_as_missing() {
        let (dir, store) = store();
        let file = dir.path().join("file");
        fs::write(&file, "the archive").unwrap();
        let digest = Sha256::of_bytes("the archive");
        store.insert(&file, &digest, "the archive").unwrap();
        assert!(store.open_verified(&digest).unwrap().is_some());
        fs::write(store.path(&digest), "the arcXive").unwrap();
        assert!(store.open_verified(&digest).unwrap().is_none());
        assert!(!store.has(&digest));
    }
}
