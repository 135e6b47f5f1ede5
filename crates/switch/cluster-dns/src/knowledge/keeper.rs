//! What is known, kept in files: in memory for a restart of the program, and on the flash, seldom, for one of the switch.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use common::files;
use serde::{Deserialize, Serialize};

use super::{Knowledge, Service, ServiceName, Shared, Standing, Subsets};

/// Another number, and the file is passed over.
const FORMAT: u32 = 1;

/// More is no file of ours.
const LARGEST: u64 = 64 << 20;

/// What a file has.
#[derive(Deserialize)]
struct Kept {
    format: u32,
    services: BTreeMap<ServiceName, Service>,
    endpoints: BTreeMap<ServiceName, Subsets>,
}

/// The same, to be written.
#[derive(Serialize)]
struct Keeping<'a> {
    format: u32,
    services: &'a BTreeMap<ServiceName, Service>,
    endpoints: &'a BTreeMap<ServiceName, Subsets>,
}

/// What an earlier run has kept, out of the first of the files that can be read.
pub fn load(files: &[PathBuf]) -> Shared {
    let shared = Shared::default();
    for file in files.iter().filter(|file| file.exists()) {
        match read(file) {
            Ok(kept) => {
                let mut knowledge = shared.write();
                knowledge.services = kept.services;
                knowledge.endpoints = kept.endpoints;
                knowledge.kept = true;
                knowledge.reindex();
                let services = knowledge.services.len();
                tracing::info!(services, file = %file.display(), "answering by what was kept until the API server answers");
                break;
            }
            Err(error) => tracing::warn!("what was kept is passed over: {error:#}"),
        }
    }
    shared
}

fn read(file: &Path) -> Result<Kept> {
    let size = std::fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len();
    ensure!(size <= LARGEST, "{} has {size} bytes", file.display());
    let kept: Kept =
        serde_json::from_slice(&files::read(file)?).with_context(|| format!("{} is damaged", file.display()))?;
    ensure!(kept.format == FORMAT, "{} has the format {}, and {FORMAT} is read", file.display(), kept.format);
    Ok(kept)
}

/// Writes one file whenever what is known has changed, and not oftener than it is told.
#[derive(Debug)]
pub struct Keeper {
    file: PathBuf,
    /// Between two writes.
    pause: Duration,
    /// What was written last, and when.
    written: Option<(u64, Instant)>,
    failing: bool,
}

impl Keeper {
    pub fn new(file: PathBuf, pause: Duration) -> Self {
        Self { file, pause, written: None, failing: false }
    }

    /// Writes where there is something new and the pause is over, or at once with `now`. Only what the API server has said is written.
    pub fn keep(&mut self, shared: &Shared, now: bool) {
        let Some(text) = self.due(&shared.read(), now) else { return };
        match text.and_then(|text| self.write(&text)) {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!("after a restart without the API server no name will be known: {error:#}");
            }
            Err(_) => {}
        }
    }

    /// What to write, if anything is.
    fn due(&mut self, knowledge: &Knowledge, now: bool) -> Option<Result<Vec<u8>>> {
        let listed = knowledge.watched_services.listed && knowledge.watched_endpoints.listed;
        let due = match self.written {
            Some((version, _)) if version == knowledge.version => false,
            Some((_, at)) => now || at.elapsed() >= self.pause,
            None => true,
        };
        if !listed || !due {
            return None;
        }
        self.written = Some((knowledge.version, Instant::now()));
        let Knowledge { services, endpoints, .. } = knowledge;
        let text = serde_json::to_vec(&Keeping { format: FORMAT, services, endpoints });
        Some(text.context("cannot write down what is known"))
    }

    fn write(&self, text: &[u8]) -> Result<()> {
        if let Some(directory) = self.file.parent() {
            files::create_dir(directory)?;
        }
        // What is there already says the same after most restarts: the flash is spared.
        if std::fs::read(&self.file).is_ok_and(|there| there == text) {
            return Ok(());
        }
        files::write_atomically(&self.file, text)
    }
}

/// Why a file is as old as what it says.
impl Standing {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Stale => "stale",
            Self::Current => "current",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::knowledge::{Endpoint, Kind, Port, Protocol, Subset};

    fn known() -> Shared {
        let shared = Shared::default();
        let mut knowledge = shared.write();
        let name = ServiceName::new("default", "web");
        let ports: Box<[Port]> = [Port { name: "http".into(), protocol: Protocol::Tcp, number: 80 }].into();
        let service = Service { kind: Kind::Headless, ports: ports.clone(), publish_not_ready: false, is_ours: false };
        knowledge.set_services([(name.clone(), service)].into());
        let endpoint = Endpoint { ip: [10, 16, 0, 5].into(), hostname: Some("web-0".into()), ready: true };
        let subset = Subset { ports, endpoints: [endpoint].into() };
        knowledge.set_all_endpoints([(name, [("web".into(), [subset].into())].into())].into());
        drop(knowledge);
        shared
    }

    #[test]
    fn what_was_kept_is_there_again_and_stale() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("kept/known.json");
        let shared = known();
        Keeper::new(file.clone(), Duration::ZERO).keep(&shared, false);
        let knowledge = shared.read();
        let again = load(&[directory.path().join("none"), file]);
        let again = again.read();
        assert_eq!(again.services, knowledge.services);
        assert_eq!(again.endpoints, knowledge.endpoints);
        assert_eq!(again.standing(), Standing::Stale);
        assert_eq!(again.at([10, 16, 0, 5].into()).count(), 1);
    }

    #[test]
    fn a_file_that_is_damaged_or_of_another_format_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let (bad, good) = (directory.path().join("bad"), directory.path().join("good"));
        Keeper::new(good.clone(), Duration::ZERO).keep(&known(), false);
        for text in ["", "{", r#"{"format":2,"services":{},"endpoints":{}}"#, "\0\0\0"] {
            std::fs::write(&bad, text).unwrap();
            assert_eq!(load(&[bad.clone(), good.clone()]).read().services.len(), 1, "{text:?}");
            assert_eq!(load(std::slice::from_ref(&bad)).read().standing(), Standing::Unknown, "{text:?}");
        }
    }

    #[test]
    fn the_flash_is_written_no_oftener_than_told_and_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("known.json");
        let mut keeper = Keeper::new(file.clone(), Duration::from_secs(600));
        let knowledge = known();
        keeper.keep(&knowledge, false);
        let first = std::fs::read(&file).unwrap();
        knowledge.write().set_service(ServiceName::new("default", "web"), None);
        keeper.keep(&knowledge, false);
        assert_eq!(std::fs::read(&file).unwrap(), first);
        keeper.keep(&knowledge, true);
        assert_ne!(std::fs::read(&file).unwrap(), first);
    }

    #[test]
    fn nothing_is_written_before_both_lists_have_come() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("known.json");
        let knowledge = Shared::default();
        knowledge.write().set_services(BTreeMap::new());
        Keeper::new(file.clone(), Duration::ZERO).keep(&knowledge, true);
        assert!(!file.exists());
    }
}
