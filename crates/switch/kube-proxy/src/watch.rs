//! Watches of the API server: Services, and EndpointSlices where it has them in v1, else Endpoints.
//!
//! A relist is gathered and handed over whole. While the API server is away, the log has one line when it went and
//! one when it is back, and whoever listens keeps what it had.

mod client;
mod follow;
mod gather;

pub use client::{Connection, connect};

use std::sync::Arc;
use std::sync::mpsc::Sender;

use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client};

use crate::objects::Reader;
use crate::syncer::News;
use follow::{ASK_AGAIN, Ended, follow};
use gather::{EndpointsGatherer, ServicesGatherer};

/// Watches for ever, or until nobody listens at `news`. Without `slices`, Endpoints are watched whatever there is.
pub async fn run(client: Client, reader: Arc<Reader>, slices: bool, news: Sender<News>) {
    let services = ServicesGatherer::new(Arc::clone(&reader), news.clone());
    let services = follow(Api::<Service>::all(client.clone()), services);
    let endpoints = watch_endpoints(client, reader, slices, news);
    tokio::join!(services, endpoints);
}

async fn watch_endpoints(client: Client, reader: Arc<Reader>, slices: bool, news: Sender<News>) {
    loop {
        let ended = if slices && has_endpoint_slices(&client).await {
            let gatherer = EndpointsGatherer::new(Reader::slice, Arc::clone(&reader), news.clone());
            follow(Api::<EndpointSlice>::all(client.clone()), gatherer).await
        } else {
            let gatherer = EndpointsGatherer::new(Reader::endpoints, Arc::clone(&reader), news.clone());
            follow(Api::<Endpoints>::all(client.clone()), gatherer).await
        };
        match ended {
            Ended::NobodyListens => return,
            Ended::KindIsGone => {
                tracing::info!("the API server does not serve what was watched any more; looking again")
            }
        }
    }
}

/// Asks until the API server answers.
async fn has_endpoint_slices(client: &Client) -> bool {
    let mut failures: u32 = 0;
    loop {
        match client.list_api_group_resources("discovery.k8s.io/v1").await {
            Ok(list) => return list.resources.iter().any(|resource| resource.name == "endpointslices"),
            Err(kube::Error::Api(status)) if status.code == 404 => return false,
            Err(error) if failures == 0 => {
                tracing::warn!(error = %client::causes(&error), "the API server does not answer; asking until it does");
            }
            Err(_) => {}
        }
        failures = failures.saturating_add(1);
        tokio::time::sleep(ASK_AGAIN.pause_after(failures)).await;
    }
}
