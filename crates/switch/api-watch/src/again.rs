//! What ended begins again: soon after a while, and ever more slowly where it ends again and again.

use std::time::{Duration, Instant};

use super::follow::ASK_AGAIN;

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

    pub async fn wait(&mut self) {
        if self.is_first() {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(ASK_AGAIN.pause_after(self.failures)).await;
        self.last = Some(Instant::now());
    }
}
