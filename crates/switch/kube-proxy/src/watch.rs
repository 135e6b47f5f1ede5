//! Watches of the API server: Services, and EndpointSlices where it has them in v1, else Endpoints.
//!
//! A relist is gathered and handed over whole. While the API server is away, the log has one line when it went and
//! one when it is back, and whoever listens keeps what it had.

mod gather;

pub use api_watch::{Connection, connect};

use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Endpoints, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Api, Client};

use crate::news::NewsSender;
use crate::objects::Reader;
use api_watch::{ASK_AGAIN, Ended, follow};
use gather::{EndpointsGatherer, ServicesGatherer};

/// What every API server serves, and so has a 404 for one that is not itself at the moment: a load balancer in front of it, say.
const FOR_EVER: &str = "the API server answered 404 for what it serves; asking again";

/// The group of EndpointSlices, and its version.
const SLICES: (&str, &str) = ("discovery.k8s.io", "discovery.k8s.io/v1");

/// Watches for ever, or until nobody listens at `news`. Without `slices`, Endpoints are watched whatever there is.
pub async fn run(client: Client, reader: Arc<Reader>, slices: bool, news: NewsSender) {
    let services = watch_services(client.clone(), Arc::clone(&reader), news.clone());
    let endpoints = watch_endpoints(client, reader, slices, news);
    tokio::join!(services, endpoints);
}

async fn watch_services(client: Client, reader: Arc<Reader>, news: NewsSender) {
    let mut again = Again::default();
    loop {
        let gatherer = ServicesGatherer::new(Arc::clone(&reader), news.clone());
        match follow(Api::<Service>::all(client.clone()), gatherer).await {
            Ended::NobodyListens => return,
            Ended::KindIsGone => again.wait(FOR_EVER).await,
        }
    }
}

async fn watch_endpoints(client: Client, reader: Arc<Reader>, slices: bool, news: NewsSender) {
    let mut again = Again::default();
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
                again.wait("the API server does not serve what was watched any more; looking again").await;
            }
        }
    }
}

/// Asks until the API server answers.
async fn has_endpoint_slices(client: &Client) -> bool {
    let mut failures: u32 = 0;
    loop {
        let asked = match client.list_api_group_resources(SLICES.1).await {
            Ok(list) => return list.resources.iter().any(|resource| resource.name == "endpointslices"),
            // That there is none is believed if it is not among those that there are.
            Err(kube::Error::Api(status)) if status.code == 404 => client.list_api_groups().await.map(|list| {
                let group = list.groups.iter().find(|group| group.name == SLICES.0);
                group.is_some_and(|group| group.versions.iter().any(|version| version.group_version == SLICES.1))
            }),
            Err(error) => Err(error),
        };
        match asked {
            Ok(false) => return false,
            Ok(true) => tracing::debug!("the API server has {}, and answered 404 for it", SLICES.1),
            Err(error) if failures == 0 => {
                tracing::warn!(error = %api_watch::causes(&error), "the API server does not answer; asking until it does");
            }
            Err(_) => {}
        }
        failures = failures.saturating_add(1);
        tokio::time::sleep(ASK_AGAIN.pause_after(failures)).await;
    }
}

/// A watch that ended and begins again: at once after a while, and ever more slowly where it ends again and again.
#[derive(Default)]
struct Again {
    failures: u32,
    last: Option<Instant>,
}

impl Again {
    /// So long has a watch to stand to count as one that did.
    const STOOD: Duration = Duration::from_secs(10);

    async fn wait(&mut self, why: &str) {
        if self.last.is_none_or(|last| last.elapsed() > Self::STOOD) {
            self.failures = 0;
            tracing::warn!("{why}");
        }
        self.failures = self.failures.saturating_add(1);
        tokio::time::sleep(ASK_AGAIN.pause_after(self.failures)).await;
        self.last = Some(Instant::now());
    }
}
