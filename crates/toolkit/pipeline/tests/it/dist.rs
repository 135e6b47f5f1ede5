//! dist/: whole files that `sha256sum -c` finds right, whatever was there before.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use common::command::{Program, find_on_path};
use pipeline::{
    dist::{self, Published},
    plan::Plan,
    step::Artifact,
};

use crate::support::{Place, UNPACK, names};

/// Publishes `go.mod` of the tree, as it is now, by that name.
fn try_publish(place: &Place, name: &str) -> anyhow::Result<Vec<Published>> {
    let artifact = Artifact { step: UNPACK.into(), file: "go.mod".into(), name: name.into() };
    let plan = Plan { steps: place.steps(), artifacts: vec![artifact], gates: vec![] };
    dist::publish(&plan, &place.cache(), &dist_of(place))
}

fn publish(place: &Place, name: &str) -> PathBuf {
    place.run();
    try_publish(place, name).unwrap().remove(0).path
}

fn dist_of(place: &Place) -> PathBuf {
    place.directory.join("dist")
}

/// The names that the real sha256sum finds right; all of those that are listed.
fn verified(directory: &Path) -> Vec<String> {
    assert!(find_on_path("sha256sum").is_some(), "sha256sum (Debian: coreutils) is required by this test");
    let check =
        Program::new("sha256sum", "verify dist/").unwrap().args(["--strict", "-c", "SHA256SUMS"]).dir(directory);
    let printed = check.read().unwrap_or_else(|error| panic!("{error:#}"));
    printed.lines().map(|line| line.strip_suffix(": OK").unwrap().to_owned()).collect()
}

#[test]
fn what_is_published_is_whole_listed_and_nothing_else() {
    let place = Place::new();
    let path = publish(&place, "a.swix");
    assert_eq!(fs::read_to_string(&path).unwrap(), "module thing\n");
    assert_eq!(verified(&dist_of(&place)), ["a.swix"]);
    assert_eq!(names(&dist_of(&place)), ["SHA256SUMS", "a.swix"]);

    let inodes = || ["a.swix", "SHA256SUMS"].map(|name| fs::metadata(dist_of(&place).join(name)).unwrap().ino());
    let before = inodes();
    publish(&place, "a.swix");
    assert_eq!(inodes(), before, "what is right is not written again");
}

#[test]
fn what_stood_in_the_place_of_a_provenance_goes() {
    let place = Place::new();
    publish(&place, "1.20-386.build.json");
    publish(&place, "1.20-386.swix");
    assert_eq!(names(&dist_of(&place)), ["1.20-386.swix", "SHA256SUMS"]);
    assert_eq!(verified(&dist_of(&place)), ["1.20-386.swix"]);
}

#[test]
fn files_of_other_builds_stay_listed_as_long_as_they_are_what_they_were() {
    let place = Place::new();
    publish(&place, "1.20-386.swix");
    place.write("thing", "go.mod", "module for another architecture\n");
    publish(&place, "1.20-amd64.swix");
    publish(&place, "1.12-386.swix");
    let all = ["1.12-386.swix", "1.20-386.swix", "1.20-amd64.swix"];
    assert_eq!(verified(&dist_of(&place)), all);

    fs::write(dist_of(&place).join("1.20-386.swix"), "damaged").unwrap();
    fs::remove_file(dist_of(&place).join("1.20-amd64.swix")).unwrap();
    fs::write(dist_of(&place).join("notes"), "of somebody's own").unwrap();
    publish(&place, "1.12-386.swix");
    assert_eq!(verified(&dist_of(&place)), ["1.12-386.swix"]);
    assert_eq!(names(&dist_of(&place)), ["1.12-386.swix", "1.20-386.swix", "SHA256SUMS", "notes"]);
}

#[test]
fn a_signature_goes_with_what_it_was_of() {
    let place = Place::new();
    publish(&place, "a.provenance.json");
    let sign = || {
        for name in ["SHA256SUMS.minisig", "a.provenance.json.minisig"] {
            fs::write(dist_of(&place).join(name), "a signature").unwrap();
        }
    };
    let signed = ["SHA256SUMS", "SHA256SUMS.minisig", "a.provenance.json", "a.provenance.json.minisig"];
    sign();
    publish(&place, "a.provenance.json");
    assert_eq!(names(&dist_of(&place)), signed, "nothing changed, and so they stay");
    place.write("thing", "go.mod", "module changed\n");
    publish(&place, "a.provenance.json");
    assert_eq!(names(&dist_of(&place)), ["SHA256SUMS", "a.provenance.json"]);
    sign();
    publish(&place, "b.provenance.json");
    let left = ["SHA256SUMS", "a.provenance.json", "a.provenance.json.minisig", "b.provenance.json"];
    assert_eq!(names(&dist_of(&place)), left, "what is still what it was stays signed");
}

#[test]
fn a_damaged_file_in_dist_is_replaced() {
    let place = Place::new();
    let path = publish(&place, "a.swix");
    for damage in ["module thinG\n", "module", ""] {
        fs::write(&path, damage).unwrap();
        publish(&place, "a.swix");
        assert_eq!(fs::read_to_string(&path).unwrap(), "module thing\n");
        assert_eq!(verified(&dist_of(&place)), ["a.swix"]);
    }
    fs::write(dist_of(&place).join("SHA256SUMS"), "no such line\n").unwrap();
    publish(&place, "a.swix");
    assert_eq!(verified(&dist_of(&place)), ["a.swix"]);
}

#[test]
fn what_is_gone_from_the_cache_leaves_dist_as_it_was() {
    let place = Place::new();
    let path = publish(&place, "a.swix");
    place.write("thing", "go.mod", "module not built\n");
    let error = format!("{:#}", try_publish(&place, "a.swix").unwrap_err());
    assert!(error.contains("a.swix was built and is gone from the cache"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "module thing\n");
    assert_eq!(verified(&dist_of(&place)), ["a.swix"]);
}

#[test]
fn a_reader_finds_the_old_file_or_the_new_one_and_never_a_part() {
    let place = Place::new();
    let content = |letter: &str| letter.repeat(2 << 20);
    let publish = |letter: &str| {
        place.write("thing", "go.mod", &content(letter));
        publish(&place, "a.swix")
    };
    let path = publish("a");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (old, new) = (content("a"), content("b"));
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let found = fs::read(&path).unwrap();
                assert!(found == old.as_bytes() || found == new.as_bytes(), "{} bytes of a mixture", found.len());
                reads += 1;
            }
            reads
        });
        for _ in 0..10 {
            publish("b");
            publish("a");
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 1);
    });
    assert_eq!(names(&dist_of(&place)), ["SHA256SUMS", "a.swix"]);
}
