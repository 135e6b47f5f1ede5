//! The tests that a patch brings: those that it changes something in, or all of a file where it changes what its tests use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::Result;
use common::files;
use sources::patch::Touched;

/// A package with tests, in the tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Package {
    /// Its import path.
    pub(super) path: String,
    /// From the top of the tree, as the patch has it.
    pub(super) directory: String,
    pub(super) tests: BTreeSet<String>,
}

/// Tests, and what they read.
pub(super) fn is_test(path: &str) -> bool {
    path.ends_with("_test.go") || path.split('/').any(|part| part == "testdata")
}

pub(super) fn packages(touched: &[Touched], tree: &Path, import_path: &str) -> Result<Vec<Package>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in touched.iter().filter(|file| file.path.ends_with("_test.go")) {
        let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        found.entry(directory.to_owned()).or_default().extend(file.blocks.iter().filter_map(|line| test_of(line)));
    }
    for (directory, tests) in &mut found {
        if !tests.is_empty() {
            continue;
        }
        // It changes a helper: whoever uses that is a test of it.
        let of_it = |file: &&Touched| {
            file.path.ends_with("_test.go") && file.path.rsplit_once('/').map_or("", |(d, _)| d) == *directory
        };
        for file in touched.iter().filter(of_it) {
            tests.extend(files::read_text(&tree.join(&file.path))?.lines().filter_map(test_of));
        }
    }
    let packages = found.into_iter().filter(|(_, tests)| !tests.is_empty()).map(|(directory, tests)| {
        let known = known_as(tree, &directory).pop().unwrap_or_default();
        let path = if known.is_empty() { import_path.to_owned() } else { format!("{import_path}/{known}") };
        Package { path, directory, tests }
    });
    Ok(packages.collect())
}

/// The test that a line begins.
fn test_of(line: &str) -> Option<String> {
    let name = line.strip_prefix("func ")?.split('(').next()?;
    let rest = name.strip_prefix("Test")?;
    let is_test = !rest.starts_with(char::is_lowercase) && name != "TestMain";
    is_test.then(|| name.to_owned())
}

/// The paths that a path of the tree has: itself, and last the one by which `vendor/` has it, where that links to it.
pub(super) fn known_as(tree: &Path, path: &str) -> Vec<String> {
    let mut known = vec![path.to_owned()];
    let entries = |directory: &Path| fs::read_dir(directory).into_iter().flatten().flatten().collect::<Vec<_>>();
    let vendor = tree.join("vendor");
    for owner in entries(&vendor) {
        for entry in entries(&owner.path()) {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let target = is_link.then(|| entry.path().canonicalize().ok()).flatten();
            let target = target.and_then(|to| Some(to.strip_prefix(tree.canonicalize().ok()?).ok()?.to_owned()));
            let inside = target.as_ref().and_then(|target| Path::new(path).strip_prefix(target).ok());
            if let (Some(inside), Ok(link)) = (inside, entry.path().strip_prefix(tree)) {
                known.push(link.join(inside).display().to_string().trim_end_matches('/').to_owned());
            }
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_are_those_that_are_changed_or_all_that_use_what_is_changed() {
        let directory = tempfile::tempdir().unwrap();
        let tree = directory.path();
        fs::create_dir_all(tree.join("staging/x/a")).unwrap();
        fs::create_dir_all(tree.join("vendor/k")).unwrap();
        std::os::unix::fs::symlink("../../staging/x", tree.join("vendor/k/x")).unwrap();
        fs::write(
            tree.join("h_test.go"),
            "func TestOne(t *testing.T) {\n}\nfunc TestMain(m *testing.M) {\n}\nfunc Testify() {\n}\n",
        )
        .unwrap();
        let touched = |path: &str, blocks: &[&str]| Touched {
            path: path.into(),
            blocks: blocks.iter().map(ToString::to_string).collect(),
            ..Touched::default()
        };
        let found = packages(
            &[
                touched("staging/x/a/a_test.go", &["func TestA(t *testing.T) {", "func helper() {"]),
                touched("h_test.go", &["func helper() {"]),
                touched("b.go", &["func TestB(t *testing.T) {"]),
            ],
            tree,
            "a.org/top",
        )
        .unwrap();
        let told: Vec<(&str, &str, Vec<&str>)> = found
            .iter()
            .map(|of| (of.path.as_str(), of.directory.as_str(), of.tests.iter().map(String::as_str).collect()))
            .collect();
        let expected = [("a.org/top", "", vec!["TestOne"]), ("a.org/top/vendor/k/x/a", "staging/x/a", vec!["TestA"])];
        assert_eq!(told, expected);
        assert_eq!(known_as(tree, "staging/x/a/a.go"), ["staging/x/a/a.go", "vendor/k/x/a/a.go"]);
        assert!(is_test("a/testdata/x.yaml") && is_test("a_test.go") && !is_test("a.go"));
    }
}
