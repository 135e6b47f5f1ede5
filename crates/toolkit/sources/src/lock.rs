//! A lock between threads and between processes: a file that exists while it is held.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Held until dropped; the kernel lets go of it when the process is killed.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    pub(crate) fn acquire(path: &Path) -> Result<Self> {
        let acquire = || -> io::Result<Self> {
            loop {
                let file = File::options().create(true).append(true).open(path)?;
                file.lock()?;
                // Whoever held it before has removed the file: what is locked here may be that old one.
                match fs::metadata(path) {
                    Ok(now) if now.ino() == file.metadata()?.ino() => {
                        return Ok(Lock { path: path.to_owned(), _file: file });
                    }
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        };
        acquire().with_context(|| format!("cannot lock {}", path.display()))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held; a file that stays behind does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_lock_is_held_by_one_at_a_time_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let (inside, entered) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _lock = Lock::acquire(&path).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        entered.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(entered.into_inner(), 160);
        assert!(!path.exists());
    }
}
