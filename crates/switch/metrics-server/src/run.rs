//! The running program: what is started, in which order, and how it ends.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use api_watch::Connection;
use daemon::stop_signal;

use crate::health::{self, Health};
use crate::kubelet::Kubelets;
use crate::options::Options;
use crate::server::{self, Server};
use crate::store::Shared;
use crate::{inventory, ownership, scrape, tls};

/// Serves until it is told to stop. An error is one of the options or of this machine.
pub async fn run(options: Options) -> Result<()> {
    let connection = Connection { kubeconfig: Some(options.kubeconfig.clone()), master: None };
    let client = api_watch::connect(&connection)?;
    let to_kubelets = tls::client(&options.kubelet_ca, &options.kubelet_certificate, &options.kubelet_key)?;
    let to_clients = tls::server(&options.front_proxy_ca, &options.certificate, &options.key)?;
    let shared = Arc::new(Shared::default());
    let health = Arc::new(Health::new(shared.clone()));
    let kubelets = Arc::new(Kubelets::new(to_kubelets, options.kubelet_port));
    let server = Server::new(shared.clone(), &options.front_proxy_name, to_clients);
    tracing::info!(address = %options.address, "metrics-server {}", env!("CARGO_PKG_VERSION"));

    tokio::spawn(inventory::run(client.clone(), shared.clone()));
    tokio::spawn(ownership::run(client, health.clone()));
    tokio::spawn(scrape::run(kubelets, shared, health.clone()));
    tokio::spawn(health::serve(options.health_bind_address, health.clone()));
    tokio::select! {
        stopped = told_to_stop() => stopped?,
        served = serve(&options, server, &health) => match served? {},
    }
    Ok(())
}

async fn serve(options: &Options, server: Server, health: &Health) -> Result<Infallible> {
    let listener = server::listen(options.address).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", options.address))?;
    health.set_listening(true);
    Ok(server.serve(listener).await)
}

async fn told_to_stop() -> Result<()> {
    let signal = stop_signal().await?;
    tracing::info!("told to stop by {signal}");
    Ok(())
}
