//! The xtables lock, for versions of iptables-restore (before 1.6.2) that do not take it themselves.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What every version of iptables since 1.6 locks.
const PATH: &str = "/run/xtables.lock";
const EACH: Duration = Duration::from_millis(50);

/// Holds the lock as long as it lives. `None` where it could not be had within `limit`.
pub fn hold(limit: Duration) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(PATH)?;
    let until = Instant::now() + limit;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(EACH),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}
