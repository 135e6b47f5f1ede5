//! How an API server is asked again, endlessly; and what ended begins again: soon after a while, and ever more slowly where it ends again
//! and again. Nobody else asks again below the watches, which would hide from them that nothing is heard.

use std::time::{Duration, Instant};

use common::retry::RetryPolicy;
use kube::core::Status;

/// One that does not answer.
const ASK_AGAIN: RetryPolicy = RetryPolicy::backoff(Duration::from_millis(50), Duration::from_secs(1), 0.25);

/// One that answers, and that with an error: it may have too much to do, as many ask that were cut off at once.
const SPARE: RetryPolicy = RetryPolicy::backoff(Duration::from_millis(50), Duration::from_secs(10), 0.25);

/// How long to wait after that many failures, of which the last was that nobody answered.
pub fn pause_without_answer(failures: u32) -> Duration {
    ASK_AGAIN.pause_after(failures)
}

/// The same where there was an answer: as long at least as it asks for.
pub fn pause_after_answer(failures: u32, answer: Option<&Status>) -> Duration {
    let asked_for = answer.and_then(|status| status.details.as_ref()).map_or(0, |details| details.retry_after_seconds);
    SPARE.pause_after(failures).max(Duration::from_secs(asked_for.into()).min(SPARE.longest_pause()))
}

#[derive(Debug, Default)]
pub struct Again {
    failures: u32,
    last: Option<Instant>,
}

impl Again {
    /// So long has a watch to stand to count as one that did.
    const STOOD: Duration = Duration::from_secs(10);

    /// Whether it had not happened for a while.
    pub fn is_first(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() > Self::STOOD)
    }

    /// After an answer by which it ended.
    pub async fn wait(&mut self) {
        if self.is_first() {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(pause_after_answer(self.failures, None)).await;
        self.last = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(retry_after_seconds: u32) -> Status {
        let status = json!({"code": 429, "details": {"retryAfterSeconds": retry_after_seconds}});
        serde_json::from_value(status).expect("a status")
    }

    #[test]
    fn a_server_that_answers_with_errors_is_asked_ever_more_seldom_and_one_that_is_away_is_not() {
        let second = Duration::from_secs(1);
        assert!((1..100).all(|failures| pause_without_answer(failures) <= second));
        for answer in [None, Some(&answered(0))] {
            assert!(pause_after_answer(1, answer) < second / 10, "it may have been one moment");
            assert!(pause_after_answer(20, answer) > 5 * second);
        }
    }

    #[test]
    fn what_the_server_asks_for_is_kept_to_within_bounds() {
        assert!(pause_after_answer(1, Some(&answered(3))) >= Duration::from_secs(3));
        assert!(pause_after_answer(1, Some(&answered(86_400))) <= Duration::from_secs(10));
    }
}
