//! Servers of different ages: EndpointSlices where they are served in v1, Endpoints else; and servers that go away.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use kube_proxy::model::{Change, Model, Protocol, ServiceName};
use kube_proxy::news::{self, Arrived, NewsQueue};
use kube_proxy::objects::Reader;
use kube_proxy::watch::{self, Connection};
use serde_json::{Value, json};

use api_watch::fake::{DISCOVERY, ENDPOINTS, FakeApi, SERVICES, SLICES};

/// Only bounds a failure.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The model that a watch keeps, on a thread of its own.
struct Watched {
    news: NewsQueue,
    model: Model,
    /// Whole lists of endpoints that came, by how many Services they name.
    lists: Vec<usize>,
}

impl Watched {
    fn start(api: &FakeApi) -> Watched {
        let (sender, news) = news::channel();
        let connection = Connection { kubeconfig: None, master: Some(api.url()) };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let client = watch::connect(&connection).unwrap();
                watch::run(client, Arc::new(Reader::new("node-1")), true, sender).await;
            });
        });
        Watched { news, model: Model::default(), lists: vec![] }
    }

    /// Takes in news until the model is as desired.
    fn until(&mut self, desired: impl Fn(&Model) -> bool) {
        while !desired(&self.model) {
            self.take("it becomes as desired");
        }
    }

    /// Takes in news until so many whole lists of endpoints came.
    fn until_lists(&mut self, number: usize) {
        while self.lists.len() < number {
            self.take("a list");
        }
    }

    fn take(&mut self, expected: &str) {
        let news = match self.news.wait(Some(TIMEOUT)) {
            Arrived::News(news) => news,
            other => panic!("{other:?}, and not: {expected}"),
        };
        for (change, _) in news.changes {
            if let Change::AllEndpoints(all) = &change {
                self.lists.push(all.len());
            }
            self.model.apply(change, &mut BTreeSet::new());
        }
    }

    fn has(&mut self, endpoints: &[u8]) {
        self.until(|model| model.is_complete() && behind(model, "web") == endpoints);
    }
}

/// The last numbers of a Service's endpoints.
fn behind(model: &Model, name: &str) -> Vec<u8> {
    let endpoints = model.endpoints(&ServiceName::new("default", name), "http", Protocol::Tcp);
    endpoints.iter().map(|endpoint| endpoint.ip.octets()[3]).collect()
}

fn service(name: &str) -> Value {
    json!({
        "metadata": {"namespace": "default", "name": name},
        "spec": {"clusterIP": "10.10.0.20", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    })
}

fn slice(name: &str, addresses: &[u8]) -> Value {
    let endpoint = |last: &u8| json!({"addresses": [Ipv4Addr::new(10, 16, 0, *last).to_string()], "nodeName": "node-1", "conditions": {"ready": true}});
    json!({
        "metadata": {"namespace": "default", "name": name, "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": addresses.iter().map(endpoint).collect::<Vec<_>>(),
    })
}

fn endpoints(name: &str, addresses: &[u8]) -> Value {
    let address = |last: &u8| json!({"ip": Ipv4Addr::new(10, 16, 0, *last).to_string(), "nodeName": "node-1"});
    json!({
        "metadata": {"namespace": "default", "name": name},
        "subsets": [{"addresses": addresses.iter().map(address).collect::<Vec<_>>(), "ports": [{"name": "http", "port": 8080}]}],
    })
}

#[test]
fn a_server_of_today_is_asked_for_endpoint_slices_and_not_for_endpoints() {
    let api = FakeApi::start(&[SERVICES, ENDPOINTS, SLICES]);
    api.put(SERVICES, service("web"));
    api.put(ENDPOINTS, endpoints("web", &[9]));
    api.put(SLICES, slice("web-a", &[1, 2]));
    let mut watched = Watched::start(&api);
    watched.has(&[1, 2]);
    api.put(SLICES, slice("web-b", &[3]));
    watched.has(&[1, 2, 3]);
    api.put(SLICES, slice("web-a", &[2, 4]));
    watched.has(&[2, 3, 4]);
    api.delete(SLICES, "default", "web-b");
    watched.has(&[2, 4]);
    // This is how a real server writes a slice without any.
    let mut nothing = slice("web-a", &[]);
    nothing["endpoints"] = Value::Null;
    nothing["ports"] = Value::Null;
    api.put(SLICES, nothing);
    watched.has(&[]);
    assert!(!api.requests().contains(&ENDPOINTS.to_owned()));
}

#[test]
fn a_server_as_old_as_1_12_is_asked_for_endpoints() {
    let api = FakeApi::start(&[SERVICES, ENDPOINTS]);
    api.put(SERVICES, service("web"));
    api.put(ENDPOINTS, endpoints("web", &[1, 2]));
    let mut watched = Watched::start(&api);
    watched.has(&[1, 2]);
    api.put(ENDPOINTS, endpoints("web", &[3]));
    watched.has(&[3]);
    api.delete(ENDPOINTS, "default", "web");
    watched.has(&[]);
    assert!(!api.requests().contains(&SLICES.to_owned()));
}

#[test]
fn a_server_that_becomes_an_older_one_is_asked_for_endpoints_from_then_on() {
    let api = FakeApi::start(&[SERVICES, ENDPOINTS, SLICES]);
    api.put(SERVICES, service("web"));
    api.put(SLICES, slice("web-a", &[1]));
    let mut watched = Watched::start(&api);
    watched.has(&[1]);
    api.put(ENDPOINTS, endpoints("web", &[7]));
    api.stop_serving(SLICES);
    watched.has(&[7]);
}

#[test]
fn a_relist_of_many_pages_is_handed_over_whole() {
    let api = FakeApi::start(&[SERVICES, ENDPOINTS]);
    let many = || (0..700).map(|number| format!("service-{number}"));
    api.put(SERVICES, service("web"));
    api.put(ENDPOINTS, endpoints("web", &[1]));
    many().for_each(|name| api.put(ENDPOINTS, endpoints(&name, &[1])));
    let mut watched = Watched::start(&api);
    watched.has(&[1]);
    // What happens now is not told, and whoever comes back has to list again.
    api.set_away(true);
    many().for_each(|name| api.delete(ENDPOINTS, "default", &name));
    (0..600).for_each(|number| api.put(ENDPOINTS, endpoints(&format!("other-{number}"), &[2])));
    api.put(ENDPOINTS, endpoints("web", &[5]));
    api.forget();
    api.set_away(false);
    watched.has(&[5]);
    assert_eq!(watched.lists, [701, 601]);
    assert_eq!(behind(&watched.model, "service-3"), [] as [u8; 0]);
    assert_eq!(behind(&watched.model, "other-599"), [2]);
}

#[test]
fn what_a_server_that_is_away_has_said_stays_until_it_is_back() {
    let api = FakeApi::start(&[SERVICES, ENDPOINTS, SLICES]);
    api.put(SERVICES, service("web"));
    api.put(SLICES, slice("web-a", &[1]));
    let mut watched = Watched::start(&api);
    watched.has(&[1]);
    api.set_away(true);
    // Long enough for several attempts.
    let came = watched.news.wait(Some(Duration::from_secs(2)));
    assert_eq!(came, Arrived::Nothing, "while nobody can be asked");
    api.put(SLICES, slice("web-a", &[2]));
    api.set_away(false);
    watched.has(&[2]);
}

#[test]
fn services_that_go_while_the_watch_is_cut_are_gone() {
    let api = FakeApi::start(&[SERVICES, ENDPOINTS]);
    api.put(SERVICES, service("web"));
    api.put(SERVICES, service("other"));
    let mut watched = Watched::start(&api);
    let names =
        |model: &Model| -> BTreeMap<String, ()> { model.services().map(|(name, _)| (name.to_string(), ())).collect() };
    watched.until(|model| model.is_complete() && names(model).len() == 2);
    api.set_away(true);
    api.delete(SERVICES, "default", "web");
    api.set_away(false);
    watched.until(|model| names(model).keys().eq(["default/other"]));
}

#[test]
fn a_404_of_somebody_in_front_of_the_server_ends_no_watch() {
    let api = FakeApi::start(&[SERVICES, SLICES, ENDPOINTS]);
    api.put(SERVICES, service("web"));
    api.put(SLICES, slice("web-1", &[1]));
    api.fail(DISCOVERY, 404, 1);
    let mut watched = Watched::start(&api);
    watched.has(&[1]);
    for path in [SERVICES, SLICES, DISCOVERY] {
        api.fail(path, 404, 2);
    }
    api.cut();
    api.put(SERVICES, service("late"));
    api.put(SLICES, slice("web-1", &[1, 2]));
    watched.until(|model| model.service(&ServiceName::new("default", "late")).is_some());
    watched.has(&[1, 2]);
    assert!(!api.requests().contains(&ENDPOINTS.to_owned()), "slices are there");
}

#[test]
fn a_watch_that_cannot_begin_where_the_last_one_ended_lists_again() {
    let api = FakeApi::start(&[SERVICES, SLICES]);
    api.put(SERVICES, service("web"));
    api.put(SLICES, slice("web-1", &[1]));
    let mut watched = Watched::start(&api);
    watched.has(&[1]);
    let lists = watched.lists.len();
    api.fail(SLICES, 410, 1);
    api.cut();
    api.put(SLICES, slice("web-1", &[1, 2]));
    watched.has(&[1, 2]);
    watched.until_lists(lists + 1);
}

#[test]
fn a_slice_that_becomes_another_services_is_the_first_ones_no_more() {
    let api = FakeApi::start(&[SERVICES, SLICES]);
    api.put(SERVICES, service("web"));
    api.put(SERVICES, service("other"));
    api.put(SLICES, slice("web-1", &[1]));
    let mut watched = Watched::start(&api);
    watched.has(&[1]);
    let mut relabelled = slice("web-1", &[1]);
    relabelled["metadata"]["labels"]["kubernetes.io/service-name"] = json!("other");
    api.put(SLICES, relabelled.clone());
    watched.until(|model| behind(model, "web").is_empty() && behind(model, "other") == [1]);
    relabelled["metadata"]["labels"] = json!({});
    api.put(SLICES, relabelled);
    watched.until(|model| behind(model, "other").is_empty());
}
