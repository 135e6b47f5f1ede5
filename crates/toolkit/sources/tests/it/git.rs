//! A commit from a repository on this disk, through the user's own `url.<base>.insteadOf`.

use std::{env, fs, path::Path, process::Command};

use common::progress::Silent;
use sources::{AnsweredBy, NoOrigin, Store, unpack};

use crate::support::{Notes, again, assert_passed, assert_success, fetcher, git, source};

const URL: &str = "https://code.example.invalid/thing.git";

fn run(directory: &Path, args: &[&str]) -> String {
    let identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid", "-c", "core.autocrlf=false"];
    let output = Command::new("git").current_dir(directory).args(identity).args(args).output().unwrap();
    assert_success(&output);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A repository with two commits whose attributes would change an archive; the first commit's id.
fn repository(directory: &Path) -> String {
    fs::create_dir(directory).unwrap();
    run(directory, &["init", "--quiet", "-b", "main"]);
    fs::write(directory.join(".gitattributes"), "version export-subst\nhidden export-ignore\n*.bat eol=crlf\n")
        .unwrap();
    fs::write(directory.join("version"), "$Format:%d$\n").unwrap();
    fs::write(directory.join("hidden"), "seen\n").unwrap();
    fs::write(directory.join("x.bat"), "one\n").unwrap();
    run(directory, &["add", "."]);
    run(directory, &["commit", "--quiet", "-m", "first"]);
    let commit = run(directory, &["rev-parse", "HEAD"]);
    run(directory, &["commit", "--quiet", "--allow-empty", "-m", "second"]);
    commit
}

/// Runs `test` again with a git configuration that sends [`URL`] to a repository; true in that second run.
fn with_mirror(test: &str) -> bool {
    if env::var_os("TEST_COMMIT").is_some() {
        return true;
    }
    let dir = tempfile::tempdir().unwrap();
    let commit = repository(&dir.path().join("mirror"));
    let config = dir.path().join("config");
    let mirror = dir.path().join("mirror").display().to_string();
    fs::write(
        &config,
        format!(
            "[url \"{mirror}\"]\n\tinsteadOf = {URL}\n[core]\n\tautocrlf = true\n[safe]\n\tbareRepository = explicit\n"
        ),
    )
    .unwrap();
    let env = [("GIT_CONFIG_GLOBAL", config.to_str().unwrap()), ("TEST_COMMIT", &commit)];
    assert_passed(&again(&format!("git::{test}"), &env).output().unwrap());
    false
}

#[test]
fn a_commit_comes_from_the_mirror_that_git_knows_and_as_it_was_committed() {
    if !with_mirror("a_commit_comes_from_the_mirror_that_git_knows_and_as_it_was_committed") {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let commit = env::var("TEST_COMMIT").unwrap();
    let source = source(vec![git(URL, &commit)]);
    let fetched = fetcher(cache.path(), &Silent).fetch(&source).unwrap();
    assert_eq!(
        (fetched.answer.by, fetched.answer.pin.as_str()),
        (AnsweredBy::Git, format!("commit {commit}").as_str())
    );
    let tree = cache.path().join("tree");
    unpack(&fetched, &Store::open(cache.path()).unwrap(), &tree).unwrap();
    let read = |name: &str| fs::read_to_string(tree.join(name)).unwrap();
    assert_eq!(
        (read("version"), read("hidden"), read("x.bat")),
        ("$Format:%d$\n".into(), "seen\n".into(), "one\n".into())
    );
    assert!(fetcher(cache.path(), &Silent).cached(&source).unwrap().is_some(), "the commit is remembered");
}

#[test]
fn a_mirror_that_has_not_the_commit_is_named_and_the_next_origin_asked() {
    if !with_mirror("a_mirror_that_has_not_the_commit_is_named_and_the_next_origin_asked") {
        return;
    }
    let (cache, notes) = (tempfile::tempdir().unwrap(), Notes::default());
    let wrong = "1234567890".repeat(4);
    let error = fetcher(cache.path(), &Silent).fetch(&source(vec![git(URL, &wrong)])).unwrap_err();
    let (_, why) = &error.downcast_ref::<NoOrigin>().unwrap_or_else(|| panic!("{error:#}")).tried[0];
    assert!(why.contains("/mirror, by Git's url.<base>.insteadOf: ") && why.contains("stale or shallow"), "{why}");

    let whole = tempfile::tempdir().unwrap();
    let commit = repository(&whole.path().join("whole"));
    fs::write(whole.path().join("whole/more"), "more").unwrap();
    run(&whole.path().join("whole"), &["add", "."]);
    run(&whole.path().join("whole"), &["commit", "--quiet", "-m", "only here"]);
    let only_here = run(&whole.path().join("whole"), &["rev-parse", "HEAD"]);
    assert_ne!(only_here, commit);
    let other = whole.path().join("whole").display().to_string();
    let fetched =
        fetcher(cache.path(), &notes).fetch(&source(vec![git(URL, &only_here), git(&other, &only_here)])).unwrap();
    assert_eq!(fetched.answer.pin, format!("commit {only_here}"));
    assert!(notes.lines()[0].contains("passing over"), "{:?}", notes.lines());
}

#[test]
fn a_repository_that_is_not_there_is_passed_over() {
    let cache = tempfile::tempdir().unwrap();
    let notes = Notes::default();
    let nowhere = cache.path().join("none.git").display().to_string();
    let origins = vec![git(&nowhere, &"a".repeat(40)), git("http://127.0.0.1:9/x.git", &"a".repeat(40))];
    let error = fetcher(cache.path(), &notes).fetch(&source(origins)).unwrap_err().to_string();
    assert!(error.contains("does not appear to be a git repository"), "{error}");
    assert!(error.contains("127.0.0.1"), "{error}");
    assert_eq!(notes.lines().len(), 1);
}
