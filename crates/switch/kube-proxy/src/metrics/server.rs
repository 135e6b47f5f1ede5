//! `/metrics`, and beside it `/proxyMode` and `/healthz`, as upstream has them on this port.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::StatusCode;

use super::Metrics;
use crate::healthz::CannotListen;
use daemon::http::{self, BindFailure, HttpAnswer};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves them on `address`; returns only where it cannot listen and that is fatal.
pub async fn serve(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    on_failure: BindFailure,
) -> Result<Infallible, CannotListen> {
    let listener = http::listen(address, on_failure, |error| {
        tracing::warn!(%address, %error, "nothing can listen for /metrics; trying again");
    })
    .await
    .map_err(|source| CannotListen { address, path: "/metrics", source })?;
    tracing::info!(%address, "serving /metrics");
    Ok(http::serve(
        listener,
        |_| true,
        move |path| match path {
            "/metrics" => HttpAnswer { status: StatusCode::OK, content_type: OPEN_METRICS, body: metrics.text() },
            "/healthz" => HttpAnswer::text(StatusCode::OK, "ok"),
            "/proxyMode" => match metrics.proxy_mode.get() {
                Some(mode) => HttpAnswer::text(StatusCode::OK, mode),
                None => HttpAnswer::text(StatusCode::SERVICE_UNAVAILABLE, "the mode is not chosen yet\n"),
            },
            _ => HttpAnswer::not_found(),
        },
    )
    .await)
}
