//! What the tests share: sources, small archives, a progress sink that remembers.

use std::{
    path::Path,
    process::{Command, Output},
    sync::Mutex,
    time::Duration,
};

use common::{
    Progress, Sha256,
    progress::{Silent, Task, Unit},
    retry::{Pauses, RetryPolicy},
};
use recipes::{Git, Https, Name, Origin, Source};
use sources::{Fetcher, Store, Timeouts};

/// A host that no name server knows, by the standard.
pub(crate) const NOWHERE: &str = "http://no-such-host.invalid/archive.tar.gz";

#[derive(Default)]
pub(crate) struct Notes(pub(crate) Mutex<Vec<String>>);

impl Progress for Notes {
    fn start(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        Silent.start(name, unit, total)
    }

    fn note(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Notes {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::try_from(text.to_owned()).unwrap()
}

pub(crate) fn source(origins: Vec<Origin>) -> Source {
    let markers = vec!["go.mod".to_owned().try_into().unwrap()];
    Source { name: name("thing"), version: "1.2.3".into(), origins, markers }
}

pub(crate) fn https(url: &str, sha256: Sha256) -> Origin {
    Origin::Https(Https { url: url.to_owned(), sha256, root: None })
}

pub(crate) fn git(url: &str, commit: &str) -> Origin {
    Origin::Git(Git { url: url.to_owned(), commit: commit.to_owned().try_into().unwrap() })
}

pub(crate) fn fetcher<'a>(cache: &Path, progress: &'a dyn Progress) -> Fetcher<'a> {
    let retry = RetryPolicy {
        pauses: Pauses::Doubled { longest: Duration::MAX },
        ..RetryPolicy::times(3, Duration::from_millis(10))
    };
    let timeouts = Timeouts { connect: Duration::from_secs(5), stall: Duration::from_millis(500), retry };
    Fetcher::new(Store::open(cache).unwrap(), progress).timeouts(timeouts)
}

/// Bytes that look like nothing in particular.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// A .tar.gz of these files.
pub(crate) fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        builder.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// This very test again, in a process of its own with these variables.
pub(crate) fn again(test: &str, env: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).envs(env.iter().copied());
    command
}

/// That one test ran to its end: there may be none of the name any more.
pub(crate) fn assert_passed(output: &Output) {
    assert_success(output);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("test result: ok. 1 passed;"), "no test ran: {said}");
}

pub(crate) fn assert_success(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}
