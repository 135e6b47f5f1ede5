//! One at a time: a prefix belongs to the process that brought its lab up, for as long as it holds on to it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use common::{
    files,
    lock::{After, Lock, Tried},
};

/// What is known of labs and does not survive a reboot of this machine.
const DIRECTORY: &str = "/run/kubernetes-on-eos";

/// The directory for what a lab of that prefix needs while it is up.
pub(super) fn directory(prefix: &str) -> PathBuf {
    Path::new(DIRECTORY).join(prefix)
}

/// Fails where another process has the prefix.
pub(super) fn of_prefix(prefix: &str) -> Result<Lock> {
    at(&in_directory(&format!("{prefix}.lock"))?, |holder| {
        format!("another process is using the prefix {prefix}: {holder}; wait for it, or use another prefix")
    })
}

/// Waits until no other process gives stand-ins docker-topo's names.
pub(super) fn of_tags() -> Result<Lock> {
    Lock::acquire(&in_directory("image-tags.lock")?, After::Stays, |_| {})
}

fn at(path: &Path, refusal: impl Fn(&str) -> String) -> Result<Lock> {
    match Lock::try_acquire(path, After::Stays)? {
        Tried::Got(lock) => Ok(lock),
        Tried::HeldBy(holder) => bail!(refusal(&holder)),
    }
}

fn in_directory(name: &str) -> Result<PathBuf> {
    files::create_dir(Path::new(DIRECTORY)).context("labs need root")?;
    Ok(Path::new(DIRECTORY).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_second_is_told_who_came_first() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("k.lock");
        let refusal = |holder: &str| format!("in use: {holder}");
        let first = at(&path, refusal).unwrap();
        let error = at(&path, refusal).unwrap_err().to_string();
        assert!(error.starts_with(&format!("in use: process {}", std::process::id())), "{error}");
        drop(first);
        at(&path, refusal).unwrap();
    }
}
