//! Decides what has to run, and runs it: steps that do not need each other side by side.

mod schedule;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Condvar, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use common::{Progress, Sha256};
use sources::{BlobFile, FetchMode, Fetcher};

use crate::{
    cache::{Cache, CacheEntry, Miss},
    inputs,
    known::{Known, entry_of, known},
    step::{Step, TreeBuild, Work},
    work,
};

/// What will become of a step.
#[derive(Debug, Clone)]
pub enum StepStatus {
    Cached,
    Run(Miss),
    /// Neither asked for nor needed by a step that runs.
    NotNeeded,
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepStatus::Cached => f.write_str("cached"),
            StepStatus::Run(miss) => write!(f, "run     {miss}"),
            StepStatus::NotNeeded => f.write_str("not needed"),
        }
    }
}

/// Everything that carrying out a step uses.
pub struct Engine<'a> {
    pub cache: &'a Cache,
    pub fetcher: &'a Fetcher<'a>,
    pub progress: &'a dyn Progress,
    pub mode: FetchMode,
    /// How many steps run at once.
    pub jobs: usize,
}

/// How far to trust what the cache holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// An entry that is there is good: enough to show a plan.
    Presence,
    /// What is about to be used is read and compared with its digest first.
    Digest,
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Summary {
    pub ran: Vec<(String, Duration)>,
    pub cached: usize,
    /// Every step of the plan that is in the cache now, with its key.
    pub keys: BTreeMap<String, Sha256>,
}

impl Engine<'_> {
    /// The status of every step, for the goals. `steps` has needs before the steps that need them.
    pub fn statuses(&self, steps: &[Step], goals: &[&str], trust: Trust) -> Vec<StepStatus> {
        self.survey(&known(self.cache, steps), goals, trust)
    }

    fn survey(&self, known: &[Known], goals: &[&str], trust: Trust) -> Vec<StepStatus> {
        let index: BTreeMap<&str, usize> =
            known.iter().enumerate().map(|(i, known)| (known.step.name.as_str(), i)).collect();
        let mut needed: Vec<bool> = known.iter().map(|known| goals.contains(&known.step.name.as_str())).collect();
        let mut statuses = vec![StepStatus::NotNeeded; known.len()];
        for i in (0..known.len()).rev() {
            if !needed[i] {
                continue;
            }
            let Known { step, entry, .. } = &known[i];
            statuses[i] = match entry.as_ref().map_err(Miss::clone).and_then(|entry| self.usable(step, entry, trust)) {
                Ok(()) => StepStatus::Cached,
                Err(miss) => StepStatus::Run(miss),
            };
            if matches!(statuses[i], StepStatus::Run(_)) {
                for name in &step.needs {
                    needed[index[name.as_str()]] = true;
                }
            }
        }
        statuses
    }

    /// Whether an entry is what it was when its step ended.
    fn usable(&self, step: &Step, entry: &CacheEntry, trust: Trust) -> Result<(), Miss> {
        if trust == Trust::Digest && !entry.is_intact() {
            return Err(Miss::Damaged("its output is not what was recorded".into()));
        }
        if let Work::Fetch(_) = &step.work {
            let fetched = work::fetch::read(entry).map_err(|error| Miss::Damaged(format!("{error:#}")))?;
            if let Some(file) = fetched.files.iter().find(|file| !self.has_blob(file, trust)) {
                return Err(Miss::Damaged(format!("{} is not in the cache as it was fetched", file.name)));
            }
        }
        Ok(())
    }

    fn has_blob(&self, file: &BlobFile, trust: Trust) -> bool {
        let store = self.fetcher.store();
        match trust {
            Trust::Presence => store.has(&file.sha256),
            Trust::Digest => store.open_verified(&file.sha256).is_ok_and(|blob| blob.is_some()),
        }
    }

    /// Makes every goal, and what it needs, be in the cache, whole and verified.
    pub fn run(&self, steps: &[Step], goals: &[&str]) -> Result<Summary> {
        let _in_use = self.cache.use_now()?;
        let swept = self.cache.sweep().and_then(|()| self.fetcher.store().sweep());
        swept.context("cannot clean up after an earlier run")?;
        let known = known(self.cache, steps);
        let statuses = self.survey(&known, goals, Trust::Digest);
        let to_run: BTreeSet<usize> = (0..steps.len()).filter(|&i| matches!(statuses[i], StepStatus::Run(_))).collect();
        for &i in &to_run {
            if let Work::Fetch(fetch) = &steps[i].work {
                let required = self.fetcher.check_source_override(&fetch.source);
                required.with_context(|| format!("step {} failed", steps[i].name))?;
            }
            if let StepStatus::Run(miss @ Miss::Damaged(_)) = &statuses[i] {
                self.progress.note(&format!("{}: {miss}; making it again", steps[i].name));
            }
        }
        let cached = statuses.iter().filter(|status| matches!(status, StepStatus::Cached)).count();
        let ways = schedule::ways_to_the_end(steps, &to_run);
        // The others keep the keys that they have.
        let keys = (0..steps.len()).filter(|i| !to_run.contains(i));
        let keys = keys.filter_map(|i| Some((steps[i].name.clone(), known[i].keyed.as_ref()?.key))).collect();
        let begun_with = to_run.len();
        let state = State { waiting: to_run, keys, ..State::default() };
        let board = Board { ways, state: Mutex::new(state), changed: Condvar::new() };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work_off(steps, &board));
            }
        });
        let state = board.state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        match state.failure {
            Some(error) => Err(error),
            None if !state.waiting.is_empty() => bail!("a step ended without a result"),
            None => Ok(Summary { cached: cached + begun_with - state.done.len(), ran: state.done, keys: state.keys }),
        }
    }

    /// Unpacks the source of a tree whose fetch is done, without patching it.
    pub fn unpack(&self, steps: &[Step], tree: &TreeBuild, into: &Path) -> Result<()> {
        let name = format!("fetch-{}", tree.source.name);
        let entry = entry_of(self.cache, steps, &name).map_err(|miss| anyhow::anyhow!("{name}: {miss}"))?;
        sources::unpack(&work::fetch::read(&entry)?, self.fetcher.store(), into).map(drop)
    }

    /// One worker: takes steps whose needs are done until none is left or one has failed.
    fn work_off(&self, steps: &[Step], board: &Board) {
        while let Some(i) = board.take(steps) {
            let began = Instant::now();
            // Whoever waits for this step must hear of its end, also if it ends in a panic.
            let made = catch_unwind(AssertUnwindSafe(|| self.make(&steps[i], board)));
            let result = made.unwrap_or_else(|_| bail!("it ended in a panic: that is a mistake in this program"));
            let result = result.with_context(|| format!("step {} failed", steps[i].name));
            if result.is_err() && self.jobs > 1 {
                let name = &steps[i].name;
                self.progress.note(&format!(
                    "step {name} failed; the steps that are under way go on, and what they make is kept"
                ));
            }
            board.finish(i, &steps[i].name, result, began.elapsed());
        }
    }

    /// Makes one step, unless it is there: another run has made it meanwhile, or what it needs was made again and is the same.
    fn make(&self, step: &Step, board: &Board) -> Result<Made> {
        let mut needs = BTreeMap::new();
        let mut sources = BTreeMap::new();
        for name in &step.needs {
            let key = board.key(name).with_context(|| format!("{name} has not been made"))?;
            let entry = self.cache.look_up_key(name, &key);
            let entry = entry.map_err(|miss| anyhow::anyhow!("{name} is gone from the cache: {miss}"))?;
            sources.extend(entry.meta.sources.clone());
            needs.insert(name.clone(), entry);
        }
        let keyed = step.keyed(|need| needs.get(need).map(|entry| entry.meta.output));
        let keyed = keyed.map_err(|need| anyhow::anyhow!("{need} has not been made"))?;
        let _lock = self.cache.lock(&keyed, |_| {
            self.progress.note(&format!("{}: another run is making it; waiting", step.name));
        })?;
        let there = self.cache.look_up(&keyed).and_then(|entry| self.usable(step, &entry, Trust::Digest));
        if there.is_ok() {
            return Ok(Made { key: keyed.key, here: false });
        }
        let began = Instant::now();
        let workshop = self.cache.workshop(step)?;
        let log = self.cache.log_file(&keyed);
        let _ = std::fs::remove_file(&log);
        let job = work::Job { step, needs: &needs, workshop: &workshop, log: &log, engine: self };
        work::execute(&job, &mut sources)?;
        inputs::unchanged(step)?;
        self.cache.keep(&keyed, &workshop, sources, began.elapsed())?;
        Ok(Made { key: keyed.key, here: true })
    }
}

/// A step that is in the cache now.
struct Made {
    key: Sha256,
    /// By this run.
    here: bool,
}

/// What the workers share.
struct Board {
    /// How far each step is from the end.
    ways: Vec<u32>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Not yet done; of these, `running` are under way.
    waiting: BTreeSet<usize>,
    running: BTreeSet<usize>,
    done: Vec<(String, Duration)>,
    /// Of every step that is in the cache.
    keys: BTreeMap<String, Sha256>,
    failure: Option<anyhow::Error>,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Of the steps that can begin, the one that is farthest from the end; waits for one while others are under way.
    fn take(&self, steps: &[Step]) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.failure.is_some() {
                return None;
            }
            let blocked = |i: usize| {
                steps[i].needs.iter().any(|name| state.waiting.iter().any(|&other| steps[other].name == *name))
            };
            let shared = |i: usize| schedule::shared_directory(&steps[i].work);
            let taken = |i: usize| shared(i).is_some() && state.running.iter().any(|&other| shared(other) == shared(i));
            let ready =
                state.waiting.iter().copied().filter(|&i| !state.running.contains(&i) && !blocked(i) && !taken(i));
            if let Some(i) = ready.max_by_key(|&i| (self.ways[i], schedule::seconds(&steps[i].work), Reverse(i))) {
                state.running.insert(i);
                return Some(i);
            }
            if state.running.is_empty() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn key(&self, name: &str) -> Option<Sha256> {
        self.lock().keys.get(name).copied()
    }

    fn finish(&self, i: usize, name: &str, result: Result<Made>, took: Duration) {
        let mut state = self.lock();
        state.running.remove(&i);
        match result {
            Ok(made) => {
                state.waiting.remove(&i);
                state.keys.insert(name.to_owned(), made.key);
                state.done.extend(made.here.then(|| (name.to_owned(), took)));
            }
            // The first failure is the cause; what fails after it is a consequence or a second one for later.
            Err(error) => {
                state.failure.get_or_insert(error);
            }
        }
        self.changed.notify_all();
    }
}
