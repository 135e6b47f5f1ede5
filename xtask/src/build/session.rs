//! What the verbs that plan a build share: the release, the cache, the fetcher and the plan.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail, ensure};
use common::Progress;
use pipeline::{
    cache::{self, Cache, KeptBuild},
    engine::{Engine, Summary},
    host::Host,
    origin::BuildOrigin,
    plan::{Plan, PlanRequest},
};
use recipes::Release;
use sources::{FetchMode, Fetcher, Store};

use super::Selection;
use crate::{progress, workspace::workspace};

/// Steps side by side: a compiler uses every core by itself, but links and downloads do not.
pub fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(2))
}

/// Everything that is needed to plan and carry out a build.
pub struct Session {
    pub release: Release,
    pub plan: Plan,
    pub cache: Cache,
    pub progress: Box<dyn Progress>,
    pub selection: Selection,
    store: Store,
}

impl Session {
    pub fn open(selection: Selection) -> Result<Self> {
        let root = cache::default_directory()?;
        Self::open_in(selection, root)
    }

    pub fn open_in(selection: Selection, root: PathBuf) -> Result<Self> {
        for directory in [&root, &workspace()] {
            ensure!(
                directory.to_str().is_some(),
                "{} is not UTF-8, which a build cannot hand on: use a directory that is",
                directory.display()
            );
            let parts_lists = |c: char| c.is_whitespace() || ":=\"'".contains(c);
            ensure!(
                !directory.to_string_lossy().contains(parts_lists),
                "{} has a character in it that compilers take for the end of a path: use a directory without blanks, \
                 colons, equals signs and quotes (KOE_CACHE names the cache's)",
                directory.display()
            );
        }
        let release = recipes::load(&selection.recipes, selection.release.as_deref())?;
        let cache = Cache::open(&root)?;
        let store = Store::open(&root)?;
        let mut source_overrides = BTreeMap::new();
        for (name, path) in selection.source.iter().cloned() {
            if let Some(other) = source_overrides.insert(name.clone(), path) {
                bail!("--source {name} is given twice, once as {}: give it once", other.display());
            }
        }
        let progress = progress::for_stderr();
        let mut origin = BuildOrigin::of(&workspace()).unwrap_or_else(|error| {
            progress.note(&format!("the SWIX will not say which commit it is of: {error:#}"));
            BuildOrigin::default()
        });
        origin.besides.extend(selection.besides());
        let request = PlanRequest {
            arch: selection.arch,
            only: selection.origin,
            source_overrides,
            host: Host::of(&workspace()),
            origin,
            workspace: workspace(),
        };
        let plan = pipeline::plan::plan(&release, &request).context("the build cannot be planned")?;
        Ok(Session { release, plan, cache, progress, selection, store })
    }

    /// Calls `action` with the engine of this session.
    pub fn with_engine<T>(&self, jobs: usize, action: impl FnOnce(&Engine) -> Result<T>) -> Result<T> {
        self.with_engine_on(&self.cache, jobs, action)
    }

    /// The same with another cache for steps; downloads stay where they are.
    pub fn with_engine_on<T>(
        &self,
        cache: &Cache,
        jobs: usize,
        action: impl FnOnce(&Engine) -> Result<T>,
    ) -> Result<T> {
        let mode = if self.selection.offline { FetchMode::Offline } else { FetchMode::Online };
        let mut fetcher = Fetcher::new(self.store.clone(), &*self.progress).mode(mode).only(self.selection.origin);
        for source in self.release.sources() {
            if let Some((_, path)) = self.selection.source.iter().find(|(name, _)| *name == *source.name) {
                fetcher = fetcher.override_source(source.name.clone(), path.clone());
            }
        }
        let engine = Engine { cache, fetcher: &fetcher, progress: &*self.progress, mode, jobs };
        action(&engine)
    }

    /// Remembers what a build used, so that `cache trim` keeps it.
    pub fn remember(&self, verb: &str, summary: &Summary) -> Result<()> {
        let mut words = self.selection.arguments();
        // Which release it is, also where the recipes say so later on of another.
        words.retain(|word| word != "--offline" && !word.starts_with("--release="));
        let what = format!("{verb} --release={} {}", self.release.name, words.join(" "));
        let steps = summary.keys.iter().map(|(name, key)| (name.clone(), *key)).collect();
        self.cache.remember(&KeptBuild { what, steps }).context("what was built cannot be remembered")
    }

    /// Refuses an offline build that lacks something, naming everything that it lacks.
    pub fn require_sources(&self, engine: &Engine, goals: &[&str]) -> Result<()> {
        if !self.selection.offline {
            return Ok(());
        }
        let missing = pipeline::offline::missing(engine, &self.plan.steps, goals)?;
        if missing.is_empty() {
            return Ok(());
        }
        bail!(
            "--offline: these are not in the cache:\n{}run `cargo xtask fetch` where there is a network",
            missing.iter().map(|line| format!("    {line}\n")).collect::<String>()
        )
    }
}
