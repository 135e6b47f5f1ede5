//! Packages by their lock: exactly those, from whichever suite of this machine has them; and what is done where none has.

use std::path::Path;

use common::progress::Silent;
use recipes::{DebianPackages, LockedPackage, Moving, Origin, WhenGone};
use sources::{Fetched, NoOrigin, PinMismatch};

use crate::support::{Notes, fetcher, source};

const POPT: &str = "1.19+dfsg-1";
const POPT_AMD64: &str = "6f94b488255acd996254f775c77ff3956557c61f860a3c9caeaf65457554194f";
const OTHER: &str = "207f14dcc558910d26912fea0942973933532696f10a1bf50cd35b3ebdc15eb0";

fn origin(suite: &str, when_gone: WhenGone, version: &str, sha256: &str) -> DebianPackages {
    let (name, version, arch) = ("libpopt0".to_owned(), version.to_owned(), "amd64".to_owned());
    let locked = vec![LockedPackage { name, version, arch, suite: suite.to_owned(), sha256: sha256.parse().unwrap() }];
    let packages = vec!["libpopt0".to_owned()];
    let moving = Moving { suite: suite.to_owned(), packages, with_dependencies: vec![], when_gone, locked };
    DebianPackages { pinned: vec![], suite: "bookworm".into(), moving: Some(moving), root: None }
}

fn fetch(cache: &Path, notes: &Notes, origin: &DebianPackages) -> anyhow::Result<Fetched> {
    fetcher(cache, notes).fetch(&source(vec![Origin::DebianPackages(origin.clone())]))
}

fn version(fetched: &Fetched) -> &str {
    &fetched.files[0].package.as_ref().unwrap().version
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn what_is_locked_is_taken_and_its_lock_answers_for_it() {
    let (cache, notes) = (tempfile::tempdir().unwrap(), Notes::default());
    let origin = origin("bookworm", WhenGone::Fail, POPT, POPT_AMD64);
    let newest = fetcher(cache.path(), &Silent).newest(&origin).unwrap();
    assert_eq!(newest, origin.moving.as_ref().unwrap().locked);
    let fetched = fetch(cache.path(), &notes, &origin).unwrap();
    assert_eq!(fetched.files[0].sha256.to_string(), POPT_AMD64);
    assert_eq!(fetched.answer.pin, format!("libpopt0 at {POPT}, by the lock file"));
    assert!(!fetched.answer.unlocked && notes.lines().is_empty());
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn what_its_suite_has_no_more_comes_from_another_that_has_the_same_bytes() {
    let (cache, notes) = (tempfile::tempdir().unwrap(), Notes::default());
    let origin = origin("bookworm-security", WhenGone::Fail, POPT, POPT_AMD64);
    let fetched = fetch(cache.path(), &notes, &origin).unwrap();
    assert_eq!((version(&fetched), fetched.answer.unlocked), (POPT, false));
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn what_nobody_has_any_more_is_named_with_what_to_do() {
    let (cache, notes) = (tempfile::tempdir().unwrap(), Notes::default());
    let error = fetch(cache.path(), &notes, &origin("bookworm", WhenGone::Fail, "1.18-2", OTHER)).unwrap_err();
    let told = &error.downcast_ref::<NoOrigin>().unwrap().tried[0].1;
    let gone = format!("libpopt0 1.18-2 for amd64, sha256 {OTHER}; bookworm has {POPT}");
    assert_eq!(
        *told,
        format!(
            "no mirror of this machine has any more what is locked:\n{gone}\n\
             run `cargo xtask update`, and commit the lock file"
        )
    );
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn where_the_recipe_allows_it_the_newest_is_taken_and_is_not_called_locked() {
    let (cache, notes) = (tempfile::tempdir().unwrap(), Notes::default());
    let gone = origin("bookworm", WhenGone::Newest, "1.18-2", OTHER);
    let fetched = fetch(cache.path(), &notes, &gone).unwrap();
    assert_eq!((version(&fetched), fetched.answer.unlocked), (POPT, true));
    assert!(fetched.answer.pin.ends_with("by the suite's signature, not by the lock file"), "{}", fetched.answer.pin);
    let lines = notes.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["libpopt0 1.18-2 for amd64", &format!("Taking libpopt0 {POPT}"), "not locked", "cargo xtask update"] {
        assert!(lines[0].contains(part), "{part:?} is not in {lines:?}");
    }
    let cached = fetcher(cache.path(), &Silent).cached(&source(vec![Origin::DebianPackages(gone)])).unwrap();
    assert_eq!(cached.unwrap(), fetched);
    // Another lock is not answered by what stood in for this one.
    let other = origin("bookworm", WhenGone::Newest, "1.18-3", OTHER);
    assert!(fetcher(cache.path(), &Silent).cached(&source(vec![Origin::DebianPackages(other)])).unwrap().is_none());
    let locked = origin("bookworm", WhenGone::Newest, POPT, POPT_AMD64);
    assert!(!fetch(cache.path(), &notes, &locked).unwrap().answer.unlocked);
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn a_lock_that_the_signed_index_contradicts_ends_it_whatever_the_recipe_allows() {
    let (cache, notes) = (tempfile::tempdir().unwrap(), Notes::default());
    let error = fetch(cache.path(), &notes, &origin("bookworm", WhenGone::Newest, POPT, OTHER)).unwrap_err();
    let mismatch = error.downcast_ref::<PinMismatch>().unwrap();
    assert_eq!(mismatch.found, format!("sha256 {POPT_AMD64}"));
}

#[test]
fn without_a_network_what_is_locked_is_named_file_by_file() {
    let (cache, notes) = (tempfile::tempdir().unwrap(), Notes::default());
    let source = source(vec![Origin::DebianPackages(origin("bookworm", WhenGone::Newest, POPT, POPT_AMD64))]);
    let missing = fetcher(cache.path(), &notes).missing(&source).unwrap();
    assert_eq!(missing, [format!("thing 1.2.3: libpopt0_{POPT}_amd64.deb of Debian bookworm packages libpopt0")]);
}
