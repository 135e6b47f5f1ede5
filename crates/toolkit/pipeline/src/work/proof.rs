//! Shows that a patch fixes something: the tests that it brings fail where the files that it changes are as they would be without it,
//! laid over the tree, and pass on the tree as it is. Only what holds becomes an output: `proof.json`, and the log of both runs.

mod brought;
mod outcome;
mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use common::files;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sources::patch::{self, Without};

pub(crate) use self::trial::command;
use self::{
    brought::{Package, is_test},
    outcome::Outcome,
    trial::Trial,
};
use crate::{step::Proof, work::Job};

const PROVEN: &str = "proof.json";
/// What both runs printed.
pub const LOG: &str = "log";

/// What a proof has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proven {
    /// The tests that fail without the patch and pass with it.
    pub fail_without: BTreeSet<String>,
    /// Those that pass without it as well: they show that something else stays as it was.
    pub pass_without: BTreeSet<String>,
    /// Packages whose tests refer to what the patch makes, so that they are not there without it. Alone this says less than a test that fails.
    pub not_built: Vec<NotBuilt>,
    /// Later patches that were taken back as well, as they change the same lines.
    pub also_without: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotBuilt {
    pub package: String,
    /// What the patch makes, and its tests name.
    pub symbol: String,
}

/// What the step that proves a patch has left in its output.
pub fn shown(out: &Path) -> Result<Proven> {
    let file = out.join(PROVEN);
    serde_json::from_slice(&files::read(&file)?).with_context(|| format!("{} is no proof of ours", file.display()))
}

pub(crate) fn run(job: &Job, work: &Proof) -> Result<()> {
    let task = job.busy();
    let tree = job.need(&format!("tree-{}", work.component))?.join("src").join(&work.import_path);
    let at = work.series.iter().position(|patch| patch.name == work.patch).context("it is not in the series")?;
    let series: Vec<PathBuf> = work.series.iter().map(|patch| patch.path.clone()).collect();
    let touched = patch::touched(&series[at])?;
    let packages = brought::packages(&touched, &tree, &work.import_path)?;
    ensure!(
        !packages.is_empty(),
        "the patch {} brings no test: give it one, or say in the statement's `proof` why none can show it",
        work.patch
    );
    task.doing("taking the patch back");
    let before = job.workshop.scratch().join("without");
    let without = patch::without(&tree, &series, &[at], is_test, &before)?;
    ensure!(!without.files.is_empty(), "the patch {} changes nothing but tests", work.patch);
    let bare = overlay(job, "without", &laid_over(&tree, &before, &without))?;
    let whole = overlay(job, "with", &BTreeMap::new())?;
    let made: Vec<&str> =
        touched.iter().filter(|file| !is_test(&file.path)).flat_map(|file| &file.added).map(String::as_str).collect();

    let trial = Trial { job, work, tree: &tree };
    let mut proven = Proven { also_without: names(&without.also), ..Proven::default() };
    for package in &packages {
        task.doing(&format!("{} without the patch", package.path));
        match trial.ran(package, &bare, "without the patch")? {
            Ok(results) => without_it(package, &results, &mut proven),
            Err(text) => match outcome::names_what_is_made(&text, &made) {
                Some(symbol) => proven.not_built.push(NotBuilt { package: package.path.clone(), symbol }),
                None => bail!(
                    "{}: the tests do not compile without the patch {}, and not as they name what it makes; the log is {}",
                    package.path,
                    work.patch,
                    job.log.display()
                ),
            },
        }
    }
    if proven.fail_without.is_empty() && proven.not_built.is_empty() {
        ensure!(
            !proven.pass_without.is_empty(),
            "the tests of the patch {} are skipped here; the log is {}",
            work.patch,
            job.log.display()
        );
        let tests = proven.pass_without.iter().cloned().collect::<Vec<_>>().join(", ");
        bail!("{tests}: passes without the patch {} as well, so that it shows nothing", work.patch);
    }
    if !without.also.is_empty() {
        task.doing("without the later patches alone");
        let taken: Vec<usize> = (0..series.len()).filter(|at| without.also.contains(&series[*at])).collect();
        let before = job.workshop.scratch().join("others");
        let others = patch::without(&tree, &series, &taken, is_test, &before)?;
        ensure!(
            others.also.is_empty(),
            "{} cannot be taken back without {}, so that nothing tells {} from them: give it a test of its own, or say in the \
             statement's `proof` why none can show it",
            proven.also_without.join(", "),
            names(&others.also).join(", "),
            work.patch
        );
        let others = overlay(job, "others", &laid_over(&tree, &before, &others))?;
        not_by_others(&trial, &packages, &others, &mut proven)?;
    }
    for package in &packages {
        task.doing(&format!("{} with the patch", package.path));
        passes(&trial, package, &whole)?;
    }
    files::copy_atomically(job.log, &job.out().join(LOG))?;
    files::write_atomically(&job.out().join(PROVEN), serde_json::to_vec_pretty(&proven)?)
}

/// What the tests of a package came to without the patch.
fn without_it(package: &Package, results: &BTreeMap<String, Outcome>, proven: &mut Proven) {
    for name in &package.tests {
        match results.get(name) {
            Some(Outcome::Failed | Outcome::NotEnded) => drop(proven.fail_without.insert(name.clone())),
            Some(Outcome::Passed) => drop(proven.pass_without.insert(name.clone())),
            // One that ended the program of all has failed before them.
            Some(Outcome::Skipped) | None => {}
        }
    }
}

/// What is so where only the later patches are taken back is no proof of this one.
fn not_by_others(trial: &Trial, packages: &[Package], others: &Path, proven: &mut Proven) -> Result<()> {
    for package in packages {
        match trial.ran(package, others, "without the later patches alone")? {
            Err(_) => {
                proven.not_built.retain(|not_built| not_built.package != package.path);
                proven.fail_without.retain(|name| !package.tests.contains(name));
            }
            Ok(results) => {
                let passes = |name: &String| results.get(name) == Some(&Outcome::Passed);
                proven.fail_without.retain(|name| !package.tests.contains(name) || passes(name));
            }
        }
    }
    ensure!(
        !proven.fail_without.is_empty() || !proven.not_built.is_empty(),
        "the tests fail or do not compile where {} alone is taken back, too, so that they show nothing of {}: give it a test of its own",
        proven.also_without.join(", "),
        trial.work.patch
    );
    Ok(())
}

/// That every test passes on the tree as it is.
fn passes(trial: &Trial, package: &Package, whole: &Path) -> Result<()> {
    let log = trial.job.log.display();
    let Ok(results) = trial.ran(package, whole, "with the patch")? else {
        bail!("{}: the tests do not compile; the log is {log}", package.path);
    };
    for name in &package.tests {
        match results.get(name) {
            Some(Outcome::Passed) => {}
            Some(outcome) => bail!("{name} {outcome} with the patch {}; the log is {log}", trial.work.patch),
            None => bail!("{} has no test {name}; the log is {log}", package.path),
        }
    }
    Ok(())
}

fn names(patches: &[PathBuf]) -> Vec<String> {
    patches.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect()
}

/// What stands in the place of which file of the tree, by every path that Go may know that by; nothing for one that is not there.
fn laid_over(tree: &Path, before: &Path, without: &Without) -> BTreeMap<String, String> {
    let mut replaced = BTreeMap::new();
    for (path, is_there) in &without.files {
        let by = if *is_there { before.join(path).display().to_string() } else { String::new() };
        for known in brought::known_as(tree, path) {
            replaced.insert(tree.join(known).display().to_string(), by.clone());
        }
    }
    replaced
}

fn overlay(job: &Job, name: &str, replaced: &BTreeMap<String, String>) -> Result<PathBuf> {
    let file = job.workshop.scratch().join(format!("{name}.json"));
    fs::write(&file, json!({ "Replace": replaced }).to_string())
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
