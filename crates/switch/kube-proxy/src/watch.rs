//! Watches of the API server: Services, and EndpointSlices where it has them in v1, else Endpoints.
//!
//! A relist is gathered and handed over whole. While the API server is away, the log has one line when it went and
//! one when it is back, and whoever listens keeps what it had.

mod gather;

pub use api_watch::{Connection, connect};

use std::sync::Arc;

use kube::Client;

use crate::news::NewsSender;
use crate::objects::Reader;
use api_watch::{watch_endpoints, watch_services};
use gather::{EndpointsGatherer, ServicesGatherer};

/// Watches for ever, or until nobody listens at `news`. Without `slices`, Endpoints are watched whatever there is.
pub async fn run(client: Client, reader: Arc<Reader>, slices: bool, news: NewsSender) {
    let services = watch_services(client.clone(), || ServicesGatherer::new(Arc::clone(&reader), news.clone()));
    let endpoints = watch_endpoints(
        client,
        slices,
        || EndpointsGatherer::new(Reader::slice, Arc::clone(&reader), news.clone()),
        || EndpointsGatherer::new(Reader::endpoints, Arc::clone(&reader), news.clone()),
    );
    tokio::join!(services, endpoints);
}
