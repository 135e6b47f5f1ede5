//! One at a time: a prefix belongs to the process that raised its lab, for as long as it holds on to it.

use std::{
    fs::{self, File, TryLockError},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use common::files;

/// What is known of labs and does not survive a reboot of this machine.
const DIRECTORY: &str = "/run/kubernetes-on-eos";

/// Held until it is dropped, or its process ends however it does.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// The directory for what a lab of that prefix needs while it is up.
pub(super) fn directory(prefix: &str) -> PathBuf {
    Path::new(DIRECTORY).join(prefix)
}

impl Lock {
    /// Fails where another process has the prefix.
    pub(super) fn of_prefix(prefix: &str) -> Result<Lock> {
        Self::at(&Path::new(DIRECTORY).join(format!("{prefix}.lock")), |holder| {
            format!("another process is using the prefix {prefix}: {holder}; wait for it, or use another prefix")
        })
    }

    /// Waits until no other process gives stand-ins docker-topo's names.
    pub(super) fn of_tags() -> Result<Lock> {
        let (path, file) = open(&Path::new(DIRECTORY).join("image-tags.lock"))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(Lock { _file: file })
    }

    fn at(path: &Path, refusal: impl Fn(&str) -> String) -> Result<Lock> {
        let (path, mut file) = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).unwrap_or_default();
                bail!(refusal(holder.trim()));
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        let command: Vec<_> = std::env::args().collect();
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "process {}, `{}`", std::process::id(), command.join(" "))?;
        Ok(Lock { _file: file })
    }
}

/// The file stays: to remove it would let two processes lock two files of one name.
fn open(path: &Path) -> Result<(PathBuf, File)> {
    if let Some(directory) = path.parent() {
        files::create_dir(directory).context("labs need root")?;
    }
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    Ok((path.to_owned(), file.with_context(|| format!("cannot open {}", path.display()))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_second_is_told_who_came_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("k.lock");
        let refusal = |holder: &str| format!("in use: {holder}");
        let first = Lock::at(&path, refusal).unwrap();
        let error = Lock::at(&path, refusal).unwrap_err().to_string();
        assert!(error.starts_with(&format!("in use: process {}", std::process::id())), "{error}");
        drop(first);
        Lock::at(&path, refusal).unwrap();
    }
}
