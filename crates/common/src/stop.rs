//! Whether whoever waits is to give up: Ctrl-C came, or what is being done has taken too long. One word for the whole process,
//! to which every wait of [`retry`](crate::retry) listens.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How soon a wait sees it.
const INTERVAL: Duration = Duration::from_millis(100);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static OVERRUN: AtomicBool = AtomicBool::new(false);

/// From now on nothing is waited for. Says whether it was so before.
pub fn interrupt() -> bool {
    INTERRUPTED.swap(true, Relaxed)
}

/// Whether the user wants it all to end.
pub fn is_interrupted() -> bool {
    INTERRUPTED.load(Relaxed)
}

/// Whether the time of what is being done is up; who has given it up, and goes on with something else, says no again.
pub fn set_overrun(is: bool) {
    OVERRUN.store(is, Relaxed);
}

pub fn is_overrun() -> bool {
    OVERRUN.load(Relaxed)
}

/// Why to give up, if so.
pub fn wanted() -> Option<&'static str> {
    match (is_interrupted(), is_overrun()) {
        (true, _) => Some("interrupted"),
        (false, true) => Some("its time was up"),
        (false, false) => None,
    }
}

/// Waits so long; fails at once when that is no longer wanted.
pub fn pause(time: Duration) -> Result<()> {
    let began = Instant::now();
    while let Some(left) = time.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) {
        if let Some(why) = wanted() {
            bail!(why);
        }
        thread::sleep(left.min(INTERVAL));
    }
    Ok(())
}
