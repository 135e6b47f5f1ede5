//! The content-addressed cache of finished steps.
//!
//! An entry is a directory `steps/<name>/<key>` holding `out/` and `entry.json`. It is made in `tmp/`
//! and renamed, so it is there whole or not at all; a lock file for each key lets two runs share
//! one cache. What is read from an entry is verified against the digest recorded in it.

mod builds;
mod miss;
mod workshop;

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, anyhow};
use common::{
    Sha256, files,
    lock::{After, Lock},
    user,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sources::Fetched;

pub use self::{builds::KeptBuild, miss::Miss, workshop::Workshop};
use crate::step::{KeyedStep, Step};

/// Where the cache is: `KOE_CACHE`, else the user's cache directory.
pub fn default_directory() -> Result<PathBuf> {
    if let Some(directory) = user::directory("KOE_CACHE") {
        return std::path::absolute(&directory)
            .with_context(|| format!("KOE_CACHE={} is not a path", directory.display()));
    }
    let caches = user::directory_or("XDG_CACHE_HOME", ".cache");
    let caches = caches
        .map_err(|_| anyhow!("neither KOE_CACHE nor HOME is set: set KOE_CACHE to a directory for the build cache"))?;
    Ok(caches.join("kubernetes-on-eos"))
}

/// What an entry says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Meta {
    pub key: Sha256,
    /// What was hashed for the key: a later miss is explained by the difference.
    pub inputs: Value,
    /// The digest of `out/`.
    pub output: Sha256,
    /// Every source that is in the output, directly or through what it was made from.
    pub sources: BTreeMap<String, Fetched>,
    pub seconds: f64,
}

/// A finished step on disk.
#[derive(Debug, Clone)]
pub struct CacheEntry {
    pub meta: Meta,
    directory: PathBuf,
}

impl CacheEntry {
    pub fn out(&self) -> PathBuf {
        self.directory.join("out")
    }

    /// Whether the output is still what it was when the step ended.
    pub fn is_intact(&self) -> bool {
        Sha256::of_tree(&self.out()).is_ok_and(|digest| digest == self.meta.output)
    }
}

pub struct Cache {
    root: PathBuf,
}

impl Cache {
    pub fn open(root: &Path) -> Result<Self> {
        for directory in ["steps", "tmp", "locks", "logs"] {
            files::create_dir(&root.join(directory))
                .context("the build cache cannot be used: set KOE_CACHE to another directory")?;
        }
        Ok(Cache { root: root.to_owned() })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn log_file(&self, step: &KeyedStep) -> PathBuf {
        self.root.join("logs").join(format!("{}-{}.log", step.step.name, step.key.short()))
    }

    fn directory(&self, step: &KeyedStep) -> PathBuf {
        self.directory_of(&step.step.name, &step.key)
    }

    fn directory_of(&self, name: &str, key: &Sha256) -> PathBuf {
        self.root.join("steps").join(name).join(key.short())
    }

    /// The entry of a step, or why there is none. Its output is not verified here.
    pub fn look_up(&self, step: &KeyedStep) -> Result<CacheEntry, Miss> {
        self.look_up_key(&step.step.name, &step.key).map_err(|miss| match miss {
            Miss::NeverBuilt => self.explain(step),
            miss => miss,
        })
    }

    /// The same by name and key.
    pub fn look_up_key(&self, name: &str, key: &Sha256) -> Result<CacheEntry, Miss> {
        let directory = self.directory_of(name, key);
        match read_meta(&directory) {
            Ok(Some(meta)) if meta.key == *key => Ok(CacheEntry { meta, directory }),
            Ok(Some(_)) => Err(Miss::Damaged("its entry.json names another key".into())),
            Ok(None) => Err(Miss::NeverBuilt),
            Err(error) => Err(Miss::Damaged(error)),
        }
    }

    /// What differs from the newest entry of the same name.
    fn explain(&self, step: &KeyedStep) -> Miss {
        let Some(meta) = self.newest(step.step) else { return Miss::NeverBuilt };
        let mut changed = Vec::new();
        miss::differences("", &meta.inputs, &step.inputs, &mut changed);
        Miss::Changed(changed)
    }

    /// Why a step has to run, or may have to, when its need has to run first.
    pub(crate) fn explain_without_key(&self, step: &Step, need: String) -> Miss {
        let Some(meta) = self.newest(step) else { return Miss::NeverBuilt };
        let mut changed = Vec::new();
        for (name, value) in step.own_inputs() {
            miss::differences(&name, meta.inputs.get(&name).unwrap_or(&Value::Null), &value, &mut changed);
        }
        if changed.is_empty() { Miss::Waits(need) } else { Miss::Changed(changed) }
    }

    fn newest(&self, step: &Step) -> Option<Meta> {
        let siblings = fs::read_dir(self.root.join("steps").join(&step.name)).into_iter().flatten().flatten();
        let entries = siblings.filter_map(|entry| {
            let time = entry.metadata().and_then(|meta| meta.modified()).ok()?;
            Some((time, read_meta(&entry.path()).ok()??))
        });
        entries.max_by_key(|(time, _)| *time).map(|(_, meta)| meta)
    }

    /// Waits until no other run makes the same step, and keeps others from it until the guard is dropped.
    pub fn lock(&self, step: &KeyedStep, waiting: impl FnOnce(&str)) -> Result<Lock> {
        self.lock_file(&format!("{}-{}", step.step.name, step.key.short()), waiting)
    }

    fn lock_file(&self, name: &str, waiting: impl FnOnce(&str)) -> Result<Lock> {
        Lock::acquire(&self.root.join("locks").join(name), After::Stays, waiting)
    }

    /// Turns what was made into the entry of its step.
    pub fn keep(
        &self,
        step: &KeyedStep,
        workshop: &Workshop,
        sources: BTreeMap<String, Fetched>,
        took: Duration,
    ) -> Result<CacheEntry> {
        let output =
            Sha256::of_tree(&workshop.out()).with_context(|| format!("cannot read {}", workshop.out().display()))?;
        let meta = Meta { key: step.key, inputs: step.inputs.clone(), output, sources, seconds: took.as_secs_f64() };
        let staged = workshop.directory.join("entry");
        files::create_dir(&staged)?;
        fs::rename(workshop.out(), staged.join("out"))?;
        files::write_atomically(&staged.join("entry.json"), serde_json::to_vec_pretty(&meta)?)?;
        let directory = self.directory(step);
        files::create_dir(directory.parent().unwrap_or(&self.root))?;
        self.remove(step)?;
        fs::rename(&staged, &directory).with_context(|| format!("cannot keep {}", directory.display()))?;
        Ok(CacheEntry { meta, directory })
    }

    /// Removes the entry of a step, if there is one. It disappears at once, also when this is interrupted.
    pub fn remove(&self, step: &KeyedStep) -> Result<()> {
        self.discard(&self.directory(step))
    }

    fn discard(&self, directory: &Path) -> Result<()> {
        let grave = tempfile::Builder::new().prefix("old-").tempdir_in(self.root.join("tmp"))?;
        match fs::rename(directory, grave.path().join("entry")) {
            Ok(()) => files::remove_tree(&grave.keep()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).with_context(|| format!("cannot remove {}", directory.display())),
        }
    }

    /// Every entry: (step name, short key, bytes, last change).
    pub fn entries(&self) -> Vec<(String, String, u64, SystemTime)> {
        let directories =
            |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten().filter(|e| e.path().is_dir());
        let mut found = Vec::new();
        for step in directories(self.root.join("steps")) {
            for entry in directories(step.path()) {
                let time = entry.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                let (name, key) = (step.file_name(), entry.file_name());
                let text = |name: std::ffi::OsString| name.to_string_lossy().into_owned();
                found.push((text(name), text(key), files::tree_size(&entry.path()), time));
            }
        }
        found.sort();
        found
    }

    /// Removes one entry that `entries` named.
    pub fn trim(&self, name: &str, key: &str) -> Result<()> {
        self.discard(&self.root.join("steps").join(name).join(key))
    }
}

fn read_meta(directory: &Path) -> Result<Option<Meta>, String> {
    let path = directory.join("entry.json");
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| "its entry.json cannot be read".into()),
        Err(_) if !directory.exists() => Ok(None),
        Err(_) => Err("its entry.json is gone".into()),
    }
}
