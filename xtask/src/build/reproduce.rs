//! `reproduce`: two builds from empty caches, compared byte for byte. They differ in all that must leave no trace: the directory,
//! the user's home, umask, time zone, language, and how many steps run side by side.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use common::{Sha256, command::Program, files, user};
use rustix::{fs::Mode, process::umask};

use super::Selection;
use crate::workspace::workspace;

#[derive(Args)]
pub struct Reproduce {
    #[command(flatten)]
    pub selection: Selection,
}

/// Where and how one of them is made.
struct Surroundings {
    directory: &'static str,
    umask: u32,
    jobs: u32,
    variables: [(&'static str, &'static str); 3],
}

const SURROUNDINGS: [Surroundings; 2] = [
    Surroundings {
        directory: "first",
        umask: 0o022,
        jobs: 2,
        variables: [("TZ", "UTC"), ("LANG", "C"), ("SOURCE_DATE_EPOCH", "0")],
    },
    Surroundings {
        directory: "a-second-directory-with-a-longer-name",
        umask: 0o077,
        jobs: 1,
        variables: [("TZ", "Pacific/Kiritimati"), ("LANG", "C.UTF-8"), ("SOURCE_DATE_EPOCH", "2000000000")],
    },
];

impl Reproduce {
    pub fn run(self) -> Result<()> {
        let scratch =
            tempfile::Builder::new().prefix("reproduce-").tempdir().context("cannot make a temporary directory")?;
        let compared = self.compare(scratch.path());
        if compared.is_err() {
            println!("what was built and the logs are kept in {}", scratch.keep().display());
        }
        compared
    }

    fn compare(&self, scratch: &Path) -> Result<()> {
        let first = build(scratch, &SURROUNDINGS[0], &self.selection)?;
        let second = build(scratch, &SURROUNDINGS[1], &self.selection)?;
        let mut differing = vec![];
        for (name, digest) in &first {
            let other = second.iter().find(|(known, _)| known == name).map(|(_, digest)| digest);
            println!("{} {digest}  {name}", if other == Some(digest) { "same     " } else { "different" });
            if other != Some(digest) {
                differing.push(name.clone());
            }
        }
        ensure!(first.len() == second.len(), "the two builds made {} and {} files", first.len(), second.len());
        if differing.is_empty() { Ok(()) } else { bail!("not reproducible: {}", differing.join(", ")) }
    }
}

/// What a build reads of this repository.
const INPUTS: [&str; 8] = ["Cargo.toml", "Cargo.lock", "LICENSE", "crates", "patches", "recipes", "rootfs", "xtask"];

/// One build from nothing: the names and digests of what it made.
fn build(scratch: &Path, surroundings: &Surroundings, selection: &Selection) -> Result<Vec<(String, Sha256)>> {
    let directory = scratch.join(surroundings.directory);
    let copy = copy_workspace(&directory)?;
    let (dist, home) = (directory.join("dist"), directory.join("home"));
    files::create_dir(&home)?;
    println!("building in {}", directory.display());
    let mut child = child(&copy, &directory.join("cache"), "build-swix", selection)?
        .arg("--dist")
        .arg(&dist)
        .arg(format!("--jobs={}", surroundings.jobs))
        // Cargo's settings say where crates come from.
        .env("CARGO_HOME", user::directory_or("CARGO_HOME", ".cargo")?)
        .env("RUSTUP_HOME", user::directory_or("RUSTUP_HOME", ".rustup")?)
        .env("HOME", home);
    for (name, value) in surroundings.variables {
        child = child.env(name, value);
    }
    let before = umask(Mode::from_bits_truncate(surroundings.umask));
    let built = child.run_logged(&directory.join("log"));
    umask(before);
    built?;
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

#[cfg(test)]
mod tests {
    use common::Arch;
    use pipeline::plan::{PlanRequest, plan};

    use super::*;

    #[test]
    fn a_copy_has_all_that_a_build_reads() {
        let directory = tempfile::tempdir().unwrap();
        let copy = copy_workspace(directory.path()).unwrap();
        for release in ["1.20", "1.12"] {
            let release = recipes::load(&copy.join("recipes"), Some(release)).unwrap();
            let request = PlanRequest {
                arch: Arch::I386,
                only: None,
                source_overrides: [].into(),
                host: Default::default(),
                origin: Default::default(),
                workspace: copy.clone(),
            };
            plan(&release, &request).unwrap_or_else(|error| panic!("{error:#}"));
        }
    }
}
