//! Debian packages through this machine's own package sources: the one part that needs them.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path, process::Command, time::SystemTime};

use common::{Sha256, progress::Silent};
use recipes::{DebianFile, DebianPackage, DebianPackages, DebianSource, Moving, Origin, WhenGone};
use sources::{AnsweredBy, Fetched, NoOrigin, PinMismatch, Store, unpack};

use crate::support::{Notes, assert_passed, fetcher, name, source};

const POPT: &str = "1.19+dfsg-1";
const POPT_AMD64: &str = "6f94b488255acd996254f775c77ff3956557c61f860a3c9caeaf65457554194f";
const POPT_I386: &str = "207f14dcc558910d26912fea0942973933532696f10a1bf50cd35b3ebdc15eb0";
const POPT_ORIG: &str = "4cd0cd2963d0c4078f65949599d97135c15ee6c09cf3a36a9a1b2753025bb06b";
const POPT_DEBIAN: &str = "24b0924637df1dfb10fe7a072f865b2be5a39550e7083f8c84f35634c53452e7";

fn package(version: &str, arch: &str, sha256: &str) -> DebianPackage {
    let (name, version, arch) = ("libpopt0".into(), version.to_owned(), arch.to_owned());
    DebianPackage { name, version, arch, sha256: sha256.parse().unwrap() }
}

fn packages(suite: &str, pinned: Vec<DebianPackage>, moving: Option<Moving>) -> Origin {
    Origin::DebianPackages(DebianPackages { pinned, suite: suite.to_owned(), moving, root: None })
}

fn popt_source(patches: &[&str]) -> Origin {
    let file = |name: &str, sha256: &str| DebianFile { name: name.to_owned(), sha256: sha256.parse().unwrap() };
    let files =
        vec![file("popt_1.19+dfsg.orig.tar.xz", POPT_ORIG), file("popt_1.19+dfsg-1.debian.tar.xz", POPT_DEBIAN)];
    let patches = patches.iter().map(|name| (*name).to_owned().try_into().unwrap()).collect();
    let (suite, package, version) = ("bookworm".to_owned(), name("popt"), POPT.to_owned());
    Origin::DebianSource(DebianSource { suite, package, version, files, patches })
}

fn fetch(cache: &Path, origin: Origin) -> anyhow::Result<Fetched> {
    fetcher(cache, &Silent).fetch(&source(vec![origin]))
}

/// When anything in apt's own directories was last changed.
fn apt_state() -> Vec<(String, SystemTime)> {
    let directories = ["/var/lib/apt", "/var/lib/apt/lists", "/var/cache/apt", "/var/cache/apt/archives"];
    let entries = directories.iter().flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
    let mut state: Vec<_> = entries
        .map(|entry| (entry.path().display().to_string(), entry.metadata().unwrap().modified().unwrap()))
        .collect();
    state.sort();
    state
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn pinned_packages_of_both_architectures_come_and_the_machine_s_apt_is_left_alone() {
    let before = apt_state();
    let cache = tempfile::tempdir().unwrap();
    let pinned = vec![package(POPT, "amd64", POPT_AMD64), package(POPT, "i386", POPT_I386)];
    let origin = packages("bookworm", pinned, None);
    let fetched = fetch(cache.path(), origin.clone()).unwrap();
    assert_eq!(fetched.answer.by, AnsweredBy::Debian);
    assert_eq!(fetched.files[1].name, "libpopt0_1.19+dfsg-1_i386.deb");
    let tree = cache.path().join("tree");
    unpack(&fetched, &Store::open(cache.path()).unwrap(), &tree).unwrap();
    for (directory, class) in [("x86_64-linux-gnu", 2), ("i386-linux-gnu", 1)] {
        let library = fs::read(tree.join("usr/lib").join(directory).join("libpopt.so.0.0.2")).unwrap();
        assert_eq!(library[4], class);
    }
    assert_eq!(fetch(cache.path(), origin).unwrap(), fetched);
    assert_eq!(apt_state(), before);
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn a_source_package_is_unpacked_with_those_of_debian_s_patches_that_are_desired() {
    let cache = tempfile::tempdir().unwrap();
    let unpacked = |number: &str, patches: &[&str]| {
        let fetched = fetch(cache.path(), popt_source(patches)).unwrap();
        let tree = cache.path().join(number);
        unpack(&fetched, &Store::open(cache.path()).unwrap(), &tree).map(|_| Sha256::of_tree(&tree).unwrap())
    };
    let plain = unpacked("plain", &[]).unwrap();
    assert!(cache.path().join("plain/src/popt.c").is_file());
    assert_ne!(unpacked("patched", &["fix-reporting-of-test-failures.patch"]).unwrap(), plain);
    let error = format!("{:#}", unpacked("none", &["no-such.patch"]).unwrap_err());
    assert!(error.contains("no-such.patch"), "{error}");
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn what_the_suite_has_not_is_named_with_what_it_has() {
    let cache = tempfile::tempdir().unwrap();
    let notes = Notes::default();
    let old = packages("bookworm", vec![package("1.18-2", "amd64", POPT_AMD64)], None);
    let no_suite = packages("buzz", vec![package(POPT, "amd64", POPT_AMD64)], None);
    let error = fetcher(cache.path(), &notes).fetch(&source(vec![no_suite, old])).unwrap_err();
    let none = error.downcast_ref::<NoOrigin>().unwrap();
    assert!(none.tried[0].1.contains("name no suite buzz") && none.tried[0].1.contains("bookworm"), "{error}");
    assert_eq!(none.tried[1].1, "libpopt0 1.18-2 for amd64 is needed, and bookworm has 1.19+dfsg-1");
    assert_eq!(notes.lines().len(), 1);
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn a_suite_that_the_machine_s_apt_does_not_name_comes_from_its_debian_mirror() {
    let cache = tempfile::tempdir().unwrap();
    let named = Command::new("apt-get").args(["indextargets", "--format", "$(RELEASE)"]).output().unwrap().stdout;
    let named = String::from_utf8(named).unwrap();
    let suite = ["trixie", "bookworm"].into_iter().find(|suite| named.lines().all(|known| known != *suite)).unwrap();
    let moving = Moving {
        suite: suite.into(),
        packages: vec!["base-files".into()],
        with_dependencies: vec![],
        when_gone: WhenGone::Newest,
        locked: vec![],
    };
    let Origin::DebianPackages(origin) = packages("bookworm", Vec::new(), Some(moving)) else { unreachable!() };
    assert!(sources::may_have_debian_suite(suite));
    let newest = fetcher(cache.path(), &Silent).newest(&origin).unwrap();
    assert_eq!((newest[0].name.as_str(), newest[0].suite.as_str()), ("base-files", suite));
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn a_pin_that_the_signed_index_contradicts_ends_it() {
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(cache.path(), packages("bookworm", vec![package(POPT, "amd64", POPT_I386)], None)).unwrap_err();
    let mismatch = error.downcast_ref::<PinMismatch>().unwrap();
    assert_eq!(
        (mismatch.expected.as_str(), mismatch.found.as_str()),
        (&*format!("sha256 {POPT_I386}"), &*format!("sha256 {POPT_AMD64}"))
    );
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn moving_packages_come_in_one_version_with_the_dependencies_asked_for_and_are_recorded() {
    let cache = tempfile::tempdir().unwrap();
    let moving = Moving {
        suite: "bookworm".into(),
        packages: vec!["libbsd-dev".into(), "libbsd0".into()],
        with_dependencies: vec!["libmd".into()],
        when_gone: WhenGone::Newest,
        locked: vec![],
    };
    let origin = packages("bookworm", Vec::new(), Some(moving));
    let fetched = fetch(cache.path(), origin.clone()).unwrap();
    let packages: Vec<_> = fetched.files.iter().map(|file| file.package.clone().unwrap()).collect();
    let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ["libbsd-dev", "libbsd0", "libmd-dev", "libmd0"]);
    assert_eq!(packages[0].version, packages[1].version);
    let version = &packages[0].version;
    let by = "by the suite's signature, not by the lock file";
    assert_eq!(fetched.answer.pin, format!("libbsd-dev, libbsd0 at {version}, {by}"));
    let cached = fetcher(cache.path(), &Silent).cached(&source(vec![origin])).unwrap();
    assert_eq!(cached.unwrap(), fetched);
}

#[test]
#[ignore = "needs Debian's package sources: run by cargo xtask test"]
fn it_works_for_a_user_without_privileges() {
    let test = "debian::it_works_for_a_user_without_privileges";
    if let Some(cache) = env::var_os("TEST_CACHE") {
        let pinned = vec![package(POPT, "i386", POPT_I386)];
        fetch(Path::new(&cache), packages("bookworm", pinned, None)).unwrap();
        fetch(Path::new(&cache), popt_source(&[])).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let program = dir.path().join("test");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let as_nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    // Only root can become somebody else; anybody else has no privileges as it is.
    let root = fs::metadata("/proc/self").map(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0).unwrap();
    let mut command = Command::new(if root { "setpriv" } else { "env" });
    if root {
        command.args(as_nobody);
    }
    command.arg(&program).args(["--exact", test, "--ignored", "--nocapture"]).current_dir(dir.path());
    command.env("TEST_CACHE", dir.path().join("cache")).env("HOME", dir.path());
    assert_passed(&command.output().unwrap());
}
