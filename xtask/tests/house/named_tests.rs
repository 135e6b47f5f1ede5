//! Tests that docs and comments say how to run are there: `cargo test` takes a name that no test has, runs nothing, and passes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{metadata, workspace};

/// What follows in a call of `cargo test`: the package, its test, and what is in the tests' names.
#[derive(Debug, PartialEq)]
struct Call {
    package: String,
    target: Option<String>,
    names: Vec<String>,
}

/// The call that a line goes on with, as far as it is one of a package.
fn call(rest: &str) -> Option<Call> {
    let end = rest.find(['`', '"', '#', ';']).unwrap_or(rest.len());
    let mut words = rest[..end].split_whitespace();
    let mut call = Call { package: String::new(), target: None, names: vec![] };
    while let Some(word) = words.next() {
        match word {
            "-p" | "--package" => words.next()?.clone_into(&mut call.package),
            "--test" => call.target = Some(words.next()?.to_owned()),
            flag if flag.starts_with('-') => {}
            name => call.names.push(name.to_owned()),
        }
    }
    // X stands for any.
    (call.package.len() > 1).then_some(call)
}

fn texts(directory: &Path, found: &mut Vec<PathBuf>) {
    let entries = walkdir::WalkDir::new(directory).into_iter();
    let entries = entries.filter_entry(|entry| entry.file_name() != "target").map(Result::unwrap);
    let is_text =
        |path: &Path| path.extension().is_some_and(|end| ["md", "rs", "toml", "txt"].iter().any(|e| end == *e));
    found.extend(entries.map(walkdir::DirEntry::into_path).filter(|path| is_text(path)));
}

/// Whether a test, or a module of tests, of a package's target has the name in its own.
fn is_named(directory: &Path, target: Option<&str>, name: &str) -> bool {
    let mut files = vec![];
    match target {
        Some(target) => ["", ".rs"].iter().for_each(|end| {
            let path = directory.join("tests").join(format!("{target}{end}"));
            if path.exists() {
                texts(&path, &mut files);
            }
        }),
        None => texts(directory, &mut files),
    }
    let name = name.rsplit("::").next().unwrap_or(name);
    files.iter().any(|file| {
        let text = fs::read_to_string(file).unwrap();
        let functions = text.lines().filter_map(|line| line.trim().strip_prefix("fn ")?.split('(').next());
        file.file_stem().is_some_and(|stem| stem.to_string_lossy().contains(name))
            || functions.into_iter().any(|f| f.contains(name))
    })
}

#[test]
fn what_is_said_to_be_run_is_there() {
    let packages = metadata().no_deps().exec().unwrap().packages;
    let mut files = vec![workspace().join("README.md"), workspace().join("CONTRIBUTING.md")];
    for room in ["docs", "crates", "xtask", "fuzz", "recipes"] {
        texts(&workspace().join(room), &mut files);
    }
    let (mut seen, mut bad) = (0, vec![]);
    for file in files.iter().filter(|file| !file.ends_with("named_tests.rs")) {
        let text = fs::read_to_string(file).unwrap();
        for found in text.split("cargo test ").skip(1).filter_map(|rest| call(rest.lines().next()?)) {
            seen += 1;
            let package = packages.iter().find(|package| *package.name == found.package);
            let directory = package.and_then(|package| package.manifest_path.as_std_path().parent());
            let target = found.target.as_deref();
            let is_there = directory.is_some_and(|directory| {
                let target_is = target.is_none_or(|target| is_named(directory, Some(target), ""));
                target_is && found.names.iter().all(|name| is_named(directory, target, name))
            });
            if !is_there {
                bad.push(format!("{}: {found:?}", file.display()));
            }
        }
    }
    assert!(seen > 4, "only {seen} calls of cargo test were found");
    assert!(bad.is_empty(), "there is no such test: {bad:#?}");
}

#[test]
fn a_name_that_no_test_has_is_seen() {
    let read = call("-p kube-proxy --test iptables -- --include-ignored transit`. A test that").unwrap();
    let expected =
        Call { package: "kube-proxy".into(), target: Some("iptables".into()), names: vec!["transit".into()] };
    assert_eq!(read, expected);
    let xtask = workspace().join("xtask");
    assert!(is_named(&xtask, Some("house"), "is_seen") && is_named(&xtask, Some("house"), ""));
    assert!(!is_named(&xtask, Some("house"), "no_such_name_is") && !is_named(&xtask, Some("hose"), ""));
}
