//! Trying again what may fail for a while. Who gives up says what was waited for, how long, and what was wrong last.

use std::time::{Duration, Instant};

use anyhow::{Error, Result};

use crate::stop;

/// When something is tried again, and when no longer.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// How often in a row it may fail.
    pub tries: u32,
    /// How long it may fail.
    pub limit: Duration,
    /// The pause before the second try.
    pub pause: Duration,
    pub pauses: Pauses,
    /// The part of a pause that is left out at random at most, so that those who failed together do not come together.
    pub jitter: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pauses {
    Equal,
    /// Each is twice as long as the one before, up to the longest.
    Doubled {
        longest: Duration,
    },
}

/// Why one try got nothing. `?` makes any error one that may pass.
#[derive(Debug)]
pub enum Failed {
    NotYet(Error),
    /// It will not be any better: the error is what the whole ends with.
    Stop(Error),
}

impl<E: Into<Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Failed::NotYet(error.into())
    }
}

impl RetryPolicy {
    /// A number of tries with equal pauses between them.
    pub const fn times(tries: u32, pause: Duration) -> Self {
        RetryPolicy { tries, limit: Duration::MAX, pause, pauses: Pauses::Equal, jitter: 0.0 }
    }

    /// As many tries as there is time for.
    pub const fn within(limit: Duration, pause: Duration) -> Self {
        RetryPolicy { limit, ..RetryPolicy::times(u32::MAX, pause) }
    }

    /// Tries without end, ever more seldom.
    pub const fn backoff(first: Duration, longest: Duration, jitter: f32) -> Self {
        RetryPolicy { pauses: Pauses::Doubled { longest }, jitter, ..RetryPolicy::times(u32::MAX, first) }
    }

    /// How long to wait after that many failures in a row.
    pub fn pause_after(&self, failures: u32) -> Duration {
        let whole = match self.pauses {
            Pauses::Equal => self.pause,
            Pauses::Doubled { longest } => {
                self.pause.saturating_mul(2u32.saturating_pow(failures.saturating_sub(1))).min(longest)
            }
        };
        self.shortened(whole)
    }

    /// The pause after a failure that calls for the longest.
    pub fn longest_pause(&self) -> Duration {
        self.shortened(match self.pauses {
            Pauses::Equal => self.pause,
            Pauses::Doubled { longest } => longest,
        })
    }

    fn shortened(&self, pause: Duration) -> Duration {
        pause.saturating_sub(pause.mul_f32(self.jitter * fastrand::f32()))
    }

    /// Tries until it works. `what` is what is waited for: it begins the error of who waited in vain.
    pub fn run<T>(&self, what: &str, mut attempt: impl FnMut() -> Result<T, Failed>) -> Result<T> {
        let began = Instant::now();
        for failures in 1.. {
            let error = match attempt() {
                Ok(got) => return Ok(got),
                Err(Failed::Stop(error)) => return Err(error),
                Err(Failed::NotYet(error)) => error,
            };
            let waited = began.elapsed();
            if failures >= self.tries || waited >= self.limit {
                let tries = if failures == 1 { "1 try".to_owned() } else { format!("{failures} tries") };
                return Err(error.context(format!("{what}: not within {:.1} s ({tries})", waited.as_secs_f64())));
            }
            // The last try is at the limit, not one pause after it.
            let pause = self.pause_after(failures).min(self.limit.saturating_sub(waited));
            if let Err(why) = stop::pause(pause) {
                return Err(error.context(format!("{why} while this was waited for: {what}")));
            }
        }
        unreachable!("the tries are counted and limited")
    }
}

/// Tries every `interval` until it works or the time is up.
pub fn until<T>(
    what: &str,
    limit: Duration,
    interval: Duration,
    attempt: impl FnMut() -> Result<T, Failed>,
) -> Result<T> {
    RetryPolicy::within(limit, interval).run(what, attempt)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn who_waits_in_vain_is_told_for_what_how_long_and_what_was_wrong_last() {
        let mut tries = 0;
        let result = until("s1 answers", 30 * MOMENT, MOMENT, || -> Result<(), Failed> {
            tries += 1;
            Err(anyhow!("refused {tries}").into())
        });
        let message = format!("{:#}", result.unwrap_err());
        assert!(message.starts_with("s1 answers: not within 0.0 s (") && tries > 1, "{message}");
        assert!(message.ends_with(&format!("({tries} tries): refused {tries}")), "{message}");
    }

    #[test]
    fn a_try_that_works_ends_the_waiting_and_so_does_one_that_cannot_get_better() {
        let mut tries = 0;
        let attempt = || {
            tries += 1;
            if tries < 3 { Err(anyhow!("not yet").into()) } else { Ok(tries) }
        };
        assert_eq!(RetryPolicy::times(3, MOMENT).run("third time", attempt).unwrap(), 3);
        let hopeless = || -> Result<(), Failed> { Err(Failed::Stop(anyhow!("it is gone"))) };
        let error = RetryPolicy::times(3, Duration::from_secs(60)).run("it comes", hopeless).unwrap_err();
        assert_eq!(format!("{error:#}"), "it is gone");
    }

    #[test]
    fn the_pauses_are_equal_or_doubled_and_the_number_of_tries_is_kept() {
        let equal = RetryPolicy::times(2, 10 * MOMENT);
        let doubled = RetryPolicy::backoff(10 * MOMENT, 30 * MOMENT, 0.0);
        assert_eq!([1, 2, 3].map(|failures| equal.pause_after(failures)), [10 * MOMENT; 3]);
        assert_eq!([1, 2, 3].map(|failures| doubled.pause_after(failures)), [10 * MOMENT, 20 * MOMENT, 30 * MOMENT]);
        assert_eq!(doubled.pause_after(u32::MAX), doubled.longest_pause());
        let error = equal.run("x", || -> Result<(), Failed> { Err(anyhow!("no").into()) }).unwrap_err();
        assert!(format!("{error:#}").contains("(2 tries): no"), "{error:#}");
    }

    #[test]
    fn a_part_of_each_pause_is_left_out_at_random() {
        let policy = RetryPolicy::backoff(100 * MOMENT, 100 * MOMENT, 0.25);
        let pauses: Vec<Duration> = (0..200).map(|_| policy.pause_after(1)).collect();
        assert!(pauses.iter().all(|pause| (75 * MOMENT..=100 * MOMENT).contains(pause)), "{pauses:?}");
        assert!(pauses.iter().any(|pause| *pause < 90 * MOMENT) && pauses.iter().any(|pause| *pause > 90 * MOMENT));
    }
}
