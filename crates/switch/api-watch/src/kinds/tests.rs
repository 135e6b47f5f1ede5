//! Against a fake API server, and somebody in front of it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use kube::ResourceExt;
use kube::runtime::watcher::Event;
use serde_json::json;

use super::*;
use crate::fake::{DISCOVERY, ENDPOINTS, FakeApi, SERVICES, SLICES};
use crate::{Connection, connect};

/// Only bounds a failure.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Objects of any kind, by their names.
#[derive(Clone, Default)]
struct Watched(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    heard: bool,
    /// What was known whenever it began to be heard.
    known: Vec<BTreeSet<String>>,
}

impl Watched {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    fn until(&self, what: &str, is_so: impl Fn(&Seen) -> bool) {
        let begun = Instant::now();
        while !is_so(&self.seen()) {
            assert!(begun.elapsed() < TIMEOUT, "{what}");
            sleep(Duration::from_millis(5));
        }
    }
}

impl<K: ResourceExt> Gatherer<K> for Watched {
    const WHAT: &'static str = "objects";
    const LABELS: &'static str = "";

    fn take(&mut self, event: Event<K>) -> bool {
        let mut seen = self.seen();
        match event {
            Event::Init => seen.names.clear(),
            Event::InitDone => {}
            Event::InitApply(object) | Event::Apply(object) => {
                seen.names.insert(object.name_any());
            }
            Event::Delete(object) => {
                seen.names.remove(&object.name_any());
            }
        }
        true
    }

    fn is_heard(&mut self, heard: bool) {
        let mut seen = self.seen();
        if heard && !seen.heard {
            let names = seen.names.clone();
            seen.known.push(names);
        }
        seen.heard = heard;
    }
}

/// Watches of Services and of their endpoints, on a thread of their own.
fn start(api: &FakeApi) -> [Watched; 2] {
    let watched = [Watched::default(), Watched::default()];
    let [services, endpoints] = watched.clone();
    let to = Connection { kubeconfig: None, master: Some(api.url()) };
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = connect(&to).unwrap();
            let services = watch_services(client.clone(), || services.clone());
            let endpoints = watch_endpoints(client, true, || endpoints.clone(), || endpoints.clone());
            tokio::join!(services, endpoints);
        });
    });
    watched
}

fn put(api: &FakeApi, kind: &'static str, name: &str) {
    api.put(
        kind,
        json!({"metadata": {"namespace": "default", "name": name}, "spec": {}, "addressType": "IPv4", "endpoints": []}),
    );
}

fn asked(api: &FakeApi, path: &str) -> usize {
    api.requests().iter().filter(|asked| *asked == path).count()
}

#[test]
fn a_404_of_somebody_in_front_ends_no_watch_and_nothing_is_heard_meanwhile() {
    let api = FakeApi::start(&[SERVICES, SLICES, ENDPOINTS]);
    let watched = start(&api);
    for watched in &watched {
        watched.until("it stands", |seen| seen.heard);
    }
    for path in [SERVICES, SLICES, DISCOVERY] {
        api.fail(path, 404, usize::MAX);
    }
    api.cut();
    for watched in &watched {
        watched.until("it is not heard", |seen| !seen.heard);
    }
    let before = asked(&api, SERVICES);
    sleep(Duration::from_secs(1));
    assert!(asked(&api, SERVICES) - before < 15, "it is not asked without a pause");
    for path in [SERVICES, SLICES, DISCOVERY] {
        api.fail(path, 404, 0);
    }
    put(&api, SERVICES, "late");
    put(&api, SLICES, "late");
    for watched in &watched {
        watched.until("it stands again", |seen| seen.heard && seen.names.contains("late"));
    }
    assert_eq!(asked(&api, ENDPOINTS), 0, "slices are there");
}

#[test]
fn a_server_that_hangs_is_not_heard_however_long_it_is_silent() {
    let api = FakeApi::start(&[SERVICES]);
    let [services, _] = start(&api);
    services.until("it stands", |seen| seen.heard);
    api.set_hanging(true);
    api.fail(SERVICES, 500, 1);
    api.cut();
    services.until("it is lost", |seen| !seen.heard);
    // Longer than it takes to fail where nobody is there.
    sleep(Duration::from_secs(11));
    assert!(!services.seen().heard, "nothing has been heard");
    api.set_hanging(false);
    services.until("it stands again", |seen| seen.heard);
    put(&api, SERVICES, "late");
    services.until("what happens is heard", |seen| seen.names.contains("late"));
}

#[test]
fn what_is_gone_is_asked_for_with_pauses_again() {
    let api = FakeApi::start(&[SERVICES]);
    api.fail(SERVICES, 410, 5);
    let begun = Instant::now();
    let [services, _] = start(&api);
    services.until("it stands", |seen| seen.heard);
    // 50 ms, and twice as much each time, of which a quarter may be left out.
    assert!(begun.elapsed() > Duration::from_secs(1), "lists");
    let before = asked(&api, SERVICES);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        api.forget();
        sleep(Duration::from_millis(1));
    }
    let asked_meanwhile = asked(&api, SERVICES) - before;
    assert!(asked_meanwhile < 30, "watches: {asked_meanwhile} times");
}

#[test]
fn a_server_too_busy_to_answer_is_not_heard_at_once_and_asked_on_whatever_it_asks_for() {
    let api = FakeApi::start(&[SERVICES]);
    let [services, _] = start(&api);
    services.until("it stands", |seen| seen.heard);
    for code in [429, 503, 504] {
        api.fail(SERVICES, code, usize::MAX);
        api.cut();
        let begun = Instant::now();
        services.until("it is not heard", |seen| !seen.heard);
        assert!(begun.elapsed() < Duration::from_secs(2), "{code}: it is said late");
        let before = asked(&api, SERVICES);
        sleep(Duration::from_secs(1));
        let asked_meanwhile = asked(&api, SERVICES) - before;
        assert!((2..15).contains(&asked_meanwhile), "{code}: asked {asked_meanwhile} times in a second");
        api.fail(SERVICES, code, 0);
        let begun = Instant::now();
        services.until("it stands again", |seen| seen.heard);
        assert!(begun.elapsed() < Duration::from_secs(5), "{code}: it was asked late");
    }
}

#[test]
fn who_asks_for_slices_or_is_answered_404_asks_ever_more_seldom_too() {
    let api = FakeApi::start(&[SERVICES, SLICES, ENDPOINTS]);
    api.fail(DISCOVERY, 503, usize::MAX);
    api.fail(SERVICES, 404, usize::MAX);
    let watched = start(&api);
    // After 6.3 s in all pauses are of 6.4 s and more, and without what is left out of them at random of 4.8 s.
    sleep(Duration::from_millis(6500));
    let before = [SERVICES, DISCOVERY].map(|path| asked(&api, path));
    sleep(Duration::from_millis(3500));
    let meanwhile = [SERVICES, DISCOVERY].map(|path| asked(&api, path));
    for (before, meanwhile) in before.iter().zip(meanwhile) {
        assert!(*before > 4 && meanwhile - before <= 1, "{before} times, and {meanwhile} in the end");
    }
    drop(watched);
}

#[test]
fn what_happened_while_nobody_was_there_is_known_before_anything_is_heard() {
    let api = FakeApi::start(&[SERVICES]);
    let [services, _] = start(&api);
    services.until("it stands", |seen| seen.heard);
    api.set_away(true);
    services.until("it is lost", |seen| !seen.heard);
    services.seen().known.clear();
    put(&api, SERVICES, "late");
    api.forget();
    api.set_away(false);
    services.until("it stands again", |seen| seen.heard && seen.names.contains("late"));
    let seen = services.seen();
    assert!(seen.known.iter().all(|names| names.contains("late")), "{:?}", seen.known);
}

#[test]
fn an_event_after_one_that_cannot_be_read_is_heard() {
    let api = FakeApi::start(&[SERVICES]);
    put(&api, SERVICES, "early");
    let [services, _] = start(&api);
    services.until("it stands", |seen| seen.heard);
    let is_heard_by = |event: &dyn Fn()| {
        api.put(SERVICES, json!({"metadata": {"namespace": "default", "name": "bad"}, "spec": 7}));
        services.until("it is lost", |seen| !seen.heard);
        let begun = Instant::now();
        event();
        services.until("it is heard", |seen| seen.heard);
        assert!(begun.elapsed() < Duration::from_secs(10), "with the next watch alone");
    };
    is_heard_by(&|| put(&api, SERVICES, "late"));
    is_heard_by(&|| api.delete(SERVICES, "default", "early"));
    assert!(services.seen().names.iter().eq(["late"]));
}
