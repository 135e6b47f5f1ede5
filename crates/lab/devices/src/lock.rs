//! One at a time: a prefix belongs to the process that brought its lab up, for as long as it holds on to it, and whoever
//! makes images or gives them names is alone with that.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use common::{
    files,
    lock::{After, Lock, Tried},
};

/// What is known of labs and does not survive a reboot of this machine. Directories and locks of prefixes are each in a
/// directory of their own, so that a prefix may be called as anything else here. It is not the switch's own, which a test of
/// what runs on a switch may remove from this machine.
const DIRECTORY: &str = "/run/kubernetes-on-eos-lab";

/// How long another's docker-topo may take to bring up its topology.
const DOCKER_TOPO: Duration = Duration::from_secs(10 * 60);

/// How long another may take to make all images.
const IMAGES: Duration = Duration::from_secs(60 * 60);

/// The directory for what a lab of that prefix needs while it is up.
pub(super) fn directory(prefix: &str) -> PathBuf {
    Path::new(DIRECTORY).join("labs").join(prefix)
}

fn path_of_prefix(prefix: &str) -> PathBuf {
    Path::new(DIRECTORY).join("prefixes").join(prefix)
}

fn path_of_tags() -> PathBuf {
    Path::new(DIRECTORY).join("image-tags.lock")
}

fn path_of_images() -> PathBuf {
    Path::new(DIRECTORY).join("images.lock")
}

/// Fails where another process has the prefix.
pub(super) fn of_prefix(prefix: &str) -> Result<Lock> {
    let path = path_of_prefix(prefix);
    make_room(&path)?;
    at(&path, |holder| {
        format!("another process is using the prefix {prefix}: {holder}; wait for it, or use another prefix")
    })
}

/// Waits until no other process gives stand-ins docker-topo's names, which is as long as its docker-topo is at work.
pub(super) fn of_tags() -> Result<Lock> {
    let path = path_of_tags();
    make_room(&path)?;
    let what = "no other process gives stand-ins docker-topo's names";
    Lock::acquire_within(&path, After::Removed, DOCKER_TOPO, what, |_| {})
}

/// Waits until no other process makes or removes images. `waiting` is told who does.
pub(super) fn of_images(waiting: impl FnOnce(&str)) -> Result<Lock> {
    let path = path_of_images();
    make_room(&path)?;
    Lock::acquire_within(&path, After::Removed, IMAGES, "no other process makes or removes images", waiting)
}

fn at(path: &Path, refusal: impl Fn(&str) -> String) -> Result<Lock> {
    match Lock::try_acquire(path, After::Removed)? {
        Tried::Got(lock) => Ok(lock),
        Tried::HeldBy(holder) => bail!(refusal(&holder)),
    }
}

fn make_room(path: &Path) -> Result<()> {
    files::create_dir(path.parent().unwrap_or(Path::new(DIRECTORY))).context("labs and their images need root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_second_is_told_who_came_first_and_the_last_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("k");
        let refusal = |holder: &str| format!("in use: {holder}");
        let first = at(&path, refusal).unwrap();
        let error = at(&path, refusal).unwrap_err().to_string();
        assert!(error.starts_with(&format!("in use: process {}", std::process::id())), "{error}");
        drop(first);
        drop(at(&path, refusal).unwrap());
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn no_prefix_meets_the_name_of_a_lock_or_of_another_prefix_lab() {
        let prefixes = ["k", "k.lock", "image-tags", "image-tags.lock", "images", "images.lock", "labs", "prefixes"];
        let mut all: Vec<PathBuf> =
            prefixes.iter().flat_map(|prefix| [directory(prefix), path_of_prefix(prefix)]).collect();
        all.extend([path_of_tags(), path_of_images()]);
        for (at, one) in all.iter().enumerate() {
            for other in all.iter().skip(at + 1) {
                assert!(!one.starts_with(other) && !other.starts_with(one), "{} {}", one.display(), other.display());
            }
        }
    }
}
