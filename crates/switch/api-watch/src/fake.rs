//! A fake of the API server's edge: lists, watches and discovery over plain HTTP, of objects that a test puts there. Nothing is
//! validated, so it serves what a real one would not take; and it is as old or as new as a test wants.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

pub const SERVICES: &str = "/api/v1/services";
pub const ENDPOINTS: &str = "/api/v1/endpoints";
pub const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
pub const DISCOVERY: &str = "/apis/discovery.k8s.io/v1";

/// A fake API server that listens until the test ends.
pub struct FakeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    version: u64,
    /// What is served, by the path of its collection.
    kinds: BTreeMap<&'static str, Kind>,
    /// Counts up whenever every watch is to end.
    cuts: u64,
    /// Connections are ended at once, as if there were no server.
    away: bool,
    /// Watches are taken, and not answered.
    hanging: bool,
    requests: Vec<String>,
    /// Paths whose next requests are answered with an error, as by somebody in front of the server.
    failing: BTreeMap<String, (u16, usize)>,
    /// What the last request had for its Authorization.
    authorization: Option<String>,
    /// Whoever has this for its Authorization is nobody.
    refused: Option<String>,
}

#[derive(Default)]
struct Kind {
    objects: BTreeMap<String, Value>,
    events: Vec<(u64, Value)>,
    /// Watches of older versions are told that these are gone.
    oldest: u64,
}

impl FakeApi {
    /// One that serves these collections, empty at first.
    pub fn start(kinds: &[&'static str]) -> FakeApi {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let shared = Arc::new(Shared::default());
        let fake = FakeApi { address: listener.local_addr().unwrap(), shared: shared.clone() };
        {
            let mut state = fake.state();
            state.version = 1;
            state.kinds.extend(kinds.iter().map(|kind| (*kind, Kind::default())));
        }
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                // A client that goes away is not missed.
                thread::spawn(move || drop(shared.serve(stream)));
            }
        });
        fake
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn put(&self, kind: &'static str, mut object: Value) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        let kind = state.kinds.get_mut(kind).unwrap();
        let known = kind.objects.insert(key(&object), object.clone()).is_some();
        kind.events.push((version, json!({"type": if known { "MODIFIED" } else { "ADDED" }, "object": object})));
        drop(state);
        self.shared.changed.notify_all();
    }

    pub fn delete(&self, kind: &'static str, namespace: &str, name: &str) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        let kind = state.kinds.get_mut(kind).unwrap();
        let mut object = kind.objects.remove(&format!("{namespace}/{name}")).unwrap();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        kind.events.push((version, json!({"type": "DELETED", "object": object})));
        drop(state);
        self.shared.changed.notify_all();
    }

    /// The server is another version: it does not serve this any more.
    pub fn stop_serving(&self, kind: &'static str) {
        self.state().kinds.remove(kind);
        self.cut();
    }

    /// Ends every watch. What happened up to now cannot be asked for any more where `forget` says so.
    pub fn cut(&self) {
        self.state().cuts += 1;
        self.shared.changed.notify_all();
    }

    /// Ends every watch, and whoever comes back has to list again.
    pub fn forget(&self) {
        let mut state = self.state();
        state.version += 1;
        let version = state.version;
        for kind in state.kinds.values_mut() {
            kind.events.clear();
            kind.oldest = version;
        }
        drop(state);
        self.cut();
    }

    /// Is it there?
    pub fn set_away(&self, away: bool) {
        self.state().away = away;
        self.cut();
    }

    /// Does it answer watches, or leave who asks for one without a word?
    pub fn set_hanging(&self, hanging: bool) {
        self.state().hanging = hanging;
        self.shared.changed.notify_all();
    }

    /// The next so many requests for this path get this status, and are told to come again in an hour.
    pub fn fail(&self, path: &str, code: u16, times: usize) {
        self.state().failing.insert(path.to_owned(), (code, times));
    }

    /// The paths that were asked for.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// What the last request had for its Authorization.
    pub fn authorization(&self) -> Option<String> {
        self.state().authorization.clone()
    }

    /// From now on this Authorization is answered with 401.
    pub fn refuse(&self, authorization: &str) {
        self.state().refused = Some(authorization.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl State {
    fn failing(&mut self, path: &str) -> Option<u16> {
        let (code, times) = self.failing.get_mut(path).filter(|(_, times)| *times > 0)?;
        *times -= 1;
        Some(*code)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let mut authorization = None;
            while line.trim_end() != "" {
                line.clear();
                reader.read_line(&mut line)?;
                if let Some((name, value)) = line.split_once(':')
                    && name.eq_ignore_ascii_case("authorization")
                {
                    authorization = Some(value.trim().to_owned());
                }
            }
            let (path, query) = target.split_once('?').unwrap_or((&target, ""));
            let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
            // All at one moment: what is asked for before a cut ends with it.
            let (failing, cuts) = {
                let mut state = self.state();
                state.authorization = authorization;
                if state.away {
                    return Ok(());
                }
                state.requests.push(path.to_owned());
                (state.failing(path), state.cuts)
            };
            if let Some(code) = failing {
                let body = failure(code, "ByALoadBalancer").to_string();
                let head = format!(
                    "HTTP/1.1 {code} Error\r\nRetry-After: 3600\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
                continue;
            }
            if query.contains_key("watch") && self.state().kinds.contains_key(path) {
                if !self.answers_watches(cuts) {
                    return Ok(());
                }
                let since = query.get("resourceVersion").and_then(|text| text.parse().ok());
                return self.watch(&mut stream, path, since, cuts);
            }
            let (status, body) = self.answer(path, &query);
            let body = body.to_string();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                body.len()
            )?;
            stream.write_all(body.as_bytes())?;
        }
    }

    fn answer(&self, path: &str, query: &BTreeMap<&str, &str>) -> (&'static str, Value) {
        let state = self.state();
        if state.refused.is_some() && state.refused == state.authorization {
            return ("401 Unauthorized", failure(401, "Unauthorized"));
        }
        if let Some(kind) = state.kinds.get(path) {
            let number = |name| query.get(name).and_then(|text: &&str| text.parse::<usize>().ok());
            let (from, limit) = (number("continue").unwrap_or(0), number("limit").unwrap_or(usize::MAX));
            let items: Vec<&Value> = kind.objects.values().skip(from).take(limit).collect();
            let end = from + items.len();
            let more = if end < kind.objects.len() { end.to_string() } else { String::new() };
            let metadata = json!({"resourceVersion": state.version.to_string(), "continue": more});
            return ("200 OK", json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}));
        }
        // One that is in no namespace.
        if let Some((collection, name)) = path.rsplit_once('/')
            && let Some(object) = state.kinds.get(collection).and_then(|kind| kind.objects.get(&format!("/{name}")))
        {
            return ("200 OK", object.clone());
        }
        if path == DISCOVERY && state.kinds.contains_key(SLICES) {
            let slices = json!({"name": "endpointslices", "singularName": "", "namespaced": true, "kind": "EndpointSlice", "verbs": ["list", "watch"]});
            let list = json!({"kind": "APIResourceList", "groupVersion": "discovery.k8s.io/v1", "resources": [slices]});
            return ("200 OK", list);
        }
        if path == "/apis" {
            let version = json!({"groupVersion": "discovery.k8s.io/v1", "version": "v1"});
            let group = json!({"name": "discovery.k8s.io", "versions": [version], "preferredVersion": version});
            let groups: Vec<Value> = state.kinds.contains_key(SLICES).then_some(group).into_iter().collect();
            return ("200 OK", json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}));
        }
        ("404 Not Found", failure(404, "NotFound"))
    }

    /// Waits for as long as it hangs; false where the watch ends before it has begun.
    fn answers_watches(&self, cuts: u64) -> bool {
        let mut state = self.state();
        while state.hanging && state.cuts == cuts {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.cuts == cuts
    }

    /// `cuts` is how many there were when it was asked for.
    fn watch(&self, stream: &mut TcpStream, path: &str, since: Option<u64>, cuts: u64) -> io::Result<()> {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let mut chunk = |text: String| write!(stream, "{:x}\r\n{text}\n\r\n", text.len() + 1);
        let mut seen = since.unwrap_or_default();
        let mut state = self.state();
        while let Some(kind) = state.kinds.get(path).filter(|_| state.cuts == cuts && !state.away) {
            if seen < kind.oldest {
                chunk(json!({"type": "ERROR", "object": failure(410, "Expired")}).to_string())?;
                break;
            }
            let new = kind.events.iter().skip_while(|(version, _)| *version <= seen);
            new.clone().try_for_each(|(_, event)| chunk(event.to_string()))?;
            seen = new.map(|(version, _)| *version).last().unwrap_or(seen);
            // A while later somebody may be gone without a word.
            let waited = self.changed.wait_timeout(state, Duration::from_secs(1));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        stream.write_all(b"0\r\n\r\n")
    }
}

fn key(object: &Value) -> String {
    let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
    format!("{}/{}", text("namespace"), text("name"))
}

fn failure(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason, "code": code})
}
