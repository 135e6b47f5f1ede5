//! Ctrl-C, which stays for the rest of a process.

#![allow(clippy::unwrap_used)]

use std::{
    thread,
    time::{Duration, Instant},
};

use cluster_test::{limited::limited, scene};
use common::{command::Program, stop};

const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn ctrl_c_ends_a_wait_and_every_program_that_is_started_yet_within_two_seconds_each() {
    thread::spawn(|| {
        thread::sleep(Duration::from_millis(300));
        stop::interrupt();
    });
    let began = Instant::now();
    let hang = || Program::new("sleep", "hang")?.arg("3600").read();
    let error = limited(HOUR, || scene::eventually("a program ends", HOUR, hang)).unwrap_err();
    assert!(format!("{error:#}").starts_with("interrupted while this was waited for: a program ends: "), "{error:#}");
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
    // As by a scenario that would leave all as it was.
    let began = Instant::now();
    limited(HOUR, hang).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
}
