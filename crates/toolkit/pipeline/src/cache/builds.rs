//! What the newest build of each kind uses of the cache: who trims it keeps that. And who uses the cache now, from whom nothing
//! is taken away meanwhile.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail};
use common::{Sha256, files};
use serde::{Deserialize, Serialize};

use super::Cache;

/// How long a kind of build counts that is not made any more.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const DIRECTORY: &str = "builds";
const IN_USE: &str = "in-use";

/// One kind of build, and the steps of the newest one of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptBuild {
    /// As it was asked for.
    pub what: String,
    /// Names and keys.
    pub steps: BTreeSet<(String, Sha256)>,
}

impl Cache {
    /// Keeps others from removing what there is, until the guard is dropped.
    pub fn use_now(&self) -> Result<File> {
        let file = self.open_in_use()?;
        file.lock_shared().context("cannot lock the build cache")?;
        Ok(file)
    }

    /// Keeps others from using the cache, until the guard is dropped. It waits for nobody.
    pub fn use_alone(&self) -> Result<File> {
        let file = self.open_in_use()?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                bail!("{} is in use by a build: nothing is removed; wait until it has ended", self.root.display())
            }
            Err(TryLockError::Error(error)) => Err(error).context("cannot lock the build cache"),
        }
    }

    fn open_in_use(&self) -> Result<File> {
        let path = self.root.join("locks").join(IN_USE);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        file.with_context(|| format!("cannot open {}", path.display()))
    }

    /// Remembers what a build has used, in the place of an earlier one of its kind.
    pub fn remember(&self, build: &KeptBuild) -> Result<()> {
        let name = Sha256::of_bytes(&build.what).short();
        let file = self.root.join(DIRECTORY).join(format!("{name}.json"));
        files::write_atomically(&file, serde_json::to_vec_pretty(build)?)
    }

    /// The newest build of each kind. Those of a month ago are forgotten.
    pub fn remembered(&self) -> Result<Vec<KeptBuild>> {
        let mut builds = Vec::new();
        for entry in fs::read_dir(self.root.join(DIRECTORY)).into_iter().flatten() {
            let path = entry?.path();
            let age =
                path.metadata()?.modified().map(|time| SystemTime::now().duration_since(time).unwrap_or_default())?;
            if age > REMEMBERED {
                fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            } else if path.extension().is_some_and(|extension| extension == "json") {
                let build = serde_json::from_slice(&files::read(&path)?);
                builds.push(build.with_context(|| format!("{} cannot be understood: remove it", path.display()))?);
            }
        }
        builds.sort_by(|a: &KeptBuild, b: &KeptBuild| a.what.cmp(&b.what));
        Ok(builds)
    }
}

/// What makes the next build quicker and is in none: compiled crates, Go's build cache, compressed blocks, crates.
const HELPFUL: [&str; 4] = ["blocks", CRATES, "cargo-target", "go-build"];

/// A build without a network wants them.
const CRATES: &str = "cargo-home";

/// What all of it may weigh when it has been trimmed: one release for one architecture leaves 2 to 3 GiB.
const HELPFUL_MOST: u64 = 8 << 30;

impl Cache {
    /// A directory for such a thing, which belongs to what made it: a compiler, or what packs.
    pub(crate) fn helpful(&self, kind: &str, of: &Sha256) -> Result<PathBuf> {
        debug_assert!(HELPFUL.contains(&kind));
        let directory = self.root.join(kind).join(of.short());
        files::create_dir(&directory)?;
        // It was of use today.
        File::open(&directory)
            .and_then(|handle| handle.set_modified(SystemTime::now()))
            .with_context(|| format!("cannot use {}", directory.display()))?;
        Ok(directory)
    }

    /// Removes those that were of no use for a month, and of the others the oldest, as far as all of them weigh too much; says
    /// how many bytes.
    pub fn trim_helpful(&self) -> Result<u64> {
        self.trim_helpful_to(HELPFUL_MOST)
    }

    fn trim_helpful_to(&self, most: u64) -> Result<u64> {
        let mut found = Vec::new();
        for kind in HELPFUL {
            for entry in fs::read_dir(self.root.join(kind)).into_iter().flatten() {
                let path = entry?.path();
                found.push((Reverse(path.metadata()?.modified()?), kind, path));
            }
        }
        found.sort();
        // Each set of Cargo's settings has a home of its own: the one of today's is kept before all else.
        if let Some(crates) = found.iter().position(|(_, kind, _)| *kind == CRATES) {
            found[..=crates].rotate_right(1);
        }
        let (mut kept, mut freed) = (0, 0);
        for (Reverse(used), _, path) in found {
            let is_old = SystemTime::now().duration_since(used).unwrap_or_default() > REMEMBERED;
            let size = files::tree_size(&path);
            if is_old || kept + size > most {
                files::remove_tree(&path)?;
                freed += size;
            } else {
                kept += size;
            }
        }
        Ok(freed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_of_no_use_for_a_month_is_trimmed() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(root.path()).unwrap();
        let [old, new] = ["old", "new"].map(|of| cache.helpful("blocks", &Sha256::of_bytes(of)).unwrap());
        fs::write(old.join("block"), "packed").unwrap();
        let past = SystemTime::now() - REMEMBERED - Duration::from_secs(1);
        File::open(&old).unwrap().set_modified(past).unwrap();
        assert_eq!(cache.trim_helpful().unwrap(), 6);
        assert!(!old.exists() && new.exists());
    }

    #[test]
    fn what_was_used_longest_ago_is_trimmed_where_all_of_it_weighs_too_much_and_crates_last() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(root.path()).unwrap();
        let made = |kind: &str, of: &str, size: usize, hours: u64| {
            let directory = cache.helpful(kind, &Sha256::of_bytes(of)).unwrap();
            fs::write(directory.join("file"), vec![0; size]).unwrap();
            let past = SystemTime::now() - Duration::from_secs(hours * 3600);
            File::open(&directory).unwrap().set_modified(past).unwrap();
            directory
        };
        let crates = made("cargo-home", "crates", 10, 5);
        let of_other_settings = made("cargo-home", "of other settings", 50, 6);
        let [old, new] = [made("cargo-target", "old", 40, 4), made("go-build", "new", 40, 1)];
        let [heavy, small] = [made("cargo-target", "heavy", 60, 2), made("blocks", "small", 5, 3)];
        assert_eq!(cache.trim_helpful_to(205).unwrap(), 0);
        assert_eq!(cache.trim_helpful_to(200).unwrap(), 50);
        assert!(!of_other_settings.exists(), "one home for crates is of use, the others are like anything else");
        assert_eq!(cache.trim_helpful_to(100).unwrap(), 60, "the heavy one does not fit beside what was used after it");
        assert_eq!([&crates, &old, &new, &heavy, &small].map(|path| path.exists()), [true, true, true, false, true]);
        assert_eq!(cache.trim_helpful_to(55).unwrap(), 40);
        assert_eq!([&crates, &old, &new, &small].map(|path| path.exists()), [true, false, true, true]);
        assert_eq!(cache.trim_helpful_to(10).unwrap(), 45);
        assert!(crates.exists());
    }

    fn build(what: &str, content: &str) -> KeptBuild {
        KeptBuild { what: what.into(), steps: BTreeSet::from([("step".to_owned(), Sha256::of_bytes(content))]) }
    }

    #[test]
    fn the_newest_build_of_each_kind_is_remembered_for_a_month() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(root.path()).unwrap();
        assert_eq!(cache.remembered().unwrap(), []);
        for (what, content) in [("a", "old"), ("b", "other"), ("a", "new")] {
            cache.remember(&build(what, content)).unwrap();
        }
        assert_eq!(cache.remembered().unwrap(), [build("a", "new"), build("b", "other")]);
        let path = root.path().join(DIRECTORY).join(format!("{}.json", Sha256::of_bytes("a").short()));
        let old = SystemTime::now() - REMEMBERED - Duration::from_secs(1);
        File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
        assert_eq!(cache.remembered().unwrap(), [build("b", "other")]);
    }

    #[test]
    fn nothing_is_removed_while_a_build_runs() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(root.path()).unwrap();
        let (one, two) = (cache.use_now().unwrap(), cache.use_now().unwrap());
        let error = cache.use_alone().unwrap_err().to_string();
        assert!(error.contains("is in use by a build"), "{error}");
        drop((one, two));
        cache.use_alone().unwrap();
    }
}
