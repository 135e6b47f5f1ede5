//! Whether metrics are served, and by what: `/healthz` and `/status` for k8s-node.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use daemon::http::{self, BindFailure, HttpAnswer};
use hyper::StatusCode;
use serde::Serialize;

use crate::ownership::Ownership;
use crate::store::Shared;

/// What this program is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum State {
    Waiting(&'static str),
    Serving,
    /// An operator has something of its own in this place.
    Off(String),
}

#[derive(Debug)]
pub struct Health {
    shared: Arc<Shared>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    ownership: Ownership,
    listening: bool,
    silent: Vec<String>,
}

#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    state: State,
    /// Nodes whose kubelets have not answered.
    silent: Vec<String>,
}

impl Health {
    pub fn new(shared: Arc<Shared>) -> Self {
        Health { shared, known: Mutex::default() }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Says whether that is news.
    pub fn set_ownership(&self, ownership: Ownership) -> bool {
        self.change(|known| std::mem::replace(&mut known.ownership, ownership.clone()) != ownership)
    }

    pub fn set_listening(&self, listening: bool) {
        self.change(|known| known.listening = listening);
    }

    pub fn set_silent(&self, silent: Vec<String>) {
        self.change(|known| known.silent = silent);
    }

    pub fn is_off(&self) -> bool {
        self.change(|known| matches!(known.ownership, Ownership::Others(_)))
    }

    pub fn state(&self) -> State {
        let is_known = self.shared.read(|state| state.is_known());
        self.change(|known| match &known.ownership {
            Ownership::Others(why) => State::Off(why.clone()),
            _ if !known.listening => State::Waiting("its port cannot be listened on yet"),
            Ownership::Unknown => State::Waiting("it waits for the API server"),
            Ownership::Ours if !is_known => State::Waiting("it waits for the API server's nodes and pods"),
            Ownership::Ours => State::Serving,
        })
    }

    fn healthz(&self) -> HttpAnswer {
        match self.state() {
            State::Serving | State::Off(_) => HttpAnswer::text(StatusCode::OK, "ok"),
            State::Waiting(why) => HttpAnswer::text(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }

    fn status(&self) -> HttpAnswer {
        let status = Status { state: self.state(), silent: self.change(|known| known.silent.clone()) };
        HttpAnswer::json(StatusCode::OK, serde_json::to_string(&status).unwrap_or_default())
    }
}

/// Serves for ever, as soon as the port can be had.
pub async fn serve(address: SocketAddr, health: Arc<Health>) -> std::io::Result<Infallible> {
    let listener = http::listen(address, BindFailure::TryAgain, |error| {
        tracing::warn!(%address, %error, "nothing can listen for health; trying again");
    })
    .await?;
    let answer = move |path: &str| match path {
        "/healthz" | "/livez" | "/readyz" => health.healthz(),
        "/status" => health.status(),
        _ => HttpAnswer::not_found(),
    };
    Ok(http::serve(listener, |_| true, answer).await)
}
