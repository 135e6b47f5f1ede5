//! One watch, followed for ever: what comes is handed to a gatherer, and what fails is tried again.

use std::fmt::Debug;
use std::pin::pin;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use kube::core::Status;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::again::{Again, pause_after_answer, pause_without_answer};
use super::client::{WATCH_SECONDS, causes};
use super::standing;

/// Objects in one answer to a list: large enough that a list takes few round trips, small enough that one answer is small. Lists are not asked of
/// the server's cache (`resourceVersion=0`), which would spare etcd: the server gives no pages of that, and all objects at once are far more than
/// this program has else.
const PAGE_SIZE: u32 = 250;

/// A watch of what is gone is answered 200 and then refused by its first event: so long it may be before it counts as one that stands.
const TO_REFUSE: Duration = Duration::from_millis(250);

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
    let mut heard = false;
    // When a watch that has begun is one that stands.
    let mut stands_at = None;
    loop {
        let next = tokio::select! {
            biased;
            // A list that was answered is not enough: what comes after it would not be heard.
            () = stands.begins() => {
                stands_at = (!heard).then(|| tokio::time::Instant::now() + TO_REFUSE);
                continue;
            }
            next = events.next() => Some(next),
            () = until(stands_at) => None,
        };
        let mut is_heard = false;
        match next {
            None => is_heard = true,
            Some(None) => return Ended::NobodyListens,
            Some(Some(Ok(event))) => {
                // These come by a watch alone, also by one of which another event could not be read.
                is_heard = matches!(event, Event::Apply(_) | Event::Delete(_));
                if !gatherer.take(event) {
                    return Ended::NobodyListens;
                }
            }
            Some(Some(Err(error))) => {
                stands.no_more();
                (heard, stands_at) = (false, None);
                gatherer.is_heard(false);
                match (code(&error), &error) {
                    // What was missed is in the list that follows.
                    (Some(410), watcher::Error::WatchError(_)) => {
                        tracing::debug!("{} have to be listed again", G::WHAT);
                        relists.wait().await;
                        continue;
                    }
                    (Some(404), _) => return Ended::KindIsGone,
                    // The watcher would ask for the same version again.
                    (Some(410), watcher::Error::WatchStartFailed(_)) => {
                        events.set(watcher(api.clone(), config.clone()));
                    }
                    _ => {}
                }
                loss.wait(&error).await;
            }
        }
        if is_heard && !heard {
            (heard, stands_at) = (true, None);
            loss.is_over();
            gatherer.is_heard(true);
        }
    }
}

async fn until(when: Option<tokio::time::Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
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

/// How long to wait after that many failures, of which this is the last.
fn pause_after(failures: u32, error: &watcher::Error) -> Duration {
    match status(error) {
        None => pause_without_answer(failures),
        answer => pause_after_answer(failures, answer),
    }
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
