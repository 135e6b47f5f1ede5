//! Files as they would be if one patch of a series had not been applied.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use common::files;

use super::{
    PatchError,
    git::{self, Direction},
    parse::{self, Patch},
};

/// What comes of taking a patch back.
#[derive(Debug, PartialEq, Eq)]
pub struct Without {
    /// The files that are different then, in `into`; with `false`, one that is not there then.
    pub files: Vec<(String, bool)>,
    /// Later patches that are not in these files either, as they change the same lines and do not apply without it.
    pub also: Vec<PathBuf>,
}

/// Writes into a directory the files of `tree` as they would be without some patches of the series that was applied to it, by their
/// places there. Files that `stays` is true of are left as they are. Where later patches change the same lines, these are taken back
/// first, and applied again afterwards where they fit.
pub fn without(
    tree: &Path,
    series: &[PathBuf],
    taken: &[usize],
    stays: impl Fn(&str) -> bool,
    into: &Path,
) -> Result<Without> {
    let series: Vec<Patch> = series.iter().map(|path| parse::read(path)).collect::<Result<_>>()?;
    ensure!(taken.iter().all(|at| *at < series.len()), "a series of {} patches has none at {taken:?}", series.len());
    let mut concerned: BTreeSet<String> = BTreeSet::new();
    // The patches that are taken, and what was built on them, and on that.
    let mut from_there: Vec<(&Patch, Vec<String>, bool)> = Vec::new();
    for (at, patch) in series.iter().enumerate() {
        let paths: Vec<String> = patch.paths().into_iter().filter(|path| !stays(path)).map(str::to_owned).collect();
        let is_taken = taken.contains(&at);
        if !paths.is_empty() && (is_taken || paths.iter().any(|path| concerned.contains(path))) {
            concerned.extend(paths.iter().cloned());
            from_there.push((patch, paths, is_taken));
        }
    }
    let scratch = tempfile::tempdir().context("cannot make a directory")?;
    let apply = |patch: &Patch, paths: &[String], direction| {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        git::apply_to(scratch.path(), patch, &paths, direction)
    };
    let back = |all: bool| {
        concerned.iter().try_for_each(|path| copy(tree, scratch.path(), path))?;
        let mut them = from_there.iter().rev().filter(|(_, _, is_taken)| all || *is_taken);
        them.try_for_each(|(patch, paths, _)| {
            let taken_back = || format!("the patch {} cannot be taken back", patch.path.display());
            apply(patch, paths, Direction::Back).with_context(taken_back)
        })
    };
    let mut also = Vec::new();
    if let Err(error) = back(false) {
        error.downcast::<PatchError>()?;
        back(true)?;
        for (later, paths, _) in from_there.iter().filter(|(_, _, is_taken)| !is_taken) {
            if let Err(error) = apply(later, paths, Direction::Forward) {
                error.downcast::<PatchError>()?;
                also.push(later.path.clone());
            }
        }
    }
    let mut changed = Vec::new();
    for path in &concerned {
        let [now, then] = [tree, scratch.path()].map(|place| fs::read(place.join(path)).ok());
        if now != then {
            if then.is_some() {
                copy_file(&scratch.path().join(path), &into.join(path))?;
            }
            changed.push((path.clone(), then.is_some()));
        }
    }
    Ok(Without { files: changed, also })
}

/// A file as it is in the tree, or none.
fn copy(tree: &Path, to: &Path, path: &str) -> Result<()> {
    let (from, to) = (tree.join(path), to.join(path));
    if from.is_file() {
        return copy_file(&from, &to);
    }
    match fs::remove_file(&to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", to.display()))
        }
        _ => Ok(()),
    }
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    files::create_dir(to.parent().unwrap_or(to))?;
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {}", from.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "--- a/a.go\n+++ b/a.go\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n\
                         --- /dev/null\n+++ b/a_test.go\n@@ -0,0 +1 @@\n+test\n--- /dev/null\n+++ b/new.go\n@@ -0,0 +1 @@\n+new\n";
    const FAR: &str = "--- a/a.go\n+++ b/a.go\n@@ -7,3 +7,3 @@\n seven\n-eight\n+EIGHT\n nine\n";
    const SAME: &str = "--- a/a.go\n+++ b/a.go\n@@ -1,3 +1,3 @@\n one\n-TWO\n+Two\n three\n";

    /// A tree with those patches, and what it is without the first.
    fn taken_back(patches: &[&str]) -> (String, Without) {
        let directory = tempfile::tempdir().unwrap();
        let (tree, into) = (directory.path().join("tree"), directory.path().join("into"));
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("a.go"), "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n").unwrap();
        let mut series = Vec::new();
        for (at, text) in patches.iter().enumerate() {
            series.push(directory.path().join(format!("{at}.patch")));
            fs::write(&series[at], text).unwrap();
        }
        super::super::apply(&tree, &series).unwrap();
        let without = without(&tree, &series, &[0], |path| path.ends_with("_test.go"), &into).unwrap();
        (fs::read_to_string(into.join("a.go")).unwrap(), without)
    }

    #[test]
    fn a_patch_is_taken_back_without_its_tests_and_later_ones_stay() {
        let (text, without) = taken_back(&[FIRST, FAR]);
        assert_eq!(text, "one\ntwo\nthree\nfour\nfive\nsix\nseven\nEIGHT\nnine\n");
        assert_eq!(without.files, [("a.go".to_owned(), true), ("new.go".to_owned(), false)]);
        assert!(without.also.is_empty());
    }

    #[test]
    fn a_later_patch_of_the_same_lines_is_taken_back_as_well_and_named() {
        let (text, without) = taken_back(&[FIRST, SAME, FAR]);
        assert_eq!(text, "one\ntwo\nthree\nfour\nfive\nsix\nseven\nEIGHT\nnine\n");
        let also: Vec<_> = without.also.iter().map(|path| path.file_name().unwrap().to_string_lossy()).collect();
        assert_eq!(also, ["1.patch"]);
    }
}
