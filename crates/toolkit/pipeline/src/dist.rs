//! dist/: what a build publishes. Each file appears whole, is what the cache verified, and is
//! listed in SHA256SUMS, which is written last.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use common::{
    Sha256, files,
    lock::{After, Lock},
};
use provenance::{SIGNATURE, SUMS};

use crate::{cache::Cache, known::entry_of, plan::Plan};

/// What stood in the place of a provenance: nothing says how it was made.
const BEFORE_PROVENANCE: &str = ".build.json";

/// A file in dist/.
#[derive(Debug, Clone)]
pub struct Published {
    pub path: PathBuf,
    pub size: u64,
    pub sha256: Sha256,
}

/// Puts the artifacts of a plan, whose goals are all in the cache, into `dist`. What other builds
/// (another architecture, another release) put there stays.
pub fn publish(plan: &Plan, cache: &Cache, dist: &Path) -> Result<Vec<Published>> {
    files::create_dir(dist)?;
    let _alone = lock(dist, || {})?;
    sweep(dist)?;
    let mut published = Vec::new();
    for artifact in &plan.artifacts {
        let entry = match entry_of(cache, &plan.steps, &artifact.step) {
            Ok(entry) => entry,
            Err(miss) => bail!("{} was built and is gone from the cache ({miss}): run the build again", artifact.name),
        };
        if !entry.is_intact() {
            bail!("{} was damaged in the cache after it was built: run the build again", artifact.name);
        }
        let from = entry.out().join(&artifact.file);
        let path = dist.join(&artifact.name);
        let sha256 = Sha256::of_file(&from).with_context(|| format!("cannot read {}", from.display()))?;
        if Sha256::of_file(&path).ok() != Some(sha256) {
            remove_signature(&path)?;
            files::copy_atomically(&from, &path)?;
        }
        let size = path.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
        published.push(Published { path, size, sha256 });
    }
    write_sums(dist, &published)?;
    Ok(published)
}

/// Keeps others from publishing there, or from signing what is there, until the guard is dropped, whichever caches they build in.
/// `waiting` is called where somebody does.
pub fn lock(dist: &Path, waiting: impl FnOnce()) -> Result<Lock> {
    Lock::acquire(dist, After::Stays, |_| waiting())
}

/// Removes what a killed run was writing when it ended.
fn sweep(dist: &Path) -> Result<()> {
    for entry in fs::read_dir(dist).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(files::UNFINISHED) {
            files::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// A signature does not outlive what it is of.
fn remove_signature(of: &Path) -> Result<()> {
    let mut signature = of.as_os_str().to_owned();
    signature.push(SIGNATURE);
    remove(Path::new(&signature))
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

/// Lists these files, and those that were listed before and are still what they were.
fn write_sums(dist: &Path, published: &[Published]) -> Result<()> {
    let mut lines: Vec<String> = published
        .iter()
        .map(|file| format!("{}  {}", file.sha256, file.path.file_name().unwrap_or_default().to_string_lossy()))
        .collect();
    let old = fs::read_to_string(dist.join(SUMS)).unwrap_or_default();
    for line in old.lines() {
        let Some((digest, name)) = line.split_once("  ") else { continue };
        let is_new = published.iter().any(|file| file.path.file_name().is_some_and(|known| known == name));
        if name.ends_with(BEFORE_PROVENANCE) {
            remove(&dist.join(name))?;
            continue;
        }
        if !is_new && Sha256::of_file(&dist.join(name)).is_ok_and(|found| found.to_string() == digest) {
            lines.push(line.to_owned());
        }
    }
    lines.sort_by(|a, b| a.split_once("  ").map(|x| x.1).cmp(&b.split_once("  ").map(|x| x.1)));
    let text = lines.join("\n") + "\n";
    if old != text {
        remove_signature(&dist.join(SUMS))?;
        files::write_atomically(&dist.join(SUMS), text)?;
    }
    Ok(())
}
