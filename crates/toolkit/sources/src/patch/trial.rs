//! Patches tried out on a copy of the files that they touch: for the person who moves to a new version.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use common::files;

use super::{
    PatchError,
    git::{self, Context},
    parse::{self, Patch},
};

/// How one patch of a series fares.
#[derive(Debug)]
pub struct Checked {
    pub patch: PathBuf,
    pub outcome: PatchOutcome,
}

#[derive(Debug)]
pub enum PatchOutcome {
    Applies,
    /// Its lines have moved: git's remark on each hunk.
    Moved(Vec<String>),
    /// What surrounds it has changed: a build refuses it, `refresh` rewrites it.
    ContextChanged(Vec<String>),
    Fails(PatchError),
}

/// A whole series rewritten, or as far as it goes.
#[derive(Debug)]
pub struct Refresh {
    pub done: Vec<Refreshed>,
    pub stopped: Option<Stopped>,
}

/// A patch as it should be for this tree: the same message, new hunks.
#[derive(Debug)]
pub struct Refreshed {
    pub patch: PathBuf,
    pub text: String,
    /// Whether the file says something else.
    pub differs: bool,
}

/// Where a series cannot go on.
#[derive(Debug, thiserror::Error)]
#[error(
    "{failure}\nchange {} by hand so that it does what its message says on this tree, then refresh again; \
     the patches before it are done, those after it have not been tried",
    patch.display()
)]
pub struct Stopped {
    pub patch: PathBuf,
    pub failure: PatchError,
    /// The hunk that found no place, whole.
    pub rejected: Option<String>,
}

/// Tries each patch on what the ones before it have made of the tree; the tree itself is not changed.
/// A patch that fails is left out for those after it.
pub fn check(tree: &Path, series: &[PathBuf]) -> Result<Vec<Checked>> {
    let series = read(series)?;
    let scratch = Scratch::new(tree, &series)?;
    let mut checked = Vec::new();
    for patch in &series {
        let outcome = match on_scratch(&scratch.now(), patch)? {
            (Context::Whole, Ok(remarks)) if remarks.is_empty() => PatchOutcome::Applies,
            (Context::Whole, Ok(remarks)) => PatchOutcome::Moved(remarks),
            (Context::OneLine, Ok(remarks)) => PatchOutcome::ContextChanged(remarks),
            (_, Err(failure)) => PatchOutcome::Fails(failure),
        };
        checked.push(Checked { patch: patch.path.clone(), outcome });
    }
    Ok(checked)
}

/// Makes each patch anew from what it does to the tree. Writes nothing: see [`Refreshed::write`].
pub fn refresh(tree: &Path, series: &[PathBuf]) -> Result<Refresh> {
    let series = read(series)?;
    let scratch = Scratch::new(tree, &series)?;
    let mut done = Vec::new();
    for patch in &series {
        scratch.remember()?;
        if let (_, Err(failure)) = on_scratch(&scratch.now(), patch)? {
            let rejected = match &failure {
                PatchError::DoesNotApply { hunk, .. } => hunk.clone(),
                _ => None,
            };
            return Ok(Refresh { done, stopped: Some(Stopped { patch: patch.path.clone(), failure, rejected }) });
        }
        let text = format!("{}{}{}", patch.message, scratch.difference()?, patch.signature);
        let differs = files::read(&patch.path)? != text.as_bytes();
        done.push(Refreshed { patch: patch.path.clone(), text, differs });
    }
    Ok(Refresh { done, stopped: None })
}

impl Refreshed {
    /// Puts it in the place of the old file.
    pub fn write(&self) -> Result<()> {
        files::write_atomically(&self.patch, &self.text)
    }
}

fn read(series: &[PathBuf]) -> Result<Vec<Patch>> {
    series.iter().map(|path| parse::read(path)).collect()
}

/// Applies strictly, else with little context. Answers which it was; the failure is that of the strict try.
fn on_scratch(directory: &Path, patch: &Patch) -> Result<(Context, Result<Vec<String>, PatchError>)> {
    match git::apply(directory, patch, Context::Whole) {
        Ok(remarks) => Ok((Context::Whole, Ok(remarks))),
        Err(error) => {
            let failure = error.downcast::<PatchError>()?;
            match git::apply(directory, patch, Context::OneLine) {
                Ok(remarks) => Ok((Context::OneLine, Ok(remarks))),
                Err(_) => Ok((Context::Whole, Err(failure))),
            }
        }
    }
}

/// Copies of the files that a series touches: `b` as they are now, `a` as they were before a patch.
struct Scratch {
    directory: tempfile::TempDir,
}

impl Scratch {
    fn new(tree: &Path, series: &[Patch]) -> Result<Self> {
        let scratch = Scratch { directory: tempfile::tempdir().context("cannot make a directory")? };
        files::create_dir(&scratch.now())?;
        for path in series.iter().flat_map(Patch::paths) {
            let (from, to) = (tree.join(path), scratch.now().join(path));
            if let Some(parent) = to.parent().filter(|_| from.is_file()) {
                files::create_dir(parent)?;
                fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
            }
        }
        Ok(scratch)
    }

    fn now(&self) -> PathBuf {
        self.directory.path().join("b")
    }

    fn remember(&self) -> Result<()> {
        let before = self.directory.path().join("a");
        files::remove_tree(&before)?;
        files::copy_tree(&self.now(), &before)
    }

    fn difference(&self) -> Result<String> {
        let git = crate::git::git("compare trees")?.dir(self.directory.path());
        let git = git.env("GIT_CEILING_DIRECTORIES", self.directory.path());
        let settings = ["-c", "core.quotePath=false", "-c", "core.autocrlf=false", "-c", "diff.algorithm=default"];
        let options = ["--no-index", "--no-prefix", "--no-renames", "--no-color", "--no-ext-diff", "--unified=3"];
        let mut git = git.args(settings).arg("diff").args(options).args(["--full-index", "--", "a", "b"]);
        let output = git.output()?;
        anyhow::ensure!(output.status.code() == Some(1), "git compares and says {}", output.status);
        // A file that is on one side only is named by that side twice.
        let text = String::from_utf8(output.stdout)?;
        let sides = |line: &str| match line.strip_prefix("diff --git ").and_then(|names| names.split_once(' ')) {
            Some((old, new)) if old == new.trim_end() => format!("diff --git a/{} b/{}", &old[2..], &new[2..]),
            _ => line.to_owned(),
        };
        Ok(text.split_inclusive('\n').map(sides).collect())
    }
}
