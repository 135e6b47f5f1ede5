//! The lock file beside a recipe of packages that move: read as strictly as the recipe, and written so that it reads the same.

#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use recipes::{LockedPackage, Origin, RecipeError, Source, Toolchain, WhenGone};

const RECIPE: &str = r#"name = "cc"
version = "stable-security"

[[origin]]
https = { url = "https://example.org/cc.tar.gz", sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }

[[origin]]
[origin.debian-packages]
suite = "stable"
[origin.debian-packages.moving]
suite = "stable-security"
packages = ["cc", "cc-src"]
with-dependencies = ["libcc"]
"#;

const LOCK: &str = r#"[[package]]
name = "cc"
version = "1:2.0"
arch = "amd64"
suite = "stable-security"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

[[package]]
name = "cc-src"
version = "1:2.0"
arch = "all"
suite = "stable-security"
sha256 = "cb8379ac2098aa165029e3938a51da0bcecfc008fd6795f401178647f96c5b34"

[[package]]
name = "libcc9"
version = "9"
arch = "amd64"
suite = "stable"
sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"#;

struct Place(tempfile::TempDir);

impl Place {
    fn new(recipe: &str, lock: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let release = "name = \"9.9\"\nversion = \"9.9.1\"\nrevision = 1\nsource-date = 1600000000\n\
                       toolchains = [\"../cc.toml\"]\ncomponents = []\n";
        for name in ["9.8", "9.9"] {
            fs::create_dir(directory.path().join(name)).unwrap();
            fs::write(directory.path().join(name).join("release.toml"), release.replace("9.9", name)).unwrap();
        }
        fs::write(directory.path().join("cc.toml"), recipe).unwrap();
        lock.into_iter().for_each(|lock| fs::write(directory.path().join("cc.lock.toml"), lock).unwrap());
        Place(directory)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Result<Toolchain, RecipeError> {
        recipes::load_toolchain(&self.file("cc.toml"))
    }
}

fn locked(source: &Source) -> Vec<LockedPackage> {
    let moving = source.origins.iter().find_map(|origin| match origin {
        Origin::DebianPackages(packages) => packages.moving.clone(),
        _ => None,
    });
    moving.unwrap().locked
}

/// The error that a change to the lock file brings.
fn error_with(from: &str, to: &str) -> String {
    assert!(LOCK.contains(from), "{from:?} is not in the lock file");
    Place::new(RECIPE, Some(&LOCK.replacen(from, to, 1))).load().unwrap_err().to_string()
}

#[track_caller]
fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

#[test]
fn what_is_locked_is_part_of_the_source() {
    let source = Place::new(RECIPE, Some(LOCK)).load().unwrap().source;
    let packages: Vec<_> = locked(&source).iter().map(|one| format!("{} {}", one.name, one.version)).collect();
    assert_eq!(packages, ["cc 1:2.0", "cc-src 1:2.0", "libcc9 9"]);
    let other = Place::new(RECIPE, Some(&LOCK.replace("1:2.0", "1:2.1"))).load().unwrap().source;
    let text = |source: &Source| format!("{source:?}");
    assert_ne!(text(&source), text(&other));
}

#[test]
fn a_recipe_that_moves_without_a_lock_file_is_refused_with_the_way_out() {
    let error = Place::new(RECIPE, None).load().unwrap_err().to_string();
    assert_says(&error, &["cc.lock.toml: ", "no lock file", "cc.toml", "stable-security", "cargo xtask update"]);
}

#[test]
fn what_is_wrong_in_a_lock_file_is_told_with_its_line() {
    assert_says(&error_with("version =", "verison ="), &["cc.lock.toml:3:", "verison"]);
    assert_says(&error_with("sha256 = \"ba", "sha256 = \""), &["cc.lock.toml:6:", "64 hexadecimal digits"]);
    assert_says(&error_with("\"1:2.0\"", ""), &["cc.lock.toml:3:"]);
    let arch = "arch = \"amd64\"\nsuite = \"stable-security\"\n";
    assert_says(&error_with(arch, "suite = \"stable-security\"\n"), &["cc.lock.toml:1:", "arch"]);
}

#[test]
fn a_lock_file_that_does_not_fit_its_recipe_is_refused() {
    let error = error_with("libcc9", "libdd9");
    assert_says(&error, &["cc.lock.toml:15:", "nothing in cc.toml asks for the package libdd9", "cargo xtask update"]);
    let error = error_with("name = \"cc-src\"", "name = \"libcc8\"");
    assert_says(&error, &["cc.lock.toml: no package cc-src, which cc.toml names", "cargo xtask update"]);
    assert_says(&error_with("\"1:2.0\"", "\"1:2.1\""), &["cc is 1:2.1 and cc-src 1:2.0", "one version"]);
    let error = error_with("suite = \"stable-security\"", "suite = \"unstable\"");
    assert_says(&error, &["cc.lock.toml:1:", "unstable", "expected stable-security or stable"]);
    let twice = LOCK.replace("libcc9", "cc").replace("version = \"9\"", "version = \"1:2.0\"");
    let error = Place::new(RECIPE, Some(&twice)).load().unwrap_err().to_string();
    assert_says(&error, &["cc.lock.toml:15:", "duplicate package cc for amd64"]);
}

#[test]
fn a_recipe_cannot_lock_by_itself_and_moves_in_one_origin() {
    let recipe = format!("{RECIPE}locked = []\n");
    assert_says(&Place::new(&recipe, Some(LOCK)).load().unwrap_err().to_string(), &["cc.toml:14:", "locked"]);
    let (_, origin) = RECIPE.split_once("\n\n").unwrap();
    let recipe = format!("{RECIPE}\n{origin}");
    assert_says(&Place::new(&recipe, Some(LOCK)).load().unwrap_err().to_string(), &["two origins move"]);
}

#[test]
fn what_is_done_where_a_package_is_gone_is_the_recipe_s_choice() {
    let chosen = |line: &str| {
        let source = Place::new(&format!("{RECIPE}{line}"), Some(LOCK)).load().map(|loaded| loaded.source);
        source.map(|source| match &source.origins[1] {
            Origin::DebianPackages(packages) => packages.moving.as_ref().unwrap().when_gone,
            other => panic!("{other}"),
        })
    };
    assert_eq!(chosen("").unwrap(), WhenGone::Fail);
    assert_eq!(chosen("when-gone = \"newest\"\n").unwrap(), WhenGone::Newest);
    assert_says(&chosen("when-gone = \"oldest\"\n").unwrap_err().to_string(), &["cc.toml:14:", "oldest", "newest"]);
}

#[test]
fn each_source_that_moves_is_found_once_and_what_is_written_for_it_reads_the_same() {
    let place = Place::new(RECIPE, Some(LOCK));
    let moving = recipes::moving_sources(place.0.path()).unwrap();
    assert_eq!(moving.len(), 1, "two releases have it");
    let packages = moving[0].locked.as_ref().unwrap();
    assert_eq!(packages, &locked(&place.load().unwrap().source));
    assert_eq!(moving[0].path(), place.file("cc.lock.toml").canonicalize().unwrap());
    fs::write(moving[0].path(), moving[0].text(packages).unwrap()).unwrap();
    assert_eq!(packages, &locked(&place.load().unwrap().source));
}

#[test]
fn a_lock_file_that_is_missing_or_broken_does_not_keep_its_source_from_being_found() {
    for lock in [None, Some("<<<<<<< HEAD\n")] {
        let place = Place::new(RECIPE, lock);
        let moving = recipes::moving_sources(place.0.path()).unwrap();
        assert_says(&moving[0].locked.as_ref().unwrap_err().to_string(), &["cc.lock.toml"]);
        assert_eq!(moving[0].origin().unwrap().suite, "stable");
    }
}
