//! A program that a program runs, in a session of its own, ends with the one that runs it.

#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use common::command::Program;

/// Where the inner program leaves its number.
const NUMBER: &str = "KOE_TEST_NUMBER";

#[test]
#[ignore = "only as a program that the other test runs"]
fn inner() {
    let Some(file) = env::var_os(NUMBER).map(PathBuf::from) else { return };
    let script = format!("echo $$ >{0}.new; mv {0}.new {0}; exec sleep 60", file.display());
    Program::new("sh", "wait").unwrap().args(["-c", &script]).read().unwrap();
}

#[test]
fn at_the_limit_of_a_program_what_it_runs_by_the_same_means_ends_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("number");
    let outer =
        Program::new(env::current_exe().unwrap(), "run another").unwrap().args(["--ignored", "--exact", "inner"]);
    let error = outer.env(NUMBER, &file).limit(Duration::from_secs(3)).read().unwrap_err().to_string();
    assert!(error.contains("was ended, as it was not done after 3 s"), "{error}");
    let process = Path::new("/proc").join(fs::read_to_string(&file).unwrap().trim());
    let since = Instant::now();
    while process.exists() {
        assert!(since.elapsed() < Duration::from_secs(5), "{} runs on", process.display());
        thread::sleep(Duration::from_millis(20));
    }
}
