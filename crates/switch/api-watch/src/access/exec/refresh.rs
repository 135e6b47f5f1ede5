//! A plugin's token while its program runs: used by requests, and given anew by a thread that waits for the plugin in their stead.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use rustls::sign::CertifiedKey;

use super::Plugin;

/// So long before its end a token is given anew, or after three quarters of the time that is left.
const AHEAD: Duration = Duration::from_secs(60);

/// The time between a run that was of no use and the next.
const PAUSE: Duration = Duration::from_secs(30);

/// The least time until the next run.
const LEAST: Duration = Duration::from_secs(1);

/// The token that the plugin gave last.
#[derive(Clone)]
pub(crate) struct Current {
    value: Arc<Mutex<HeaderValue>>,
    refused: SyncSender<()>,
}

impl Current {
    pub fn value(&self) -> HeaderValue {
        self.value.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The server does not take it.
    pub fn refused(&self) {
        // Where this waits to be seen already, that will do.
        let _ = self.refused.try_send(());
    }
}

/// What a plugin gave at the start.
pub(crate) struct Given {
    pub token: Option<Current>,
    pub identity: Option<CertifiedKey>,
}

/// Runs the plugin now, and whenever that is needed for as long as its token is used. `whose` is the file and the entry.
pub(crate) fn start(plugin: Plugin, whose: String) -> Result<Given, String> {
    let first = plugin.credential()?;
    if let (Some(_), Some(ends)) = (&first.identity, first.ends) {
        tracing::warn!(
            "the certificate of {whose}: exec {:?} ends at {ends}, and one is taken at the start only: restart before that",
            plugin.program
        );
    }
    let next = first.good_for().map(until_next);
    let token = first.authorization.map(|value| keep(plugin, whose, value, next)).transpose()?;
    Ok(Given { token, identity: first.identity })
}

fn keep(plugin: Plugin, whose: String, value: HeaderValue, next: Option<Duration>) -> Result<Current, String> {
    let value = Arc::new(Mutex::new(value));
    let (refused, refusals) = sync_channel(1);
    let refresher = Refresher { plugin, whose, value: Arc::clone(&value), failing: false };
    thread::Builder::new()
        .name("exec".to_owned())
        .spawn(move || refresher.run(&refusals, next))
        .map_err(|error| format!("cannot start a thread for its exec: {error}"))?;
    Ok(Current { value, refused })
}

pub(super) struct Refresher {
    pub plugin: Plugin,
    pub whose: String,
    pub value: Arc<Mutex<HeaderValue>>,
    /// The plugin is of no use any more, and this has been said.
    pub failing: bool,
}

impl Refresher {
    /// A token without an end is good until the server refuses it.
    fn run(mut self, refusals: &Receiver<()>, mut next: Option<Duration>) {
        let mut after_refusal: Option<Instant> = None;
        loop {
            let refusal = match next {
                Some(next) => refusals.recv_timeout(next),
                None => refusals.recv().map_err(RecvTimeoutError::from),
            };
            match refusal {
                Ok(()) => {
                    // The server may be what is wrong.
                    if let Some(last) = after_refusal {
                        thread::sleep(PAUSE.saturating_sub(last.elapsed()));
                    }
                    after_refusal = Some(Instant::now());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            next = self.again();
            // The token that this was about is not used any more.
            let _ = refusals.try_recv();
        }
    }

    /// Runs the plugin, and says how long it can rest then. What it gave last stays where it fails, as client-go has it.
    pub(super) fn again(&mut self) -> Option<Duration> {
        let given = self.plugin.credential().and_then(|given| match given.authorization.clone() {
            Some(value) => Ok((value, given.good_for())),
            None => Err("its answer has no status.token any more".to_owned()),
        });
        match given {
            Ok((value, good_for)) => {
                *self.value.lock().unwrap_or_else(PoisonError::into_inner) = value;
                self.failing = false;
                good_for.map(until_next)
            }
            Err(why) => {
                if !self.failing {
                    tracing::warn!("the token that was given last is used on, as {}: {why}", self.whose);
                }
                self.failing = true;
                Some(PAUSE)
            }
        }
    }
}

/// When to run the plugin again, for a token that is good for so long. Where it has ended, the clock may be wrong.
pub(super) fn until_next(good_for: Duration) -> Duration {
    if good_for.is_zero() { PAUSE } else { good_for.saturating_sub(AHEAD.min(good_for / 4)).max(LEAST) }
}
