//! The watches that keep what is known true: Services, and EndpointSlices where the API server has them in v1, else Endpoints.

use std::collections::BTreeMap;

use api_watch::{Gatherer, watch_endpoints, watch_services};
use k8s_openapi::api::core::v1;
use kube::Client;
use kube::runtime::watcher::Event;

use super::objects::{self, OfObject};
use super::{Service, ServiceName, Shared, Subsets};

/// Names are given to every Service, whoever proxies it.
const ALL: &str = "";

/// Watches for ever.
pub async fn run(client: Client, shared: Shared) {
    let services =
        watch_services(client.clone(), || ServicesGatherer { shared: shared.clone(), list: BTreeMap::new() });
    let endpoints = watch_endpoints(
        client,
        true,
        || EndpointsGatherer::new(objects::slice, &shared),
        || EndpointsGatherer::new(objects::endpoints, &shared),
    );
    tokio::join!(services, endpoints);
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
            Event::InitDone => self.shared.write().set_services(std::mem::take(&mut self.list)),
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

impl<K> EndpointsGatherer<K> {
    fn new(read: fn(&K) -> Option<OfObject>, shared: &Shared) -> Self {
        Self { read, shared: shared.clone(), list: BTreeMap::new() }
    }
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
            Event::InitDone => self.shared.write().set_all_endpoints(std::mem::take(&mut self.list)),
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
