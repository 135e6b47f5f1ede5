//! One writer of a switch's state at a time. What lies side by side in a directory is one state, and whoever writes any of it holds
//! that directory's lock: PKI with the table of nodes' keys, kubeconfigs, the key of Secrets. The first writer wins: who has waited
//! looks at what is there by then.
//!
//! It is the directory itself that is locked. So there is no file of the lock's that a full flash would refuse, and the kernel lets
//! go of it however its holder ends.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use common::{
    files,
    retry::{self, Failed},
};

/// Longer than all keys of a PKI take to make on a slow switch.
const LIMIT: Duration = Duration::from_secs(5 * 60);
const INTERVAL: Duration = Duration::from_millis(20);

/// Nobody else writes until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct StateLock {
    _directory: File,
}

/// Why a lock was not got: the others have it.
#[derive(Debug, thiserror::Error)]
#[error("another k8s-node holds its lock: see `ps`, end it where it hangs")]
pub struct LockHeld;

/// Waits for the lock of what is in a directory, which is made where it is not there.
pub fn lock_directory(place: &Path) -> Result<StateLock> {
    lock_within(place, LIMIT)
}

/// The same for what lies beside a file, which need not be there yet.
pub fn lock_beside(file: &Path) -> Result<StateLock> {
    lock_directory(file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

/// The same for somebody who does not wait for so long.
pub fn lock_within(place: &Path, limit: Duration) -> Result<StateLock> {
    files::create_dir(place)?;
    let directory = File::open(place).with_context(|| format!("cannot open the directory {}", place.display()))?;
    retry::until(&format!("nobody else writes in {}", place.display()), limit, INTERVAL, || {
        directory.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Failed::NotYet(LockHeld.into()),
            TryLockError::Error(error) => Failed::Stop(
                anyhow::Error::new(error).context(format!("cannot lock the directory {}", place.display())),
            ),
        })
    })?;
    if !is_at(&directory, place)? {
        bail!("{} was removed while others were waited for: run again", place.display());
    }
    Ok(StateLock { _directory: directory })
}

/// Whether it is still this directory that has the name.
fn is_at(directory: &File, place: &Path) -> Result<bool> {
    let of = |found: io::Result<std::fs::Metadata>| found.map(|found| (found.dev(), found.ino()));
    let held = of(directory.metadata()).with_context(|| format!("cannot look at {}", place.display()))?;
    Ok(of(place.metadata()).ok() == Some(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_side_by_side_has_one_lock_and_who_waits_in_vain_is_told_for_what() {
        let directory = tempfile::tempdir().unwrap();
        let [pki, key] = ["pki", "state/key"].map(|name| directory.path().join(name));
        let held = lock_beside(&key).unwrap();
        drop(lock_directory(&pki).unwrap());
        let place = key.parent().unwrap();
        let error = format!("{:#}", lock_within(place, Duration::from_millis(50)).unwrap_err());
        assert!(error.starts_with(&format!("nobody else writes in {}: not within", place.display())), "{error}");
        assert!(error.contains("another k8s-node holds its lock"), "{error}");
        drop(held);
        drop(lock_directory(place).unwrap());
        assert_eq!(place.read_dir().unwrap().count(), 0, "a lock leaves no file");
    }

    #[test]
    fn who_waited_for_a_directory_that_is_removed_writes_to_no_other_one() {
        let directory = tempfile::tempdir().unwrap();
        let pki = directory.path().join("pki");
        let held = lock_directory(&pki).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| lock_directory(&pki).map(drop));
            std::thread::sleep(Duration::from_millis(200));
            std::fs::remove_dir(&pki).unwrap();
            drop(held);
            let error = waiting.join().unwrap().unwrap_err().to_string();
            assert!(error.contains("was removed while others were waited for"), "{error}");
        });
    }
}
