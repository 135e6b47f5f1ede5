//! Whoever waits gives up: in a process of its own, as other tests' waits would end, too.

#![allow(clippy::unwrap_used)]

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use common::{
    lock::{After, Lock},
    retry::{self, Failed},
    stop,
};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Waits for what does not come, with an hour between two tries.
fn wait() -> String {
    let began = Instant::now();
    let error = retry::until("s1 answers", HOUR, HOUR, || -> Result<(), Failed> { Err(anyhow!("refused").into()) });
    assert!(began.elapsed() < Duration::from_secs(20), "it went on for {:?}", began.elapsed());
    format!("{:#}", error.unwrap_err())
}

#[test]
fn a_wait_ends_when_its_time_is_up_or_at_ctrl_c_and_says_in_what_it_was() {
    let later = |set: fn()| {
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            set();
        })
    };
    let set = later(|| stop::set_overrun(true));
    assert_eq!(wait(), "its time was up while this was waited for: s1 answers: refused");
    set.join().unwrap();
    assert!(stop::pause(HOUR).is_err());
    stop::set_overrun(false);
    stop::pause(Duration::from_millis(1)).unwrap();
    let set = later(|| {
        stop::interrupt();
    });
    assert_eq!(wait(), "interrupted while this was waited for: s1 answers: refused");
    // What is free can be had for what is left to do, and what is not is not waited for.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lock");
    let acquire = || Lock::acquire_within(&path, After::Removed, HOUR, "it is free", |_| {});
    let _lock = acquire().unwrap();
    let error = format!("{:#}", acquire().unwrap_err());
    assert!(error.starts_with("interrupted while this was waited for: it is free: "), "{error}");
    set.join().unwrap();
    assert!(stop::is_interrupted() && stop::interrupt());
}
