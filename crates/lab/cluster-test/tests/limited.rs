//! Work that hangs, panics or is interrupted: in a process of its own, as its waits and programs are ended all at once.

#![allow(clippy::unwrap_used)]

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use cluster_test::{
    limited::{caught, limited, part, then_set},
    scene,
};
use common::{command::Program, stop};

const HOUR: Duration = Duration::from_secs(60 * 60);
const SHORT: Duration = Duration::from_millis(300);

/// One at a time: what is to stop is one word for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

/// What is said of work that does not end by itself, in far less than an hour.
fn said(limit: Duration, work: impl FnOnce() -> Result<()>) -> String {
    let began = Instant::now();
    let error = limited(limit, work).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    format!("{error:#}")
}

fn hung_program() -> Result<()> {
    Program::new("sleep", "hang")?.arg("3600").read().map(drop)
}

#[test]
fn what_overruns_ends_in_its_wait_or_with_its_program_and_the_next_is_not_touched() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let waits = || scene::eventually("pigs fly", HOUR, || bail!("none does"));
    assert_eq!(
        said(SHORT, waits),
        "not done after 300ms: its time was up while this was waited for: pigs fly: none does"
    );
    let said = said(SHORT, hung_program);
    assert!(said.starts_with("not done after 300ms: cannot hang: `sleep 3600` ended with signal: 15"), "{said}");
    limited(HOUR, || stop::pause(Duration::from_millis(1))).unwrap();
}

#[test]
fn what_hangs_where_it_leaves_all_as_it_was_ends_too() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let said = said(SHORT, || {
        let worked = part(|| stop::pause(HOUR));
        part(|| stop::pause(HOUR))?;
        worked
    });
    assert_eq!(said, "not done after 300ms: its time was up");
}

#[test]
fn what_overruns_has_its_time_once_more_however_many_parts_fail() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = Duration::from_millis(500);
    let began = Instant::now();
    let said = said(limit, || {
        let parts: Vec<Result<()>> = (0..20).map(|_| part(|| stop::pause(HOUR))).collect();
        assert!(began.elapsed() >= limit * 2, "there was no time to leave all as it was");
        parts.into_iter().collect()
    });
    assert_eq!(said, "not done after 500ms: its time was up");
    assert!(began.elapsed() < limit * 6, "it took {:?}", began.elapsed());
    // The next one has its own.
    limited(limit, || part(|| stop::pause(HOUR)).or(part(|| stop::pause(limit / 5)))).unwrap_err();
}

#[test]
fn only_the_end_of_the_outermost_part_gives_time_and_only_where_it_was_up() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let moment = || stop::pause(Duration::from_millis(1));
    let mut could_wait = vec![];
    let error = limited(Duration::from_secs(1), || {
        let _ = part::<()>(|| bail!("wrong, and not late"));
        let outermost = part(|| {
            let inner = part(|| stop::pause(HOUR));
            could_wait.push(moment().is_ok());
            inner
        });
        could_wait.push(outermost.is_ok());
        could_wait.push(moment().is_ok());
        Ok(())
    });
    assert_eq!(could_wait, [false, false, true]);
    assert_eq!(format!("{:#}", error.unwrap_err()), "not done after 1s");
}

#[test]
fn a_panic_is_an_error_with_its_words_and_no_thread_is_waited_for_in_vain() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(said(HOUR, || panic!("a {} fault", "grave")), "it panicked: a grave fault");
    let said = said(HOUR, || {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(1));
                }
            });
            then_set(&done, || panic!("while another waits"))
        })
    });
    assert_eq!(said, "it panicked: while another waits");
    assert_eq!(caught(|| Err::<(), _>(anyhow!("no panic"))).unwrap_err().to_string(), "no panic");
}
