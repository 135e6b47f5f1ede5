//! The watches that keep what is known true: Services, and EndpointSlices where the API server has them in v1, else Endpoints.

use std::collections::BTreeMap;

use api_watch::{ASK_AGAIN, Ended, Gatherer, causes, follow};
use k8s_openapi::api::core::v1::{self, Endpoints};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::watcher::Event;
use kube::{Api, Client};

use super::objects::{self, OfObject};
use super::{Service, ServiceName, Shared, Subsets};

/// Names are given to every Service, whoever proxies it.
const ALL: &str = "";

/// Watches for ever.
pub async fn run(client: Client, shared: Shared) {
    let services = follow(
        Api::<v1::Service>::all(client.clone()),
        ServicesGatherer { shared: shared.clone(), list: BTreeMap::new() },
    );
    tokio::join!(services, watch_endpoints(client, shared));
}

async fn watch_endpoints(client: Client, shared: Shared) {
    loop {
        let ended = if has_endpoint_slices(&client).await {
            let gatherer = EndpointsGatherer { read: objects::slice, shared: shared.clone(), list: BTreeMap::new() };
            follow(Api::<EndpointSlice>::all(client.clone()), gatherer).await
        } else {
            let gatherer =
                EndpointsGatherer { read: objects::endpoints, shared: shared.clone(), list: BTreeMap::new() };
            follow(Api::<Endpoints>::all(client.clone()), gatherer).await
        };
        if ended == Ended::NobodyListens {
            return;
        }
        tracing::info!("the API server does not serve what was watched any more; looking again");
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
                tracing::warn!(error = %causes(&error), "the API server does not answer; asking until it does");
            }
            Err(_) => {}
        }
        failures = failures.saturating_add(1);
        tokio::time::sleep(ASK_AGAIN.pause_after(failures)).await;
    }
}

struct ServicesGatherer {
    shared: Shared,
    list: BTreeMap<ServiceName, Service>,
}

impl Gatherer<v1::Service> for ServicesGatherer {
    const WHAT: &'static str = "Services";
    const LABELS: &'static str = ALL;

    fn take(&mut self, event: Event<v1::Service>) -> bool {
        match event {
            Event::Init => self.list.clear(),
            Event::InitApply(object) => {
                if let Some((name, Some(service))) = objects::service(&object) {
                    self.list.insert(name, service);
                }
            }
            Event::InitDone => {
                self.is_heard(true);
                self.shared.write().set_services(std::mem::take(&mut self.list));
            }
            Event::Apply(object) => {
                if let Some((name, service)) = objects::service(&object) {
                    self.shared.write().set_service(name, service);
                }
            }
            Event::Delete(object) => {
                if let Some((name, _)) = objects::service(&object) {
                    self.shared.write().set_service(name, None);
                }
            }
        }
        true
    }

    fn is_heard(&mut self, heard: bool) {
        self.shared.write().watched_services.heard = heard;
    }
}

/// Endpoints or EndpointSlices; `read` makes the one or the other into what is kept.
struct EndpointsGatherer<K> {
    read: fn(&K) -> Option<OfObject>,
    shared: Shared,
    list: BTreeMap<ServiceName, Subsets>,
}

impl<K> Gatherer<K> for EndpointsGatherer<K> {
    const WHAT: &'static str = "endpoints";
    const LABELS: &'static str = ALL;

    fn take(&mut self, event: Event<K>) -> bool {
        match event {
            Event::Init => self.list.clear(),
            Event::InitApply(object) => {
                if let Some((name, object, subsets)) = (self.read)(&object) {
                    self.list.entry(name).or_default().insert(object, subsets);
                }
            }
            Event::InitDone => {
                self.is_heard(true);
                self.shared.write().set_all_endpoints(std::mem::take(&mut self.list));
            }
            Event::Apply(object) => {
                if let Some((name, object, subsets)) = (self.read)(&object) {
                    self.shared.write().set_endpoints(name, object, Some(subsets));
                }
            }
            Event::Delete(object) => {
                if let Some((name, object, _)) = (self.read)(&object) {
                    self.shared.write().set_endpoints(name, object, None);
                }
            }
        }
        true
    }

    fn is_heard(&mut self, heard: bool) {
        self.shared.write().watched_endpoints.heard = heard;
    }
}
