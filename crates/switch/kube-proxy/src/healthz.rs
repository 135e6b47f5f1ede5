//! `/healthz`: whether what changed has also been programmed in time.
//!
//! As upstream's, save that it is not healthy before the first sync, and that a flood of changes does not hide that none of them
//! gets through: the oldest one that waits is what counts. No clock on the wall is asked, so setting it changes nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use hyper::StatusCode;

use crate::events::Events;
use daemon::http::{self, BindFailure, HttpAnswer};
use daemon::log;

/// What the syncer says about itself. It calls both methods, from its own thread.
#[derive(Debug)]
pub struct Health {
    begun: Instant,
    timeout: Duration,
    /// Milliseconds since `begun`, and one; zero is never.
    last_updated: AtomicU64,
    /// The same, of the oldest change that waits; zero is none.
    waiting_since: AtomicU64,
}

impl Health {
    /// A change may wait for twice the `sync_period`.
    pub fn new(sync_period: Duration) -> Self {
        Self {
            begun: Instant::now(),
            timeout: 2 * sync_period,
            last_updated: AtomicU64::new(0),
            waiting_since: AtomicU64::new(0),
        }
    }

    /// There is something to program, or to look at.
    pub fn queued_update(&self) {
        let now = self.milliseconds(Instant::now());
        // Where one waits already, that one counts.
        let _ = self.waiting_since.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Everything that was queued is programmed.
    pub fn updated(&self) {
        self.last_updated.store(self.milliseconds(Instant::now()), Ordering::Release);
        self.waiting_since.store(0, Ordering::Release);
    }

    fn milliseconds(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    /// Whether what changed has also been programmed in time.
    pub fn is_healthy(&self, at: Instant) -> bool {
        let waiting = match self.waiting_since.load(Ordering::Acquire) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.milliseconds(at).saturating_sub(since)),
        };
        self.last_updated.load(Ordering::Acquire) != 0 && waiting < self.timeout
    }

    fn answer(&self, at: Instant, clock: SystemTime) -> HttpAnswer {
        let ago = match self.last_updated.load(Ordering::Acquire) {
            0 => None,
            last => Some(Duration::from_millis(self.milliseconds(at).saturating_sub(last))),
        };
        let healthy = self.is_healthy(at);
        // Who is healthy is up to date, as upstream puts it.
        let updated = match ago {
            Some(ago) if !healthy => clock.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH),
            Some(_) => clock,
            None => SystemTime::UNIX_EPOCH,
        };
        let body = format!(r#"{{"lastUpdated": "{}","currentTime": "{}"}}"#, log::time(updated), log::time(clock));
        HttpAnswer::json(if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
    }
}

/// The server cannot listen, and that was to be fatal.
#[derive(Debug, thiserror::Error)]
#[error(
    "nothing can listen on {address} for {path}: {source}; choose another address, or leave out --bind-address-hard-fail"
)]
pub struct CannotListen {
    pub address: SocketAddr,
    pub path: &'static str,
    pub source: std::io::Error,
}

/// Serves `/healthz` on `address`; returns only where it cannot listen and that is fatal.
pub async fn serve(
    address: SocketAddr,
    health: Arc<Health>,
    events: Events,
    on_failure: BindFailure,
) -> Result<Infallible, CannotListen> {
    let listener = http::listen(address, on_failure, |error| {
        tracing::warn!(%address, %error, "nothing can listen for /healthz; trying again");
        events.failed_to_start_proxier_healthcheck(address, error);
    })
    .await
    .map_err(|source| CannotListen { address, path: "/healthz", source })?;
    tracing::info!(%address, "serving /healthz");
    Ok(http::serve(
        listener,
        |_| true,
        move |path| match path {
            "/healthz" => health.answer(Instant::now(), SystemTime::now()),
            _ => HttpAnswer::not_found(),
        },
    )
    .await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use daemon::http::client;

    const PERIOD: Duration = Duration::from_secs(30);

    fn status(health: &Health, seconds_from_now: u64) -> u16 {
        health.answer(Instant::now() + Duration::from_secs(seconds_from_now), SystemTime::now()).status.as_u16()
    }

    #[test]
    fn before_the_first_sync_it_is_not_healthy() {
        let health = Health::new(PERIOD);
        assert_eq!(status(&health, 0), 503);
        health.queued_update();
        assert_eq!(status(&health, 0), 503);
        health.updated();
        assert_eq!(status(&health, 0), 200);
    }

    #[test]
    fn without_changes_it_stays_healthy() {
        let health = Health::new(PERIOD);
        health.updated();
        assert_eq!(status(&health, 1_000_000), 200);
    }

    #[test]
    fn a_change_that_waits_for_two_periods_is_unhealthy_whatever_else_is_queued() {
        let health = Health::new(PERIOD);
        health.updated();
        health.queued_update();
        assert_eq!(status(&health, 59), 200);
        assert_eq!(status(&health, 61), 503);
        health.queued_update();
        assert_eq!(status(&health, 61), 503);
        health.updated();
        assert_eq!(status(&health, 61), 200);
    }

    #[test]
    fn a_clock_that_was_set_back_to_the_epoch_does_no_harm() {
        let health = Health::new(Duration::ZERO);
        health.updated();
        health.queued_update();
        let answer = health.answer(Instant::now() + PERIOD, SystemTime::UNIX_EPOCH);
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains(r#""lastUpdated": "1970-01-01T00:00:00.000Z""#), "{}", answer.body);
    }

    #[tokio::test]
    async fn it_is_served_as_upstream_s_json() {
        let health = Arc::new(Health::new(PERIOD));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (events, _queue) = crate::events::channel("veos-b");
        tokio::spawn(serve(port, health.clone(), events, BindFailure::Fatal));
        tokio::task::yield_now().await;
        assert_eq!(client::get(port, "/healthz").await.unwrap().0, 503);
        health.updated();
        let (status, head, body) = client::get(port, "/healthz").await.unwrap();
        assert_eq!(status, 200);
        assert!(head.contains("content-type: application/json"), "{head}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["lastUpdated"], body["currentTime"]);
        let time = body["currentTime"].as_str().unwrap();
        assert!(humantime::parse_rfc3339(time).unwrap().elapsed().unwrap() < Duration::from_secs(60), "{time}");
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_and_fatal_only_where_asked() {
        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let (events, mut queue) = crate::events::channel("veos-b");
        let error = serve(address, Arc::new(Health::new(PERIOD)), events, BindFailure::Fatal).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert_eq!(queue.next_reason().await, Some("FailedToStartProxierHealthcheck"));
    }
}
