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
use common::Progress;
use sources::{BlobFile, FetchMode, Fetcher};

use crate::{
    cache::{Cache, CacheEntry, Miss},
    inputs,
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
}

impl Engine<'_> {
    /// The status of every step, for the goals. `steps` has needs before the steps that need them.
    pub fn statuses(&self, steps: &[Step], goals: &[&str], trust: Trust) -> Vec<StepStatus> {
        let index: BTreeMap<&str, usize> = steps.iter().enumerate().map(|(i, step)| (step.name.as_str(), i)).collect();
        let mut needed: Vec<bool> = steps.iter().map(|step| goals.contains(&step.name.as_str())).collect();
        let mut statuses = vec![StepStatus::NotNeeded; steps.len()];
        for i in (0..steps.len()).rev() {
            if !needed[i] {
                continue;
            }
            statuses[i] = match self.usable(&steps[i], trust) {
                Ok(_) => StepStatus::Cached,
                Err(miss) => StepStatus::Run(miss),
            };
            if matches!(statuses[i], StepStatus::Run(_)) {
                for (name, _) in &steps[i].needs {
                    needed[index[name.as_str()]] = true;
                }
            }
        }
        statuses
    }

    fn usable(&self, step: &Step, trust: Trust) -> Result<CacheEntry, Miss> {
        let entry = self.cache.look_up(step)?;
        if trust == Trust::Digest && !entry.is_intact() {
            return Err(Miss::Damaged("its output is not what was recorded".into()));
        }
        if let Work::Fetch(_) = &step.work {
            let fetched = work::fetch::read(&entry).map_err(|error| Miss::Damaged(format!("{error:#}")))?;
            if let Some(file) = fetched.files.iter().find(|file| !self.has_blob(file, trust)) {
                return Err(Miss::Damaged(format!("{} is not in the cache as it was fetched", file.name)));
            }
        }
        Ok(entry)
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
        let swept = self.cache.sweep().and_then(|()| self.fetcher.store().sweep());
        swept.context("cannot clean up after an earlier run")?;
        let statuses = self.statuses(steps, goals, Trust::Digest);
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
        let board =
            Board { ways, state: Mutex::new(State { waiting: to_run, ..State::default() }), changed: Condvar::new() };
        std::thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| self.work_off(steps, &board));
            }
        });
        let state = board.state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        match state.failure {
            Some(error) => Err(error),
            None if !state.waiting.is_empty() => bail!("a step ended without a result"),
            None => Ok(Summary { ran: state.done, cached }),
        }
    }

    /// Unpacks the source of a tree whose fetch is done, without patching it.
    pub fn unpack(&self, steps: &[Step], tree: &TreeBuild, into: &Path) -> Result<()> {
        let name = format!("fetch-{}", tree.source.name);
        let step = steps.iter().find(|step| step.name == name).context("a tree has no fetch in the plan")?;
        let entry = self.usable(step, Trust::Presence).map_err(|miss| anyhow::anyhow!("{name}: {miss}"))?;
        sources::unpack(&work::fetch::read(&entry)?, self.fetcher.store(), into).map(drop)
    }

    /// One worker: takes steps whose needs are done until none is left or one has failed.
    fn work_off(&self, steps: &[Step], board: &Board) {
        while let Some(i) = board.take(steps) {
            let began = Instant::now();
            // Whoever waits for this step must hear of its end, also if it ends in a panic.
            let made = catch_unwind(AssertUnwindSafe(|| self.make(&steps[i], steps)));
            let result = made.unwrap_or_else(|_| bail!("it ended in a panic: that is a mistake in this program"));
            let result = result.with_context(|| format!("step {} failed", steps[i].name));
            if result.is_err() && self.jobs > 1 {
                let name = &steps[i].name;
                self.progress.note(&format!(
                    "step {name} failed; the steps that are under way go on, and what they make is kept"
                ));
            }
            board.finish(i, result.map(|ran| ran.then(|| (steps[i].name.clone(), began.elapsed()))));
        }
    }

    /// Makes one step, unless another run has made it meanwhile. Returns whether it was made here.
    fn make(&self, step: &Step, steps: &[Step]) -> Result<bool> {
        let _lock = self.cache.lock(step, |_| {
            self.progress.note(&format!("{}: another run is making it; waiting", step.name));
        })?;
        if self.usable(step, Trust::Digest).is_ok() {
            return Ok(false);
        }
        let mut needs = BTreeMap::new();
        let mut sources = BTreeMap::new();
        for (name, _) in &step.needs {
            let need = steps.iter().find(|other| other.name == *name).context("a need is not in the plan")?;
            let entry =
                self.cache.look_up(need).map_err(|miss| anyhow::anyhow!("{name} is gone from the cache: {miss}"))?;
            sources.extend(entry.meta.sources.clone());
            needs.insert(name.clone(), entry);
        }
        let began = Instant::now();
        let workshop = self.cache.workshop(step)?;
        let log = self.cache.log_file(step);
        let _ = std::fs::remove_file(&log);
        let job = work::Job { step, needs: &needs, workshop: &workshop, log: &log, engine: self };
        work::execute(&job, &mut sources)?;
        inputs::unchanged(step)?;
        self.cache.keep(step, &workshop, sources, began.elapsed())?;
        Ok(true)
    }
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
                steps[i].needs.iter().any(|(name, _)| state.waiting.iter().any(|&other| steps[other].name == *name))
            };
            let ready = state.waiting.iter().copied().filter(|&i| !state.running.contains(&i) && !blocked(i));
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

    fn finish(&self, i: usize, result: Result<Option<(String, Duration)>>) {
        let mut state = self.lock();
        state.running.remove(&i);
        match result {
            Ok(ran) => {
                state.waiting.remove(&i);
                state.done.extend(ran);
            }
            // The first failure is the cause; what fails after it is a consequence or a second one for later.
            Err(error) => {
                state.failure.get_or_insert(error);
            }
        }
        self.changed.notify_all();
    }
}
