//! Debian packages through the machine's own apt sources, with a private apt that leaves the
//! machine's alone.
//!
//! - [`machine`]: what mirrors and suites the machine's administrator has set up
//! - [`derived`]: a suite that they do not name
//! - [`config`]: a private configuration for one index of one of them
//! - [`suites`]: the indexes, each updated at most once a run, and what they offer
//! - [`packages`], [`locked`], [`source`]: what an origin names, found in them
//! - [`pools`]: what mirrors have and no index names
//! - [`moving`]: what a suite that moves has now
//! - [`download`]: the files, by apt's own methods, into the store

mod config;
mod deb822;
mod derived;
mod download;
mod locked;
mod machine;
mod moving;
mod packages;
mod pools;
mod source;
mod suites;

use self::download::Desired;
use crate::store::Store;

/// The only component of Debian that is used: free software, and what the recipes need.
const COMPONENT: &str = "main";

pub(crate) struct Debian {
    store: Store,
    suites: suites::Suites,
}

impl Debian {
    pub(crate) fn new(store: Store) -> Self {
        Debian { suites: suites::Suites::new(store.directory("apt")), store }
    }
}

/// Whether this machine's apt names the suite, or a mirror of Debian's that may have it.
pub fn may_have_suite(suite: &str) -> bool {
    let usable = suites::usable(&machine::entries().unwrap_or_default());
    machine::suites(&usable).iter().any(|name| name == suite) || !derived::derive(&usable, suite).is_empty()
}

/// What apt's `--print-uris` names, a file a line: URI, file name, size, digest.
fn printed_uris(text: &str) -> Vec<Desired> {
    let line = |line: &str| {
        let (uri, rest) = line.strip_prefix('\'')?.split_once("' ")?;
        let mut words = rest.split(' ');
        let (name, size) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
        let sha256 = words.next()?.strip_prefix("SHA256:")?.parse().ok()?;
        Some(Desired { uri: uri.to_owned(), name, size, sha256 })
    };
    text.lines().filter_map(line).collect()
}
