//! One patch applied by `git apply` in a directory, whatever repository is around it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use common::Sha256;

use super::{
    PatchError,
    parse::{FileDiff, Patch},
};

/// How much of what surrounds a change must be the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Context {
    Whole,
    /// One line each side: for a person who looks at the result.
    OneLine,
}

/// What a file is: none if it is not there.
type State = Option<(bool, Sha256)>;

/// Which way a patch goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Direction {
    Forward,
    Back,
}

/// Applies all of a patch or nothing of it. Answers git's remarks on hunks that had to be searched for.
pub(super) fn apply(tree: &Path, patch: &Patch, context: Context) -> Result<Vec<String>> {
    let less: &[&str] = if context == Context::OneLine { &["-C1"] } else { &[] };
    run(tree, patch, &patch.paths(), less)
}

/// Applies what a patch does to some of its files, strictly, or takes that back.
pub(super) fn apply_to(tree: &Path, patch: &Patch, paths: &[&str], direction: Direction) -> Result<()> {
    let mut options: Vec<String> = paths.iter().map(|path| format!("--include={path}")).collect();
    if direction == Direction::Back {
        options.push("--reverse".to_owned());
    }
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    run(tree, patch, paths, &options).map(drop)
}

/// `paths` are those that must be different afterwards.
fn run(tree: &Path, patch: &Patch, paths: &[&str], options: &[&str]) -> Result<Vec<String>> {
    let tree = fs::canonicalize(tree).with_context(|| format!("no tree at {}", tree.display()))?;
    let path = fs::canonicalize(&patch.path).with_context(|| format!("no patch at {}", patch.path.display()))?;
    let before = states(&tree, paths)?;
    // Inside of a repository git would take the paths for that repository's and pass over the files.
    let around = tree.parent().unwrap_or(&tree);
    let mut git = crate::git::git("apply patches")?.dir(&tree).env("GIT_CEILING_DIRECTORIES", around);
    git = git.args(["-c", "core.autocrlf=false", "-c", "apply.whitespace=nowarn", "-c", "apply.ignoreWhitespace=no"]);
    git = git.args(["apply", "--verbose", "-p1"]).args(options);
    let output = git.arg("--").arg(&path).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(failure(patch, &said).into());
    }
    let after = states(&tree, paths)?;
    for (path, before) in &before {
        if after.iter().any(|(other, after)| path == other && before == after) {
            return Err(PatchError::ChangedNothing { patch: patch.path.clone(), file: path.clone() }.into());
        }
    }
    let there = paths.iter().copied().filter(|path| fs::symlink_metadata(tree.join(path)).is_ok());
    normalise(&tree, there)?;
    Ok(said
        .lines()
        .filter(|line| line.starts_with("Hunk #") || line.starts_with("Context reduced"))
        .map(str::to_owned)
        .collect())
}

fn states(tree: &Path, paths: &[&str]) -> Result<Vec<(String, State)>> {
    let state = |path: &str| -> Result<State> {
        let file = tree.join(path);
        match fs::symlink_metadata(&file) {
            Ok(meta) if meta.is_symlink() => {
                let to = fs::read_link(&file)?;
                Ok(Some((false, Sha256::of_bytes(to.as_os_str().as_encoded_bytes()))))
            }
            Ok(meta) => Ok(Some((meta.permissions().mode() & 0o100 != 0, Sha256::of_file(&file)?))),
            Err(_) => Ok(None),
        }
    };
    paths.iter().map(|path| Ok(((*path).to_owned(), state(path).with_context(|| (*path).to_owned())?))).collect()
}

/// Takes the user's umask out of what git has written.
fn normalise<'a>(tree: &Path, paths: impl Iterator<Item = &'a str>) -> Result<()> {
    for path in paths {
        let mut place: PathBuf = tree.join(path);
        while place != tree {
            let meta = fs::symlink_metadata(&place)?;
            if !meta.is_symlink() {
                let mode = if meta.is_dir() || meta.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 };
                fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
            }
            place.pop();
        }
    }
    Ok(())
}

/// What git's words mean: `error: patch failed: FILE:LINE` names the hunk by the line that it begins at.
fn failure(patch: &Patch, said: &str) -> PatchError {
    let errors = || said.lines().filter_map(|line| line.strip_prefix("error: "));
    let place = errors().find_map(|line| line.strip_prefix("patch failed: ")?.rsplit_once(':'));
    if let Some((file, line)) = place {
        let hunk = line.parse().ok().and_then(|line| patch.hunk(file, line)).map(|hunk| hunk.text.clone());
        let reason = "this hunk's lines are not in the file as the patch expects them".to_owned();
        return PatchError::DoesNotApply { patch: patch.path.clone(), file: Some(file.to_owned()), hunk, reason };
    }
    let reason = errors().next().unwrap_or(said.trim()).to_owned();
    let concerned = |diff: &&FileDiff| diff.paths().any(|path| reason.starts_with(&format!("{path}: ")));
    let diff = patch.files.iter().find(concerned);
    let hunk = diff.and_then(|diff| diff.hunks.first()).map(|hunk| hunk.text.clone());
    let file = diff.and_then(|diff| diff.paths().next()).map(str::to_owned);
    let reason = match &file {
        Some(file) => reason.trim_start_matches(&format!("{file}: ")).to_owned(),
        None => reason,
    };
    PatchError::DoesNotApply { patch: patch.path.clone(), file, hunk, reason }
}
