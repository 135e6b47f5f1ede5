//! The clock of the day may jump, and no test can make it jump for one process alone: the kernel has no namespace for it. So what holds
//! is that nothing is decided by it but when an `exec` plugin is run again, as a token's end is given as a time of day; the server's 401
//! has it run too, whatever the clock says. It is read in the files below, to be shown to people and to Prometheus, and nowhere else;
//! timeouts, periods and affinity go by the monotonic clock.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Files that may read it, and what for.
const READERS: [(&str, &str); 6] = [
    ("api-watch/src/access/exec/credential.rs", "how long a plugin's token is good yet, whose end is a time of day"),
    ("cluster-dns/src/metrics.rs", "when the process began"),
    ("daemon/src/log.rs", "the time in a line"),
    ("kube-proxy/src/events.rs", "the time in an event"),
    ("kube-proxy/src/healthz.rs", "the times in the answer, not whether it is healthy"),
    ("kube-proxy/src/metrics.rs", "timestamps, and how long ago a pod changed by the API's clock"),
];

/// The crates of programs that run for ever.
const CRATES: [&str; 5] = ["api-watch", "cluster-dns", "daemon", "kube-proxy", "metrics-server"];

/// How it can be read.
const READS: [&str; 6] = [
    "SystemTime::now",
    "SystemTime::UNIX_EPOCH.elapsed",
    "Timestamp::now",
    "Zoned::now",
    "Utc::now",
    "ClockId::Realtime",
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn nothing_else_is_decided_by_the_clock_of_the_day() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let mut files = vec![];
    CRATES.iter().for_each(|name| sources(&source.join(name).join("src"), &mut files));
    assert!(files.len() > 60, "{} files in {}", files.len(), source.display());
    let mut readers = vec![];
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        if READS.iter().any(|read| text.contains(read)) {
            readers.push(file.strip_prefix(&source).unwrap().display().to_string());
        }
    }
    readers.sort();
    assert_eq!(readers, READERS.map(|(file, _)| file));
}
