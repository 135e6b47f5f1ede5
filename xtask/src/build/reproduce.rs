//! `reproduce`: two builds from empty caches in two directories, compared byte for byte.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use common::{Sha256, command::Program, files};

use super::Selection;
use crate::workspace::workspace;

#[derive(Args)]
pub struct Reproduce {
    #[command(flatten)]
    pub selection: Selection,
}

/// What a build reads of this repository.
const INPUTS: [&str; 7] = ["Cargo.toml", "Cargo.lock", "crates", "patches", "recipes", "rootfs", "xtask"];

impl Reproduce {
    pub fn run(self) -> Result<()> {
        let scratch =
            tempfile::Builder::new().prefix("reproduce-").tempdir().context("cannot make a temporary directory")?;
        let first = build(&scratch.path().join("first"), &self.selection)?;
        let second = build(&scratch.path().join("a-second-directory"), &self.selection)?;
        let mut differing = vec![];
        for (name, digest) in &first {
            let other = second.iter().find(|(known, _)| known == name).map(|(_, digest)| digest);
            println!("{} {digest}  {name}", if other == Some(digest) { "same     " } else { "different" });
            if other != Some(digest) {
                differing.push(name.clone());
            }
        }
        ensure!(first.len() == second.len(), "the two builds made {} and {} files", first.len(), second.len());
        if !differing.is_empty() {
            let kept = scratch.keep();
            bail!("not reproducible: {}; both builds are kept in {}", differing.join(", "), kept.display());
        }
        Ok(())
    }
}

/// One build from nothing in a directory of its own: the names and digests of what it made.
fn build(directory: &Path, selection: &Selection) -> Result<Vec<(String, Sha256)>> {
    let copy = copy_workspace(directory)?;
    let dist = directory.join("dist");
    println!("building in {}", directory.display());
    child(&copy, &directory.join("cache"), "build-swix", selection)?
        .arg("--dist")
        .arg(&dist)
        .run_logged(&directory.join("log"))?;
    let mut found = vec![];
    for entry in std::fs::read_dir(&dist)?.flatten() {
        let digest =
            Sha256::of_file(&entry.path()).with_context(|| format!("cannot read {}", entry.path().display()))?;
        found.push((entry.file_name().to_string_lossy().into_owned(), digest));
    }
    found.sort();
    Ok(found)
}

/// Copies what a build reads into `<directory>/repository`.
pub fn copy_workspace(directory: &Path) -> Result<PathBuf> {
    let copy = directory.join("repository");
    files::create_dir(&copy)?;
    for name in INPUTS {
        files::copy_tree(&workspace().join(name), &copy.join(name))?;
    }
    Ok(copy)
}

/// This same program, working on another copy of the repository with another cache.
pub fn child(repository: &Path, cache: &Path, verb: &str, selection: &Selection) -> Result<Program> {
    // Also where cargo has put another program in its place since.
    let this = Program::new("/proc/self/exe", "build in another directory")?;
    Ok(as_child(this, repository, cache, verb, selection))
}

/// `xtask`, working on a copy of the repository.
pub fn as_child(xtask: Program, repository: &Path, cache: &Path, verb: &str, selection: &Selection) -> Program {
    xtask
        .arg(verb)
        .args(selection.arguments())
        .env("CARGO_MANIFEST_DIR", repository.join("xtask"))
        .env("KOE_CACHE", cache)
}
