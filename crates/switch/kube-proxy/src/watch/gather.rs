//! From events of a watch to changes of the model: a list is gathered, and handed over when it is whole.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use k8s_openapi::api::core::v1;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use crate::model::{Change, EndpointPort, Service, ServiceName};
use crate::news::NewsSender;
use crate::objects::{ObjectEndpoints, Reader};
use api_watch::Gatherer;

/// Not ours to serve: headless Services, and those for another proxy.
const LABELS: &str = "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name";

/// Where the API's controllers say when a pod changed that endpoints changed for.
const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";

pub struct ServicesGatherer {
    reader: Arc<Reader>,
    news: NewsSender,
    list: BTreeMap<ServiceName, Service>,
}

impl ServicesGatherer {
    pub fn new(reader: Arc<Reader>, news: NewsSender) -> Self {
        Self { reader, news, list: BTreeMap::new() }
    }
}

impl Gatherer<v1::Service> for ServicesGatherer {
    const WHAT: &'static str = "Services";
    const LABELS: &'static str = LABELS;

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
        change.is_none_or(|change| self.news.tell(change, None).is_ok())
    }
}

/// An object's namespace and name.
type ObjectKey = (Option<String>, Option<String>);

/// Gathers Endpoints or EndpointSlices; `read` makes the one or the other into what the model has.
pub struct EndpointsGatherer<K> {
    read: fn(&Reader, &K) -> Option<ObjectEndpoints>,
    reader: Arc<Reader>,
    news: NewsSender,
    list: BTreeMap<ServiceName, BTreeMap<Box<str>, Box<[EndpointPort]>>>,
    /// Whose each object is, by its namespace and name: a label says so, and labels change.
    owners: HashMap<ObjectKey, (ServiceName, Box<str>)>,
}

impl<K: ResourceExt> EndpointsGatherer<K> {
    pub fn new(read: fn(&Reader, &K) -> Option<ObjectEndpoints>, reader: Arc<Reader>, news: NewsSender) -> Self {
        Self { read, reader, news, list: BTreeMap::new(), owners: HashMap::new() }
    }

    fn changed(&mut self, object: &K, gone: bool) -> bool {
        let read = (self.read)(&self.reader, object);
        let key = (object.namespace(), object.meta().name.clone());
        let now = read.as_ref().filter(|_| !gone).map(|read| (read.service.clone(), read.object.clone()));
        let before = match now.clone() {
            Some(now) => self.owners.insert(key, now),
            None => self.owners.remove(&key),
        };
        // Whose it was has it no more.
        if let Some((service, object)) = before.filter(|before| Some(before) != now.as_ref()) {
            let left = Change::Endpoints { service, object, ports: None };
            if self.news.tell(left, None).is_err() {
                return false;
            }
        }
        let Some(ObjectEndpoints { service, object: name, ports }) = read else {
            return true;
        };
        let trigger = object.annotations().get(TRIGGER_TIME).and_then(|text| humantime::parse_rfc3339(text).ok());
        let change = Change::Endpoints { service, object: name, ports: (!gone).then_some(ports) };
        self.news.tell(change, trigger.filter(|_| !gone)).is_ok()
    }
}

impl<K: ResourceExt> Gatherer<K> for EndpointsGatherer<K> {
    const WHAT: &'static str = "endpoints";
    const LABELS: &'static str = LABELS;

    fn take(&mut self, event: Event<K>) -> bool {
        match event {
            Event::Init => {
                self.list.clear();
                self.owners.clear();
                true
            }
            Event::InitApply(object) => {
                let key = (object.namespace(), object.meta().name.clone());
                if let Some(ObjectEndpoints { service, object, ports }) = (self.read)(&self.reader, &object) {
                    self.owners.insert(key, (service.clone(), object.clone()));
                    self.list.entry(service).or_default().insert(object, ports);
                }
                true
            }
            Event::InitDone => {
                let all = Change::AllEndpoints(std::mem::take(&mut self.list));
                self.news.tell(all, None).is_ok()
            }
            Event::Apply(object) => self.changed(&object, false),
            Event::Delete(object) => self.changed(&object, true),
        }
    }
}
