//! A cache, a source of two files that is given from a directory, and the two steps that are made of it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
};

use anyhow::Result;
use common::{
    Progress, Sha256,
    progress::{Silent, Task, Unit},
};
use pipeline::{
    cache::{Cache, CacheEntry},
    engine::{Engine, StepStatus, Summary, Trust},
    known::{entry_of, known},
    step::{Fetch, Step, Unpack, Work},
};
use recipes::{Name, Source};
use sources::{FetchMode, Fetcher, Store};

pub(crate) const FETCH: &str = "fetch-thing";
pub(crate) const UNPACK: &str = "unpack-thing";

pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    _removed: Option<tempfile::TempDir>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place { directory: directory.path().to_owned(), _removed: Some(directory) };
        place.write("thing", "go.mod", "module thing\n");
        place.write("thing", "cmd/run", "#!/bin/sh\n");
        place
    }

    /// The same place in another process, which does not remove it.
    pub(crate) fn at(directory: &Path) -> Self {
        Place { directory: directory.to_owned(), _removed: None }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join("cache")
    }

    /// The directory that is given for a source.
    pub(crate) fn source_override(&self, source: &str) -> PathBuf {
        self.directory.join("brought").join(source)
    }

    pub(crate) fn write(&self, source: &str, file: &str, text: &str) {
        let path = self.source_override(source).join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Fetching and unpacking of these sources, as their directories are now.
    pub(crate) fn steps_of(&self, names: &[&str]) -> Vec<Step> {
        let mut steps = Vec::new();
        for name in names {
            let source_override = Some(Sha256::of_tree(&self.source_override(name)).unwrap());
            let fetch = Work::Fetch(Fetch { source: source(name), only: None, source_override });
            let fetch = Step::new(format!("fetch-{name}"), fetch, &[]);
            let unpack = Work::Unpack(Unpack { source: source(name) });
            let unpack = Step::new(format!("unpack-{name}"), unpack, &[&fetch]);
            steps.extend([fetch, unpack]);
        }
        steps
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps_of(&["thing"])
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache::open(&self.root()).unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&self.root()).unwrap()
    }

    pub(crate) fn with_engine<T>(
        &self,
        progress: &dyn Progress,
        jobs: usize,
        action: impl FnOnce(&Engine<'_>) -> T,
    ) -> T {
        let cache = self.cache();
        let mut fetcher = Fetcher::new(self.store(), progress);
        for entry in fs::read_dir(self.directory.join("brought")).unwrap() {
            let path = entry.unwrap().path();
            fetcher = fetcher.override_source(name(path.file_name().unwrap().to_str().unwrap()), path);
        }
        action(&Engine { cache: &cache, fetcher: &fetcher, progress, mode: FetchMode::Online, jobs })
    }

    /// Runs the steps for those goals.
    pub(crate) fn try_run(&self, steps: &[Step], goals: &[&str], jobs: usize) -> Result<Summary> {
        self.with_engine(&Silent, jobs, |engine| engine.run(steps, goals))
    }

    /// Makes the tree; the names of the steps that ran.
    pub(crate) fn run(&self) -> Vec<String> {
        ran(&self.try_run(&self.steps(), &[UNPACK], 1).unwrap())
    }

    pub(crate) fn statuses(&self, goals: &[&str], trust: Trust) -> Vec<StepStatus> {
        self.with_engine(&Silent, 1, |engine| engine.statuses(&self.steps(), goals, trust))
    }

    /// The entry of one of the steps as they are now.
    pub(crate) fn entry(&self, step: &str) -> CacheEntry {
        entry_of(&self.cache(), &self.steps(), step).unwrap_or_else(|miss| panic!("{step}: {miss}"))
    }

    /// Removes the entry of one of the steps as they are now.
    pub(crate) fn remove(&self, step: &str) {
        let (cache, steps) = (self.cache(), self.steps());
        let known = known(&cache, &steps);
        let keyed = known.iter().find(|known| known.step.name == step).and_then(|known| known.keyed.as_ref());
        cache.remove(keyed.unwrap()).unwrap();
    }

    /// A file of the tree in the cache, of which everything has been found as it was recorded.
    pub(crate) fn made(&self, file: &str) -> String {
        let entry = self.entry(UNPACK);
        assert!(entry.is_intact(), "the entry is damaged");
        fs::read_to_string(entry.out().join(file)).unwrap()
    }

    /// What is in the directory for work under way.
    pub(crate) fn under_way(&self) -> Vec<String> {
        names(&self.root().join("tmp"))
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub(crate) fn name(text: &str) -> Name {
    Name::try_from(text.to_owned()).unwrap()
}

pub(crate) fn source(text: &str) -> Source {
    let markers = vec!["go.mod".to_owned().try_into().unwrap()];
    Source { name: name(text), version: "1.2.3".into(), origins: Vec::new(), markers }
}

pub(crate) fn ran(summary: &Summary) -> Vec<String> {
    summary.ran.iter().map(|(name, _)| name.clone()).collect()
}

pub(crate) fn shown(statuses: &[StepStatus]) -> Vec<String> {
    statuses.iter().map(StepStatus::to_string).collect()
}

/// A sink that remembers what was noted.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

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

const PLACE: &str = "TEST_PLACE";

/// The place that this process was started for, if it is the second one of a test.
pub(crate) fn given_place() -> Option<Place> {
    env::var_os(PLACE).map(|directory| Place::at(Path::new(&directory)))
}

/// That test again, in a process of its own that works in `place`.
pub(crate) fn again(test: &str, place: &Place) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(PLACE, &place.directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}
