//! Lines in EOS' syslog form, `%KOE-4-NODE_NOT_READY: …`, for what an operator must know: EOS shows them in `show logging` and sends
//! them where it sends its own.
//!
//! [`say`] says something that happened. [`report`] says how something stands: where it has changed, where a fault has lasted for
//! long enough to be one, and every day that a fault goes on; what was said before is in memory, so that programs that come and go
//! do not say it again.

use std::{
    fs, io,
    os::unix::net::UnixDatagram,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use common::files;
use contract::places;
use serde::{Deserialize, Serialize};

/// Who says it, as EOS' agents have their names there.
const TAG: &str = "KubernetesOnEos";

const LOG: &str = "/dev/log";

/// local4, as EOS' own agents have it.
const FACILITY: u8 = 20;

/// A line of more is cut by some that pass it on.
const LONGEST: usize = 800;

/// A fault that goes on is said again after this.
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Restarts and a master that is upgraded are no faults.
const SHORT: Duration = Duration::from_secs(60);

macro_rules! events {
    ($($(#[$doc:meta])* $event:ident = $severity:literal $mnemonic:literal, $kind:ident;)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Event {
            $($(#[$doc])* $event,)+
        }

        impl Event {
            #[cfg(test)]
            pub const ALL: &[Event] = &[$(Event::$event),+];

            /// As everywhere: 4 is a warning, 5 a notice.
            fn severity(self) -> u8 {
                match self { $(Event::$event => $severity,)+ }
            }

            fn mnemonic(self) -> &'static str {
                match self { $(Event::$event => $mnemonic,)+ }
            }

            fn kind(self) -> Kind {
                match self { $(Event::$event => Kind::$kind,)+ }
            }
        }
    };
}

/// How [`report`] takes an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// All is well: said at first, and after a fault.
    Well,
    /// All is well: said after a fault alone.
    WellAgain,
    /// A fault at once.
    Fault,
    /// A fault where it lasts for [`SHORT`].
    LastingFault,
}

events! {
    NodeReady = 5 "NODE_READY", Well;
    NodeNotReady = 4 "NODE_NOT_READY", LastingFault;
    /// Of a worker, which asks over the network.
    MasterReachable = 5 "MASTER_REACHABLE", WellAgain;
    MasterUnreachable = 4 "MASTER_UNREACHABLE", LastingFault;
    /// Or that cannot be used any more.
    CertificateEnding = 4 "CERTIFICATE_ENDING", Fault;
    CertificateGood = 5 "CERTIFICATE_GOOD", WellAgain;
    FlashFilling = 4 "FLASH_FILLING", Fault;
    FlashHasRoom = 5 "FLASH_HAS_ROOM", WellAgain;
    /// By the reconciler, which says both once.
    Repaired = 5 "REPAIRED", WellAgain;
    GivenUp = 4 "GIVEN_UP", Fault;
}

/// Says it in one line. That it cannot be said keeps nothing else from being done: then it is in the journal.
pub fn say(event: Event, text: &str) {
    let line = line(event, text);
    if let Err(error) = log(event, &line) {
        eprintln!("k8s-node: {line}\nk8s-node: warning: {LOG} has not got this line: {error}");
    }
}

fn line(event: Event, text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).collect();
    let (text, end) = (words.join(" "), |text: &str| text.char_indices().nth(LONGEST).map(|(end, _)| end));
    let text = end(&text).map_or(text.clone(), |end| format!("{}…", &text[..end]));
    format!("%KOE-{}-{}: {text}", event.severity(), event.mnemonic())
}

fn log(event: Event, line: &str) -> io::Result<()> {
    let priority = FACILITY * 8 + event.severity();
    let datagram = format!("<{priority}>{TAG}: {line}");
    UnixDatagram::unbound()?.send_to(datagram.as_bytes(), LOG).map(drop)
}

/// Says how `subject` stands, where that is news. `subject` is a file's name.
pub fn report(subject: &str, event: Event, text: &str) -> Result<()> {
    let file = Path::new(places::SYSLOG_SAID).join(subject);
    if is_news(&file, event, SystemTime::now())? {
        say(event, text);
    }
    Ok(())
}

/// What is known of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    event: Event,
    /// Since when it is so.
    since: SystemTime,
    /// What was said last, and when.
    said: Option<(Event, SystemTime)>,
}

/// Records it, too: whether it is to be said now.
fn is_news(file: &Path, event: Event, now: SystemTime) -> Result<bool> {
    // One that cannot be read is like none: a line is said twice.
    let before: Option<Known> = fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let mut known = Known {
        event,
        since: before.filter(|known| known.event == event).map_or(now, |known| known.since),
        said: before.and_then(|known| known.said),
    };
    let is_news = is_due(&known, now);
    if is_news {
        known.said = Some((event, now));
    }
    if before != Some(known) {
        files::write_atomically(file, serde_json::to_vec(&known)?)?;
    }
    Ok(is_news)
}

fn is_due(known: &Known, now: SystemTime) -> bool {
    // A clock that was set back makes nothing older.
    let past = |time: SystemTime| now.duration_since(time).unwrap_or_default();
    let repeated = known.said.is_none_or(|(event, at)| event != known.event || past(at) >= AGAIN);
    match known.event.kind() {
        Kind::Well => known.said.is_none_or(|(event, _)| event != known.event),
        Kind::WellAgain => known.said.is_some_and(|(event, _)| event != known.event),
        Kind::Fault => repeated,
        Kind::LastingFault => repeated && past(known.since) >= SHORT,
    }
}

#[cfg(test)]
mod tests;
