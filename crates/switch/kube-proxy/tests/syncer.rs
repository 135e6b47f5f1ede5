//! The syncer with a backend that only notes what it is told: a fake, as what is held here is when and with what it is told.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use kube_proxy::backend::{Backend, Periods, RuleCounts, SyncError};
use kube_proxy::iptables::Table;
use kube_proxy::model::{Change, Endpoint, EndpointPort, EndpointState, Model, Place, Protocol, ServiceName};
use kube_proxy::news::{self, NewsSender, Seen};
use kube_proxy::syncer::{Observer, Syncer};

const TIMEOUT: Duration = Duration::from_secs(20);

/// What a fake does, told to the test.
#[derive(Debug, PartialEq)]
enum Done {
    Synced(Vec<String>),
    Checked,
    CheckedFully,
}

struct Fake {
    done: Sender<Done>,
    failures: Arc<Mutex<u32>>,
}

impl Fake {
    fn fails(&self) -> Result<(), SyncError> {
        let mut failures = self.failures.lock().unwrap();
        if *failures == 0 {
            return Ok(());
        }
        *failures -= 1;
        Err(SyncError("the lock is held".to_owned()))
    }
}

impl Backend for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn sync(&mut self, model: &Model, touched: &BTreeSet<ServiceName>) -> Result<(), SyncError> {
        assert!(model.is_complete());
        self.fails()?;
        self.done.send(Done::Synced(touched.iter().map(ToString::to_string).collect())).unwrap();
        Ok(())
    }

    fn check(&mut self, _: &Model) -> Result<bool, SyncError> {
        self.fails()?;
        let _ = self.done.send(Done::Checked);
        Ok(false)
    }

    fn check_fully(&mut self, _: &Model) -> Result<bool, SyncError> {
        let _ = self.done.send(Done::CheckedFully);
        Ok(false)
    }

    fn rules(&self) -> RuleCounts {
        Table::ALL.map(|table| (table, 0))
    }
}

#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<&'static str>>>);

impl Observer for Heard {
    fn queued(&mut self, _: Seen) {}

    fn nothing_changed(&mut self) {
        self.0.lock().unwrap().push("nothing changed");
    }

    fn synced(&mut self, _: &Model, _: &BTreeSet<ServiceName>, _: Duration, _: &[SystemTime]) {
        self.0.lock().unwrap().push("synced");
    }

    fn counted(&mut self, _: RuleCounts) {}

    fn failed(&mut self, _: &SyncError) {
        self.0.lock().unwrap().push("failed");
    }

    fn checking(&mut self) {
        self.0.lock().unwrap().push("checking");
    }

    fn checked(&mut self, _: &Model, _: bool) {
        self.0.lock().unwrap().push("checked");
    }
}

struct Running {
    news: NewsSender,
    done: Receiver<Done>,
    failures: Arc<Mutex<u32>>,
    heard: Heard,
    thread: JoinHandle<()>,
}

fn start(full_check: Duration) -> Running {
    let (news, arriving) = news::channel();
    let (done_sender, done) = mpsc::channel();
    let failures = Arc::new(Mutex::new(0));
    let heard = Heard::default();
    let backend = Box::new(Fake { done: done_sender, failures: Arc::clone(&failures) });
    let periods = Periods { full_check, least_between_syncs: Duration::ZERO };
    let syncer = Syncer::new(backend, heard.clone(), periods);
    Running { news, done, failures, heard, thread: std::thread::spawn(move || syncer.run(&arriving)) }
}

impl Running {
    fn tell(&self, change: Change) {
        self.news.tell(change, None).unwrap();
    }

    fn list_both(&self) {
        self.tell(Change::AllServices(BTreeMap::new()));
        self.tell(Change::AllEndpoints(BTreeMap::new()));
    }

    fn next_sync(&self) -> Vec<String> {
        loop {
            if let Done::Synced(touched) = self.done.recv_timeout(TIMEOUT).unwrap() {
                return touched;
            }
        }
    }
}

fn endpoints(service: &str) -> Change {
    let ports: Box<[EndpointPort]> = Box::default();
    Change::Endpoints { service: ServiceName::new("default", service), object: service.into(), ports: Some(ports) }
}

#[test]
fn nothing_is_programmed_before_both_sets_are_listed_and_then_even_nothing_is() {
    let running = start(TIMEOUT);
    running.tell(endpoints("web"));
    running.tell(Change::AllServices(BTreeMap::new()));
    assert!(running.done.recv_timeout(Duration::from_millis(200)).is_err());
    running.tell(Change::AllEndpoints(BTreeMap::new()));
    assert_eq!(running.next_sync(), ["default/web"]);

    let empty = start(TIMEOUT);
    empty.list_both();
    assert!(empty.next_sync().is_empty());
}

#[test]
fn what_failed_is_tried_again_with_everything_that_it_had() {
    let running = start(TIMEOUT);
    running.list_both();
    running.next_sync();
    *running.failures.lock().unwrap() = 2;
    running.tell(endpoints("web"));
    assert_eq!(running.next_sync(), ["default/web"]);
    running.news.end();
    running.thread.join().unwrap();
    assert_eq!(*running.heard.0.lock().unwrap(), ["synced", "failed", "failed", "synced"]);
}

#[test]
fn at_rest_it_looks_cheaply_and_at_each_period_thoroughly() {
    let running = start(Duration::from_secs(2));
    running.list_both();
    running.next_sync();
    assert_eq!(running.done.recv_timeout(TIMEOUT).unwrap(), Done::Checked);
    let heard = running.heard.0.lock().unwrap().clone();
    assert_eq!(heard.get(..2), Some(&["synced", "checking"][..]), "a check that hangs is known of");
    let mut later = std::iter::from_fn(|| running.done.recv_timeout(TIMEOUT).ok()).take(5);
    assert!(later.any(|done| done == Done::CheckedFully));
}

#[test]
fn what_changes_nothing_does_not_wait() {
    let running = start(TIMEOUT);
    running.list_both();
    running.tell(endpoints("web"));
    while running.next_sync() != ["default/web"] {}
    running.tell(endpoints("web"));
    let until = Instant::now() + TIMEOUT;
    while !running.heard.0.lock().unwrap().contains(&"nothing changed") {
        assert!(Instant::now() < until, "it waits for something");
        std::thread::sleep(Duration::from_millis(10));
    }
    running.news.end();
    running.thread.join().unwrap();
}

#[test]
fn a_sync_moves_no_check() {
    let running = start(Duration::from_secs(2));
    running.list_both();
    running.next_sync();
    let (mut cheap, mut full) = (0, 0);
    for number in 0..60 {
        running.tell(endpoints(&format!("web-{number}")));
        std::thread::sleep(Duration::from_millis(100));
        for done in running.done.try_iter() {
            cheap += u32::from(done == Done::Checked);
            full += u32::from(done == Done::CheckedFully);
        }
    }
    assert!(cheap >= 2 && full >= 1, "{cheap} cheap and {full} full checks in 6 s of changes");
}

/// The anonymous memory of this process, in bytes.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// As many endpoints as a slice may have, ten times.
fn slice(number: u16) -> Change {
    let endpoint =
        Endpoint { ip: [10, 16, 0, 2].into(), port: number, place: Place::OtherNode, state: EndpointState::Ready };
    let ports = EndpointPort { name: "".into(), protocol: Protocol::Tcp, endpoints: [endpoint; 1000].into() };
    let service = ServiceName::new("default", "web");
    Change::Endpoints { service, object: "web-1".into(), ports: Some([ports].into()) }
}

#[test]
fn a_flood_of_changes_of_one_object_costs_no_memory_while_the_backend_hangs() {
    let running = start(TIMEOUT);
    running.list_both();
    running.next_sync();
    let hanging = running.failures.lock().unwrap();
    let before = memory();
    (0..20_000).for_each(|number| running.tell(slice(number)));
    let grown = memory().saturating_sub(before) >> 20;
    assert!(grown < 32, "{grown} MiB for one object");
    drop(hanging);
    assert_eq!(running.next_sync(), ["default/web"]);
}

#[test]
fn it_ends_when_told_to_and_when_nobody_can_tell_it_any_more() {
    let told = start(TIMEOUT);
    told.list_both();
    told.news.end();
    told.thread.join().unwrap();
    let left = start(TIMEOUT);
    drop(left.news);
    left.thread.join().unwrap();
}
