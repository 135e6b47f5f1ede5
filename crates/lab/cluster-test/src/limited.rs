//! Work with a limit: when it is reached, or at Ctrl-C, all ends that the work waits for. A panic is an error like any other.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use common::{command, stop};

/// Whether work that has overrun was already given the time to leave all as it was.
static GIVEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How many parts this thread is in.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// How often it is looked at the time.
const INTERVAL: Duration = Duration::from_millis(200);

/// Does the work. What overruns is told to give up; once its outermost [`part`] has failed, it has the same time once more to
/// leave all as it was.
pub fn limited<T>(limit: Duration, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let overran = AtomicBool::new(false);
    let worked = thread::scope(|scope| {
        let (working, over) = mpsc::channel::<()>();
        scope.spawn(|| {
            let over = over;
            let mut next = Instant::now() + limit;
            while over.recv_timeout(INTERVAL.min(limit)) == Err(RecvTimeoutError::Timeout) {
                if Instant::now() >= next {
                    next += limit;
                    overran.store(true, Ordering::Relaxed);
                    stop::set_overrun(true);
                }
                // Again and again, for what was started meanwhile.
                if stop::wanted().is_some() {
                    command::end_all();
                }
            }
        });
        // Dropped when the work is done.
        let _working = working;
        caught(work)
    });
    stop::set_overrun(false);
    GIVEN.store(false, Ordering::Relaxed);
    if !overran.into_inner() {
        return worked;
    }
    let late = format!("not done after {}", humantime::format_duration(limit));
    Err(match worked {
        Ok(_) => anyhow!(late),
        Err(error) => error.context(late),
    })
}

/// Does a part of limited work, which may have parts itself.
pub fn part<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    DEPTH.set(DEPTH.get() + 1);
    let done = caught(work);
    DEPTH.set(DEPTH.get() - 1);
    let has_given_up = done.is_err() && DEPTH.get() == 0 && stop::is_overrun();
    if has_given_up && !GIVEN.swap(true, Ordering::Relaxed) {
        stop::set_overrun(false);
    }
    done
}

/// With a panic as an error.
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("it panicked: {}", said.unwrap_or("without a word")))
    })
}

/// Does the work, and sets the flag that others wait for however it ends: they would wait for ever where it panics.
pub fn then_set<T>(flag: &AtomicBool, work: impl FnOnce() -> T) -> T {
    struct Setting<'a>(&'a AtomicBool);
    impl Drop for Setting<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let _setting = Setting(flag);
    work()
}
