//! Everything that is run is ended at once: in a process of its own, as it would end other tests' programs, too.

#![allow(clippy::unwrap_used)]

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use common::command::{Program, end_all, end_all_now};

/// A test at a time: what is ended is all that runs.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn whoever_is_in_a_hurry_does_not_wait_for_what_does_not_end_politely() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let begun = dir.path().join("begun");
    let script = format!("trap '' TERM; touch {}; while :; do sleep 60; done", begun.display());
    let waits = thread::spawn(move || Program::new("sh", "wait").unwrap().args(["-c", &script]).read().unwrap_err());
    wait_for(&begun);
    let polite = thread::spawn(|| {
        end_all();
        Instant::now()
    });
    // The polite one has the lock by now.
    thread::sleep(Duration::from_millis(200));
    let asked = Instant::now();
    end_all_now();
    let took = asked.elapsed();
    assert!(waits.join().unwrap().to_string().contains("signal: 9"));
    assert!(took < Duration::from_millis(500), "it took {took:?}");
    assert!(polite.join().unwrap() - asked < Duration::from_millis(500), "the polite one waited on");
}

#[test]
fn all_that_run_are_ended_at_once_with_what_they_have_started() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let [begun, alive] = ["begun", "alive"].map(|name| dir.path().join(name));
    let script = format!("(sleep 1; touch {}) & touch {}; wait", alive.display(), begun.display());
    let waits = thread::spawn(move || Program::new("sh", "wait").unwrap().args(["-c", &script]).read().unwrap_err());
    wait_for(&begun);
    end_all();
    let error = waits.join().unwrap().to_string();
    assert!(error.contains("signal: 15"), "{error}");
    thread::sleep(Duration::from_millis(1200));
    assert!(!alive.exists(), "what it started went on");
}

fn wait_for(file: &Path) {
    let since = Instant::now();
    while !file.exists() {
        assert!(since.elapsed() < Duration::from_secs(30), "it does not begin");
        thread::sleep(Duration::from_millis(5));
    }
}
