//! Runs side by side: each has a directory of its own, which nothing is written over; `latest` leads to the last one, and
//! `runs.txt` has a line for each.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::files;

use crate::record::{PlayOutcome, Run};

/// What leads to the last run.
pub const LATEST: &str = "latest";
const RUNS: &str = "runs.txt";

/// Makes a run's directory, named for its beginning and the commit, where that is known.
pub fn begin(history: &Path, began: &str, commit: Option<&str>) -> Result<PathBuf> {
    files::create_dir(history)?;
    // As a file may be called anywhere.
    let name = began.replace(':', "-") + &commit.map(|commit| format!("-{commit}")).unwrap_or_default();
    let names = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
    for name in names {
        let directory = history.join(name);
        match fs::create_dir(&directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => {
                made.with_context(|| format!("the report cannot go to {}", directory.display()))?;
                return Ok(directory);
            }
        }
    }
    unreachable!("there are more names than directories")
}

/// Writes down what came of a run, whose report is in that directory.
pub fn end(directory: &Path, run: &Run) -> Result<()> {
    let history = directory.parent().context("a run's directory is in no other one")?;
    let name = directory.file_name().context("a run's directory has no name")?;
    let lead = || -> io::Result<()> {
        let next = history.join(format!(".{LATEST}-{}", name.to_string_lossy()));
        symlink(name, &next)?;
        fs::rename(&next, history.join(LATEST))
    };
    lead().with_context(|| format!("{} cannot lead to the last run", history.join(LATEST).display()))?;
    let runs = history.join(RUNS);
    let file = OpenOptions::new().create(true).append(true).open(&runs);
    let line = format!("{} {}\n", name.to_string_lossy(), in_a_line(run));
    // At once, as another run may add its own.
    file.and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("cannot write {}", runs.display()))
}

fn in_a_line(run: &Run) -> String {
    let verdict = match (run.interrupted, run.has_passed()) {
        (true, _) => "interrupted",
        (false, true) => "passed",
        (false, false) => "FAILED",
    };
    let count = |which: fn(&PlayOutcome) -> bool| run.scenarios.iter().filter(|one| which(&one.outcome)).count();
    let failed: Vec<&str> =
        run.scenarios.iter().filter(|one| one.outcome.is_failure()).map(|one| one.name.as_str()).collect();
    format!(
        "{verdict:11} {} passed, {} failed, {} not played, {} not possible; {:.0} s; {}; seed {}; {}{}{}",
        count(|outcome| *outcome == PlayOutcome::Passed),
        failed.len(),
        count(|outcome| matches!(outcome, PlayOutcome::Skipped(_))),
        count(|outcome| matches!(outcome, PlayOutcome::NotPossible(_))),
        run.took,
        run.suite,
        run.seed,
        run.swix,
        if failed.is_empty() { "" } else { "; failed: " },
        failed.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_run_replaces_nothing_and_the_last_one_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let history = directory.path().join("topo-test");
        let began = "2026-11-25T12:00:00Z";
        let runs: Vec<PathBuf> = (0..2)
            .map(|_| {
                let run = begin(&history, began, Some("0123456789ab")).unwrap();
                crate::report::write(&samples::failed(), &run).unwrap();
                end(&run, &samples::failed()).unwrap();
                run
            })
            .collect();
        assert_eq!(runs[0], history.join("2026-11-25T12-00-00Z-0123456789ab"));
        assert_ne!(runs[0], runs[1]);
        assert!(runs.iter().all(|run| run.join("report.html").is_file()));
        assert_eq!(history.join(LATEST).canonicalize().unwrap(), runs[1].canonicalize().unwrap());
        let lines = fs::read_to_string(history.join(RUNS)).unwrap();
        let last = lines.lines().last().unwrap();
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert!(last.starts_with("2026-11-25T12-00-00Z-0123456789ab-2 FAILED      1 passed, 1 failed, "), "{last}");
        assert!(last.ends_with("; failed: bring-up"), "{last}");
    }
}
