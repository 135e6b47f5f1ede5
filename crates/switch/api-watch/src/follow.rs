//! One watch, followed for ever: what comes is handed to a gatherer, and what fails is tried again.

use std::fmt::Debug;
use std::pin::pin;
use std::time::{Duration, Instant};

use common::retry::RetryPolicy;
use futures::StreamExt as _;
use kube::core::Status;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::again::Again;
use super::client::{WATCH_SECONDS, causes};
use super::standing;

/// Objects in one answer to a list: large enough that a list takes few round trips, small enough that one answer is small. Lists are not asked of
/// the server's cache (`resourceVersion=0`), which would spare etcd: the server gives no pages of that, and all objects at once are far more than
/// this program has else.
const PAGE_SIZE: u32 = 250;

/// How an API server that does not answer is asked again, endlessly.
pub const ASK_AGAIN: RetryPolicy = RetryPolicy::backoff(Duration::from_millis(50), Duration::from_secs(1), 0.25);

/// How one is asked again that answers, and that with an error: it may have too much to do, as many ask that were cut off at once.
const SPARE: RetryPolicy = RetryPolicy::backoff(Duration::from_millis(50), Duration::from_secs(10), 0.25);

/// Takes what a watch of `K` brings.
pub trait Gatherer<K> {
    /// What is watched, for the log.
    const WHAT: &'static str;

    /// Which objects are watched, as a selector of labels.
    const LABELS: &'static str;

    /// False where nobody listens any more.
    fn take(&mut self, event: Event<K>) -> bool;

    /// Whether the watch stands: what the server says is heard. May be said again.
    fn is_heard(&mut self, _heard: bool) {}
}

/// Why a watch is over.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    NobodyListens,
    /// The server does not serve the kind in this version any more.
    KindIsGone,
}

/// Follows the watch of all `K` until its end, through every failure that may pass.
pub async fn follow<K, G>(client: Client, mut gatherer: G) -> Ended
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    G: Gatherer<K>,
{
    let config = watcher::Config::default().page_size(PAGE_SIZE).timeout(WATCH_SECONDS).labels(G::LABELS);
    let (client, stands) = standing::observed(client);
    let api = Api::<K>::all(client);
    let mut events = pin!(watcher(api.clone(), config.clone()));
    let mut loss = Loss::new(G::WHAT);
    let mut relists = Again::default();
    loop {
        let next = tokio::select! {
            biased;
            // A list that was answered is not enough: what comes after it would not be heard.
            () = stands.begins() => {
                loss.is_over();
                gatherer.is_heard(true);
                continue;
            }
            next = events.next() => next,
        };
        match next {
            None => return Ended::NobodyListens,
            Some(Ok(event)) => {
                if !gatherer.take(event) {
                    return Ended::NobodyListens;
                }
            }
            // As long as it stood, nothing was lost; what happened since then is in the list that follows.
            Some(Err(watcher::Error::WatchError(status))) if status.code == 410 => {
                tracing::debug!("{} have to be listed again", G::WHAT);
                relists.wait().await;
            }
            Some(Err(error)) => {
                stands.no_more();
                gatherer.is_heard(false);
                match code(&error) {
                    Some(404) => return Ended::KindIsGone,
                    // The watcher would ask for the same version again.
                    Some(410) if matches!(error, watcher::Error::WatchStartFailed(_)) => {
                        events.set(watcher(api.clone(), config.clone()));
                    }
                    _ => {}
                }
                loss.wait(&error).await;
            }
        }
    }
}

/// What the server answered, if it did.
fn status(error: &watcher::Error) -> Option<&Status> {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => Some(status),
        _ => None,
    }
}

fn code(error: &watcher::Error) -> Option<u16> {
    status(error).map(|status| status.code)
}

/// How long to wait after that many failures, of which this is the last: as long at least as the server asks for.
fn pause_after(failures: u32, error: &watcher::Error) -> Duration {
    let Some(status) = status(error) else { return ASK_AGAIN.pause_after(failures) };
    let asked_for = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
    SPARE.pause_after(failures).max(Duration::from_secs(asked_for.into()).min(SPARE.longest_pause()))
}

/// A watch that is lost: one line when it went, one when it is back.
struct Loss {
    what: &'static str,
    since: Option<Instant>,
    failures: u32,
}

impl Loss {
    fn new(what: &'static str) -> Self {
        Self { what, since: None, failures: 0 }
    }

    async fn wait(&mut self, error: &watcher::Error) {
        if self.since.is_none() {
            self.since = Some(Instant::now());
            let error = causes(error);
            tracing::warn!(%error, "cannot watch {}; what is known stays, and the watch is tried again", self.what);
        }
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(pause_after(self.failures, error)).await;
    }

    fn is_over(&mut self) {
        self.failures = 0;
        if let Some(since) = self.since.take() {
            tracing::info!("watching {} again, after {:.1} s", self.what, since.elapsed().as_secs_f32());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answered(code: u16, retry_after_seconds: u32) -> watcher::Error {
        let status = json!({"code": code, "details": {"retryAfterSeconds": retry_after_seconds}});
        let status: Status = serde_json::from_value(status).expect("a status");
        watcher::Error::InitialListFailed(kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_server_that_answers_with_errors_is_asked_ever_more_seldom_and_one_that_is_away_is_not() {
        let second = Duration::from_secs(1);
        let away = watcher::Error::NoResourceVersion;
        assert!((1..100).all(|failures| pause_after(failures, &away) <= second));
        assert!(pause_after(1, &answered(503, 0)) < second / 10, "it may have been one moment");
        assert!(pause_after(20, &answered(503, 0)) > 5 * second);
    }

    #[test]
    fn what_the_server_asks_for_is_kept_to_within_bounds() {
        assert!(pause_after(1, &answered(429, 3)) >= Duration::from_secs(3));
        assert!(pause_after(1, &answered(429, 86_400)) <= Duration::from_secs(10));
    }
}
