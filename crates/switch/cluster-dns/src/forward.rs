//! Names outside the domain: asked of the resolvers, with a cache that is bounded, and that serves what is too old where nobody answers.

mod cache;
mod exchange;
mod loops;
mod servers;
mod shares;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::time::timeout;

use crate::metrics::Metrics;
use crate::reply::Reply;
use cache::{Cache, Cached};
pub use loops::Loops;
pub use servers::{Servers, StubDomain};
use shares::Shares;

/// Questions that are under way at a time. More get an error, and ask again; so does who asks more of them than is its share.
const MOST_QUESTIONS: usize = 256;

/// How long one server may take, before another is asked or the same again.
const TRY: Duration = Duration::from_millis(1500);

/// How often servers are asked for one question.
const TRIES: usize = 3;

/// How long who asks is kept waiting where there is an old answer: before it asks again.
const STALE_AFTER: Duration = Duration::from_millis(1800);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub name: Name,
    pub kind: RecordType,
    pub dnssec: bool,
    pub checking_disabled: bool,
}

#[derive(Debug)]
pub struct Forwarder {
    servers: Servers,
    loops: Loops,
    cache: Mutex<Cache>,
    places: Shares,
    metrics: Arc<Metrics>,
}

impl Forwarder {
    pub fn new(servers: Servers, metrics: Arc<Metrics>) -> Self {
        Self {
            servers,
            loops: Loops::with_a_secret(),
            cache: Mutex::new(Cache::default()),
            places: Shares::new(MOST_QUESTIONS),
            metrics,
        }
    }

    /// `source` is who asks.
    pub async fn ask(&self, question: &Question, source: IpAddr) -> Reply {
        let stale = match self.cache().get(question, Instant::now()) {
            Some(Cached::Fresh(reply)) => {
                self.metrics.cache_hit(reply.code);
                return reply;
            }
            Some(Cached::Stale(reply)) => Some(reply),
            None => None,
        };
        self.metrics.cache_miss();
        let asked = async {
            let Some(_place) = self.places.take(source) else {
                self.metrics.over_share();
                tracing::debug!(%source, "it has as many questions under way as it may");
                return None;
            };
            match stale {
                Some(_) => timeout(STALE_AFTER, self.ask_servers(question)).await.ok()?,
                None => self.ask_servers(question).await,
            }
        };
        match (asked.await, stale) {
            (Some(message), _) => {
                let mut cache = self.cache();
                cache.put(question, &message, Instant::now());
                self.metrics.set_cache_entries(cache.len());
                cache::reply_of(message)
            }
            (None, Some(reply)) => {
                self.metrics.served_stale();
                reply
            }
            (None, None) => Reply::code(ResponseCode::ServFail),
        }
    }

    /// What the first server says that has something to say.
    async fn ask_servers(&self, question: &Question) -> Option<Message> {
        let servers = self.servers.of(&question.name);
        let servers: Vec<SocketAddr> = servers.into_iter().filter(|server| !self.loops.has(*server)).collect();
        for at in 0..TRIES {
            let server = *servers.get(at % servers.len().max(1))?;
            self.metrics.forwarded(server);
            match timeout(TRY, exchange::ask(server, question, &self.metrics)).await {
                Ok(Ok(message)) if is_word(message.metadata.response_code) => {
                    self.servers.answered(server);
                    return Some(message);
                }
                Ok(Ok(message)) => {
                    tracing::debug!(%server, code = %message.metadata.response_code, "a resolver does not answer a question");
                }
                Ok(Err(error)) => tracing::debug!(%server, %error, "a resolver cannot be asked"),
                Err(_) => tracing::debug!(%server, "a resolver does not answer in time"),
            }
            self.metrics.forward_failed(server);
            self.servers.failed(server);
        }
        None
    }

    /// Whether a question is one that this program has asked a resolver itself: that one asks us, then.
    pub fn is_probe(&self, name: &Name) -> bool {
        self.loops.is_probe(name)
    }

    /// Finds out for ever which resolvers ask us themselves.
    pub async fn look_for_loops(&self) {
        // At first nothing is served yet, and nothing can come back.
        let mut pause = loops::FIRST_PERIOD;
        loop {
            for server in self.servers.all() {
                let question = self.loops.probe(server);
                let _ = timeout(TRY, exchange::ask(server, &question, &self.metrics)).await;
                self.loops.judge(server);
            }
            self.servers.changed_within(pause).await;
            pause = (pause * 2).min(loops::PERIOD);
        }
    }

    /// For status: the resolvers, and those of them that ask us.
    pub fn resolvers(&self) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
        let all = self.servers.all();
        let looping = all.iter().copied().filter(|server| self.loops.has(*server)).collect();
        (all, looping)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That there is something, or that there is nothing; anything else another server may know better.
fn is_word(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
}
