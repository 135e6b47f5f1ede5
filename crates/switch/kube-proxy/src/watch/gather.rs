//! From events of a watch to changes of the model: a list is gathered, and handed over when it is whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::SystemTime;

use k8s_openapi::api::core::v1;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use super::follow::Gatherer;
use crate::model::{Change, EndpointPort, Service, ServiceName};
use crate::objects::{ObjectEndpoints, Reader};
use crate::syncer::News;

/// Where the API's controllers say when a pod changed that endpoints changed for.
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

pub struct ServicesGatherer {
    reader: Arc<Reader>,
    news: Sender<News>,
    list: BTreeMap<ServiceName, Service>,
}

impl ServicesGatherer {
    pub fn new(reader: Arc<Reader>, news: Sender<News>) -> Self {
        Self { reader, news, list: BTreeMap::new() }
    }
}

impl Gatherer<v1::Service> for ServicesGatherer {
    const WHAT: &'static str = "Services";

    fn take(&mut self, event: Event<v1::Service>) -> bool {
        let change = match event {
            Event::Init => {
                self.list.clear();
                return true;
            }
            Event::InitApply(object) => {
                if let Some((name, Some(service))) = self.reader.service(&object) {
                    self.list.insert(name, service);
                }
                return true;
            }
            Event::InitDone => Some(Change::AllServices(std::mem::take(&mut self.list))),
            Event::Apply(object) => self.reader.service(&object).map(|(name, service)| Change::Service(name, service)),
            Event::Delete(object) => self.reader.service(&object).map(|(name, _)| Change::Service(name, None)),
        };
        change.is_none_or(|change| self.news.send(News::Change(change, None)).is_ok())
    }
}

/// Gathers Endpoints or EndpointSlices; `read` makes the one or the other into what the model has.
pub struct EndpointsGatherer<K> {
    read: fn(&Reader, &K) -> Option<ObjectEndpoints>,
    reader: Arc<Reader>,
    news: Sender<News>,
    list: BTreeMap<ServiceName, BTreeMap<Box<str>, Box<[EndpointPort]>>>,
}

impl<K: ResourceExt> EndpointsGatherer<K> {
    pub fn new(read: fn(&Reader, &K) -> Option<ObjectEndpoints>, reader: Arc<Reader>, news: Sender<News>) -> Self {
        Self { read, reader, news, list: BTreeMap::new() }
    }

    fn changed(&self, object: &K, gone: bool) -> bool {
        let Some(ObjectEndpoints { service, object: name, ports }) = (self.read)(&self.reader, object) else {
            return true;
        };
        let trigger = object.annotations().get(TRIGGER_TIME).and_then(|text| humantime::parse_rfc3339(text).ok());
        let change = Change::Endpoints { service, object: name, ports: (!gone).then_some(ports) };
        self.news.send(News::Change(change, trigger.filter(|_| !gone))).is_ok()
    }
}

impl<K: ResourceExt> Gatherer<K> for EndpointsGatherer<K> {
    const WHAT: &'static str = "endpoints";

    fn take(&mut self, event: Event<K>) -> bool {
        match event {
            Event::Init => {
                self.list.clear();
                true
            }
            Event::InitApply(object) => {
                if let Some(ObjectEndpoints { service, object, ports }) = (self.read)(&self.reader, &object) {
                    self.list.entry(service).or_default().insert(object, ports);
                }
                true
            }
            Event::InitDone => {
                let all = Change::AllEndpoints(std::mem::take(&mut self.list));
                self.news.send(News::Change(all, None::<SystemTime>)).is_ok()
            }
            Event::Apply(object) => self.changed(&object, false),
            Event::Delete(object) => self.changed(&object, true),
        }
    }
}
