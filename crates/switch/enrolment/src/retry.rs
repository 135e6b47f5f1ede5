//! Tries until the master has answered, however long that takes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use ring::rand::{SecureRandom, SystemRandom};

use crate::{
    error::{EnrolError, Retry},
    worker::{Enrolled, Request, enrol},
};

/// A pause is slept in pieces of this length, so that a stop is heard soon.
const PIECE: Duration = Duration::from_millis(250);

/// How long to wait between tries: twice as long each time, from `first` to `longest`. Up to half of it is left out at
/// random, so that switches which were powered up together do not come together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

impl Backoff {
    fn pause(&self, failures: u32, retry: Retry) -> Duration {
        let whole = match retry {
            Retry::Soon => self.first.saturating_mul(2_u32.saturating_pow(failures - 1)).min(self.longest),
            Retry::Slowly | Retry::Never => self.longest,
        };
        let mut random = [0; 1];
        // Without randomness the pause is merely whole.
        let _ = SystemRandom::new().fill(&mut random);
        whole - whole / 2 * random[0].into() / 255
    }
}

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
    backoff: &Backoff,
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
        let pause = backoff.pause(number, error.retry());
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
