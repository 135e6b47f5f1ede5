//! What to build and from where: everything that can be wrong in it is told before any work begins.

use std::{fs, time::Instant};

use crate::support::{Place, Server, assert_says, end, https, nowhere, refused, succeeds, xtask};

#[test]
fn an_unknown_release_is_answered_with_the_known_ones() {
    let directory = tempfile::tempdir().unwrap();
    for verb in ["plan", "fetch", "build-swix"] {
        let error = refused(xtask(directory.path()).args([verb, "--release", "1.99"]));
        assert_says(&error, &["no release \"1.99\"", "there are 1.12, 1.20"]);
    }
}

#[test]
fn an_unknown_architecture_origin_or_form_of_source_says_what_is_expected() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (["--arch", "arm"], "unknown architecture \"arm\": expected 386 or amd64"),
        (["--origin", "ftp"], "unknown kind of origin \"ftp\": expected https, git or debian"),
        (["--source", "kubernetes"], "expected NAME=PATH, e.g. kubernetes=/src/kubernetes"),
        (["--source", "=/src"], "expected NAME=PATH"),
        (["--source", "kubernetes="], "expected NAME=PATH"),
    ] {
        let ended = end(xtask(directory.path()).arg("plan").args(arguments));
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        assert_says(&ended.err, &[expected]);
    }
}

#[test]
fn a_typo_in_a_recipe_is_told_with_file_and_line() {
    for (file, from, to, expected) in [
        ("9.9/thing.toml", "license =", "licence =", &["thing.toml:3:", "licence", "license"][..]),
        ("9.9/release.toml", "revision = 1", "revision = \"one\"", &["release.toml:4:", "one"]),
        ("9.9/release.toml", "../go.toml", "../og.toml", &["release.toml:6:", "og.toml", "does not exist"]),
        ("go.toml", "version = \"1.0\"", "version = ", &["go.toml:2:"]),
        ("9.9/thing.toml", "toolchain = \"go\"", "toolchain = \"goo\"", &["thing.toml:", "toolchain goo"]),
    ] {
        let place = Place::new(&nowhere(), &nowhere());
        let path = place.recipes().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        for verb in ["plan", "fetch", "build-swix"] {
            let error = refused(place.xtask().arg(verb).arg("--recipes").arg(place.recipes()));
            assert_says(&error, expected);
        }
    }
    let place = Place::new(&nowhere(), &nowhere());
    let error = refused(place.xtask().args(["plan", "--recipes"]).arg(place.path("none")));
    assert_says(&error, &["none", "cannot read the directory of recipes", "No such file"]);
}

#[test]
fn a_release_of_one_s_own_is_planned_from_its_directory() {
    let place = Place::new(&nowhere(), &nowhere());
    let plan = succeeds(place.xtask().args(["plan", "--recipes"]).arg(place.recipes())).out;
    assert_says(&plan, &["release 9.9, linux/386", "fetch-thing", "go-thing", "swix"]);
}

#[test]
fn a_source_of_an_unknown_name_is_answered_with_the_known_ones() {
    let place = Place::new(&nowhere(), &nowhere());
    let arguments = place.fetch(&["thing", "other"]);
    let error = refused(place.xtask().args(arguments));
    assert_says(&error, &["--source other=", "release 9.9 has no such source; there are go, thing"]);
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let place = Place::new(&nowhere(), &nowhere());
    fs::remove_dir_all(place.path("thing")).unwrap();
    let arguments = place.fetch(&["go", "thing"]);
    let error = refused(place.xtask().args(arguments));
    assert_says(&error, &["--source thing=", &place.path("thing").display().to_string(), "No such file"]);
}

#[test]
fn a_source_given_twice_is_refused() {
    let place = Place::new(&nowhere(), &nowhere());
    place.write("second", "main.go", "y\n");
    let mut command = place.xtask();
    command.args(place.fetch(&["go", "thing"])).arg(format!("--source=thing={}", place.path("second").display()));
    assert_says(&refused(&mut command), &["--source thing", "twice"]);
}

#[test]
fn a_tree_of_something_else_is_refused_before_anything_is_fetched() {
    let server = Server::start(vec![0; 1000], 500);
    let place = Place::new(&https(&server.url, &"0".repeat(64)), &nowhere());
    fs::rename(place.path("thing/main.go"), place.path("thing/other.go")).unwrap();
    let began = Instant::now();
    let error = refused(place.xtask().args(place.fetch(&["thing"])));
    let path = place.path("thing").display().to_string();
    assert_says(&error, &[&path, "is not a tree of thing: main.go is not in it"]);
    assert_eq!(server.starts(), Vec::<usize>::new(), "the other source was asked for");
    assert!(began.elapsed().as_secs() < 20);
}

#[test]
fn what_is_brought_is_fetched_once_and_again_when_it_changes() {
    let place = Place::new(&nowhere(), &nowhere());
    let fetch = || succeeds(place.xtask().args(place.fetch(&["go", "thing"]))).out;
    assert_eq!(fetch(), "release 9.9: 2 sources fetched, 0 were there\n");
    assert_eq!(fetch(), "release 9.9: 0 sources fetched, 2 were there\n");
    place.write("thing", "main.go", "y\n");
    let mut plan = place.fetch(&["go", "thing"]);
    plan[0] = "plan".to_owned();
    let planned = succeeds(place.xtask().args(plan)).out;
    assert_says(&planned, &["run     changed: work.fetch.brought", "cached"]);
    assert_eq!(fetch(), "release 9.9: 1 sources fetched, 1 were there\n");
}

#[test]
fn an_offline_build_with_an_empty_cache_lists_everything_that_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let dist = directory.path().join("dist");
    for release in ["1.20", "1.12"] {
        let mut command = xtask(&directory.path().join("cache"));
        command.args(["build-swix", "--offline", "--release", release, "--dist"]).arg(&dist);
        let error = refused(&mut command);
        assert_says(&error, &["error: --offline: these are not in the cache:\n", "run `cargo xtask fetch`"]);
        let listed: Vec<&str> = error.lines().filter(|line| line.starts_with("    ")).collect();
        let loaded = recipes::load(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../recipes"), Some(release));
        for source in loaded.unwrap().sources() {
            let start = format!("    {} {}: ", source.name, source.version);
            assert!(listed.iter().any(|line| line.starts_with(&start)), "{start} is not in: {error}");
        }
        assert!(listed.iter().any(|line| line.contains("the crates ") && line.contains("rcgen 0.")), "{error}");
        assert!(!dist.exists());
    }
}

#[test]
fn an_offline_fetch_lacks_only_what_was_not_brought() {
    let place = Place::new(&nowhere(), &nowhere());
    let error = refused(place.xtask().args(place.fetch(&["thing"])).arg("--offline"));
    let listed: Vec<&str> = error.lines().filter(|line| line.starts_with("    ")).collect();
    assert_eq!(listed.len(), 1, "{error}");
    assert_says(listed[0], &["go 1.0: ", "no-such-host.invalid"]);
}
