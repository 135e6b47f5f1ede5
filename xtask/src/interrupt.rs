//! Ctrl-C, and a polite end, for verbs that have something to take away first. The programs that are running are ended
//! by the same keys; whoever started them sees them fail.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

static CAME: AtomicBool = AtomicBool::new(false);

/// From now on it does not end this process.
pub fn watch() -> Result<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    ctrlc::set_handler(|| CAME.store(true, Ordering::Relaxed)).context("cannot watch for Ctrl-C")
}

/// Whether it came.
pub fn came() -> bool {
    CAME.load(Ordering::Relaxed)
}
