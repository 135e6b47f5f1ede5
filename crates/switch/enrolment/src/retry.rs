//! Tries until the master has answered, however long that takes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use common::retry::RetryPolicy;

use crate::{
    error::{EnrolError, Retry},
    worker::{Enrolled, Request, enrol},
};

/// A pause is slept in pieces of this length, so that a stop is heard soon.
const PIECE: Duration = Duration::from_millis(250);

/// A try that did not succeed.
#[derive(Debug)]
pub struct FailedAttempt<'a> {
    /// 1 for the first.
    pub number: u32,
    pub error: &'a EnrolError,
    /// Until the next one.
    pub pause: Duration,
}

/// Tries until the master has given certificates; `None` when stopped. An error is only what no later try can repair.
pub fn enrol_until_answered(
    request: &Request,
    policy: &RetryPolicy,
    mut sleep: impl FnMut(Duration),
    mut failed: impl FnMut(&FailedAttempt),
    stop: &AtomicBool,
) -> Result<Option<Enrolled>, EnrolError> {
    let mut number: u32 = 0;
    while !stop.load(Ordering::Acquire) {
        let error = match enrol(request) {
            Ok(enrolled) => return Ok(Some(enrolled)),
            Err(error) if error.retry() == Retry::Never => return Err(error),
            Err(error) => error,
        };
        number = number.saturating_add(1);
        let pause = match error.retry() {
            Retry::Soon => policy.pause_after(number),
            Retry::Slowly | Retry::Never => policy.longest_pause(),
        };
        failed(&FailedAttempt { number, error: &error, pause });
        let mut left = pause;
        while !left.is_zero() && !stop.load(Ordering::Acquire) {
            let piece = left.min(PIECE);
            sleep(piece);
            left -= piece;
        }
    }
    Ok(None)
}
