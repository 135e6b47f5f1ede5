//! One writer of a switch's state at a time. What lies side by side in a directory is one state, and whoever writes any of it holds
//! that directory's lock: PKI, kubeconfigs, the key of Secrets. The first writer wins: who has waited looks at what is there by then.
//!
//! It is the directory itself that is locked. So there is no file of the lock's that a full flash would refuse, and the kernel lets
//! go of it however its holder ends.

use std::{
    fs::{File, TryLockError},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
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

/// Waits for the lock of the state that a file or a directory belongs to. It need not be there yet.
pub fn lock_of(path: &Path) -> Result<StateLock> {
    lock_within(path, LIMIT)
}

fn lock_within(path: &Path, limit: Duration) -> Result<StateLock> {
    let place = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    files::create_dir(place)?;
    let directory = File::open(place).with_context(|| format!("cannot open the directory {}", place.display()))?;
    retry::until(&format!("nobody else writes in {}", place.display()), limit, INTERVAL, || {
        directory.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                Failed::NotYet(anyhow!("another k8s-node holds its lock: see `ps`, end it where it hangs"))
            }
            TryLockError::Error(error) => Failed::Stop(
                anyhow::Error::new(error).context(format!("cannot lock the directory {}", place.display())),
            ),
        })
    })?;
    Ok(StateLock { _directory: directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_side_by_side_has_one_lock_and_who_waits_in_vain_is_told_for_what() {
        let directory = tempfile::tempdir().unwrap();
        let [pki, key] = ["pki", "state/key"].map(|name| directory.path().join(name));
        let held = lock_of(&pki).unwrap();
        drop(lock_of(&key).unwrap());
        let beside = directory.path().join("encryption-config.yaml");
        let error = format!("{:#}", lock_within(&beside, Duration::from_millis(50)).unwrap_err());
        let place = directory.path().display();
        assert!(error.starts_with(&format!("nobody else writes in {place}: not within")), "{error}");
        assert!(error.contains("another k8s-node holds its lock"), "{error}");
        drop(held);
        drop(lock_of(&beside).unwrap());
        assert_eq!(directory.path().read_dir().unwrap().count(), 1, "a lock leaves no file");
    }
}
