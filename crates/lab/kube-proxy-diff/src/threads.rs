//! Threads that all do the same.

use std::thread;

use anyhow::{Result, anyhow};

/// Does the same on so many threads, and returns what came of it on each.
pub fn side_by_side<T: Send>(threads: usize, work: impl Fn() -> Result<T> + Sync) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(&work)).collect();
        let ended =
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))));
        ended.collect()
    })
}
