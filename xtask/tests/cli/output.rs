//! What is printed for someone who has heard enough, and onto a disk that is full.

use std::{fs::File, io, path::Path, process::Output};

use crate::{
    inspect::sample,
    support::{Place, nowhere, process},
};

/// What ends with a shell's code for SIGPIPE, as it prints with nobody there; clap's own help ends as ever.
const BROKEN_PIPE: i32 = 128 + 13;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Verbs that print, each in its own way.
fn verbs(directory: &Path) -> Vec<Vec<String>> {
    let swix = sample(directory).display().to_string();
    vec![
        words(&["plan"]),
        words(&["plan", "--json"]),
        words(&["cache"]),
        words(&["doctor"]),
        words(&["inspect", &swix]),
        words(&["inspect", "--json", "--run", &swix]),
        words(&["diff", &swix, &swix]),
        words(&["diff", "--json", &swix, &swix]),
        words(&["topo-test", "--list"]),
        words(&["release-check", "--list"]),
    ]
}

fn run(cache: &Path, arguments: &[String], out: File, err: Option<File>) -> Output {
    let mut command = process(cache);
    command.args(arguments).stdout(out);
    if let Some(err) = err {
        command.stderr(err);
    }
    command.output().unwrap()
}

/// A pipe that nobody reads any more.
fn closed() -> File {
    let (_, writer) = io::pipe().unwrap();
    std::os::fd::OwnedFd::from(writer).into()
}

#[test]
fn who_stops_reading_ends_a_verb_quietly() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    for arguments in verbs(directory.path()) {
        let ended = run(&cache, &arguments, closed(), None);
        let said = String::from_utf8(ended.stderr).unwrap();
        let progress = |line: &&str| line.ends_with(": begins") || line.contains(": ended after ");
        assert_eq!(said.lines().filter(|line| !progress(line)).collect::<String>(), "", "{arguments:?}");
        assert_eq!(ended.status.code(), Some(BROKEN_PIPE), "{arguments:?}");
    }
    for arguments in [words(&["--help"]), words(&["help", "inspect"]), words(&["--version"])] {
        let ended = run(&cache, &arguments, closed(), None);
        assert_eq!((ended.status.code(), ended.stderr), (Some(0), vec![]), "{arguments:?}");
    }
}

#[test]
fn who_reads_neither_what_is_printed_nor_what_is_done_aborts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in verbs(directory.path()) {
        let ended = run(&directory.path().join("cache"), &arguments, closed(), Some(closed()));
        assert_eq!(ended.status.code(), Some(BROKEN_PIPE), "{arguments:?}");
    }
    // Work is under way, on several threads, when its first line cannot be written.
    let place = Place::new(&nowhere(), &nowhere());
    let ended = run(&place.cache(), &place.fetch(&["go", "thing"]), closed(), Some(closed()));
    assert_eq!(ended.status.code(), Some(BROKEN_PIPE), "{ended:?}");
}

#[test]
fn a_full_disk_is_no_success() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in verbs(directory.path()) {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ended = run(&directory.path().join("cache"), &arguments, full, None);
        let said = String::from_utf8(ended.stderr).unwrap();
        let last = said.lines().find(|line| line.starts_with("cannot write"));
        let expected = "cannot write to standard output: No space left on device (os error 28)";
        assert_eq!((ended.status.code(), last), (Some(1), Some(expected)), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}
