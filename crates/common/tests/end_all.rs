//! Everything that is run is ended at once: in a process of its own, as it would end other tests' programs, too.

#![allow(clippy::unwrap_used)]

use std::{
    thread,
    time::{Duration, Instant},
};

use common::command::{Program, end_all};

#[test]
fn all_that_run_are_ended_at_once_with_what_they_have_started() {
    let dir = tempfile::tempdir().unwrap();
    let [begun, alive] = ["begun", "alive"].map(|name| dir.path().join(name));
    let script = format!("(sleep 1; touch {}) & touch {}; wait", alive.display(), begun.display());
    let waits = thread::spawn(move || Program::new("sh", "wait").unwrap().args(["-c", &script]).read().unwrap_err());
    let since = Instant::now();
    while !begun.exists() {
        assert!(since.elapsed() < Duration::from_secs(30), "it does not begin");
        thread::sleep(Duration::from_millis(5));
    }
    end_all();
    let error = waits.join().unwrap().to_string();
    assert!(error.contains("signal: 15"), "{error}");
    thread::sleep(Duration::from_millis(1200));
    assert!(!alive.exists(), "what it started went on");
}
