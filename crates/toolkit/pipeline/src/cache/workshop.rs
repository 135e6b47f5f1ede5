//! Directories in which steps are being made, and what killed runs leave of them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use common::{
    files,
    lock::{self, Lock},
};

use super::Cache;
use crate::step::Step;

/// Extension of the lock file beside a workshop.
const MARK: &str = "alive";

/// A directory in which one step is being made; removed when dropped, unless it became an entry. Compilers that outlive a killed run
/// keep it in use.
pub struct Workshop {
    pub(super) directory: PathBuf,
    _alive: fs::File,
}

impl Workshop {
    pub fn out(&self) -> PathBuf {
        self.directory.join("out")
    }

    /// A directory for what is needed on the way and not kept.
    pub fn scratch(&self) -> PathBuf {
        self.directory.join("scratch")
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run's `sweep`.
        let _ = files::remove_tree(&self.directory);
        let _ = fs::remove_file(mark_of(&self.directory));
    }
}

impl Cache {
    /// Held while directories in `tmp/` are marked, and while they are judged by their marks.
    fn lock_tmp(&self) -> Result<Lock> {
        self.lock_file("tmp", |_| {})
    }

    pub fn workshop(&self, step: &Step) -> Result<Workshop> {
        let _alone = self.lock_tmp()?;
        let directory = tempfile::Builder::new()
            .prefix(&format!("{}-", step.name))
            .rand_bytes(8)
            .tempdir_in(self.root.join("tmp"))
            .with_context(|| format!("cannot make a directory in {}", self.root.join("tmp").display()))?
            .keep();
        let alive = fs::File::create(mark_of(&directory))?;
        lock::mark_with_children(&alive)?;
        for part in ["out", "scratch"] {
            files::create_dir(&directory.join(part))?;
        }
        Ok(Workshop { directory, _alive: alive })
    }

    /// Removes what killed runs left in `tmp/`. What a living run works on is locked and stays.
    pub fn sweep(&self) -> Result<()> {
        let _alone = self.lock_tmp()?;
        for entry in fs::read_dir(self.root.join("tmp"))?.flatten() {
            let path = entry.path();
            let is_mark = path.extension().is_some_and(|extension| extension == MARK);
            let mark = if is_mark { path.clone() } else { mark_of(&path) };
            let abandoned = lock::is_abandoned(&mark)
                .unwrap_or_else(|| entry.metadata().and_then(|meta| meta.modified()).is_ok_and(is_old));
            // A mark outlives its directory, so that a directory never stands without one.
            if abandoned && !(is_mark && path.with_extension("").exists()) {
                files::remove_tree(&path)?;
                let _ = fs::remove_file(mark);
            }
        }
        Ok(())
    }
}

/// The file beside a workshop that is locked while its run lives.
fn mark_of(directory: &Path) -> PathBuf {
    let mut name = directory.as_os_str().to_owned();
    name.push(".");
    name.push(MARK);
    name.into()
}

/// A directory that is not marked yet may be about to be; an hour is enough for that.
fn is_old(time: SystemTime) -> bool {
    time.elapsed().is_ok_and(|age| age > Duration::from_secs(3600))
}
