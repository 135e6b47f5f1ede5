//! Whether names are answered here, and by what: `/healthz` and `/status` for k8s-node, `/metrics` for Prometheus.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use daemon::http::{self, BindFailure, HttpAnswer};
use hyper::StatusCode;
use serde::Serialize;

use crate::forward::Forwarder;
use crate::knowledge::Shared;
use crate::metrics::Metrics;
use crate::presence::Presence;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What this program is at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum State {
    /// For something to be known.
    #[default]
    Waiting,
    Serving,
    /// A Service of the operator's has the address.
    Off(String),
    /// The address cannot be served.
    Failing(String),
}

#[derive(Debug)]
pub struct Health {
    state: Mutex<State>,
    known: Shared,
    forwarder: Arc<Forwarder>,
    presence: Option<Presence>,
}

#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    state: State,
    /// `current`, `stale` or `unknown`.
    names: &'static str,
    services: usize,
    resolvers: Vec<SocketAddr>,
    /// Those of them that ask us themselves, and are left out.
    looping: Vec<SocketAddr>,
    /// Conntrack has every question, as the kernel or iptables lacks what would leave them out.
    tracked: bool,
}

impl Health {
    pub fn new(known: Shared, forwarder: Arc<Forwarder>, presence: Option<Presence>) -> Self {
        Self { state: Mutex::default(), known, forwarder, presence }
    }

    pub fn state(&self) -> State {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says whether that is another state.
    pub fn set(&self, state: State) -> bool {
        let mut before = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *before != state;
        *before = state;
        is_new
    }

    fn healthz(&self) -> HttpAnswer {
        let (code, text) = match self.state() {
            State::Serving | State::Off(_) => (StatusCode::OK, "ok".to_owned()),
            State::Waiting => (StatusCode::SERVICE_UNAVAILABLE, "it waits for the API server".to_owned()),
            State::Failing(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        };
        HttpAnswer::text(code, &text)
    }

    fn status(&self) -> HttpAnswer {
        let (resolvers, looping) = self.forwarder.resolvers();
        let known = self.known.read();
        let (names, services) = (known.standing().as_str(), known.services().count());
        let tracked = self.presence.as_ref().is_some_and(Presence::is_tracked);
        let status = Status { state: self.state(), names, services, resolvers, looping, tracked };
        HttpAnswer::json(StatusCode::OK, serde_json::to_string(&status).unwrap_or_default())
    }
}

/// Serves for ever, as soon as the port can be had.
pub async fn serve(address: SocketAddr, health: Arc<Health>, metrics: Arc<Metrics>) -> std::io::Result<Infallible> {
    let listener = http::listen(address, BindFailure::TryAgain, |error| {
        tracing::warn!(%address, %error, "nothing can listen for health and metrics; trying again");
    })
    .await?;
    let answer = move |path: &str| match path {
        "/healthz" | "/health" | "/ready" => health.healthz(),
        "/status" => health.status(),
        "/metrics" => HttpAnswer { status: StatusCode::OK, content_type: OPEN_METRICS, body: metrics.text() },
        _ => HttpAnswer::not_found(),
    };
    Ok(http::serve(listener, |_| true, answer).await)
}
