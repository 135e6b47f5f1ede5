//! `release-check` in a repository of its own: what came of each check is kept, and only what has not passed is run again.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{assert_says, end, last_error, process, refused, succeeds, wait_until, xtask};

/// One that passes wherever the cache is, and one that cannot.
const CHECKS: &str = "[[check]]\nname = \"good\"\nshows = \"it works\"\nverb = [\"cache\"]\nlimit = 1\n\n\
                      [[check]]\nname = \"bad\"\nshows = \"it does not\"\nverb = [\"inspect\", \"/nowhere\"]\nlimit = 1\n";

struct Repository(tempfile::TempDir);

impl Repository {
    fn with(checks: &str) -> Repository {
        let repository = Repository(tempfile::tempdir().unwrap());
        fs::create_dir_all(repository.path("docs")).unwrap();
        fs::create_dir_all(repository.path("xtask")).unwrap();
        fs::write(repository.path("xtask/release-checks.toml"), checks).unwrap();
        repository.git(&["init", "--quiet"]);
        repository.commit();
        repository
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=test", "-c", "user.email=test@example.com"]).args(arguments).current_dir(&self.0);
        assert!(git.status().unwrap().success());
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", "x"]);
    }

    fn command(&self, arguments: &[&str]) -> assert_cmd::Command {
        let mut command = xtask(Path::new("/nowhere/cache"));
        command.env("CARGO_MANIFEST_DIR", self.path("xtask")).arg("release-check").args(arguments);
        command
    }

    /// What is said at the end, where a check has failed, which has said its own before.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let ended = end(&mut self.command(arguments));
        assert_eq!(ended.code, Some(1), "{}{}", ended.out, ended.err);
        last_error(&ended.err).to_owned()
    }

    /// A PATH on which what `doctor` asks for its version never answers, and where that one's process id will stand.
    fn with_a_docker_topo_that_never_answers(&self) -> (String, PathBuf) {
        let (bin, pid) = (self.path(".git/bin"), self.path(".git/pid"));
        fs::create_dir(&bin).unwrap();
        let script = format!("#!/bin/sh\necho $$ >{}\nexec sleep 300\n", pid.display());
        fs::write(bin.join("docker-topo"), script).unwrap();
        fs::set_permissions(bin.join("docker-topo"), fs::Permissions::from_mode(0o755)).unwrap();
        (format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()), pid)
    }

    fn rows(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("docs/release-check.md")).unwrap();
        text.lines().filter(|line| line.starts_with("| ")).skip(2).map(str::to_owned).collect()
    }
}

#[track_caller]
fn assert_has_ended(pid: &Path) {
    let pid = fs::read_to_string(pid).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "it still runs: {state}");
}

#[test]
fn what_passed_on_a_commit_is_not_run_again_and_what_failed_is() {
    let repository = Repository::with(CHECKS);
    assert_says(&repository.fails(&[]), &["these did not pass: bad; docs/release-check.md has it"]);
    let rows = repository.rows();
    assert_eq!(rows.len(), 2);
    assert_says(&rows[0], &[" | good | passed | "]);
    assert_says(&rows[1], &[" | bad | failed, exit status: 1 | "]);

    // The ledger itself may be committed or not: it is no other commit that is checked.
    for commit in [false, true] {
        if commit {
            repository.commit();
        }
        let before = repository.rows().len();
        repository.fails(&[]);
        let rows = repository.rows();
        assert_eq!(rows.len(), before + 1, "only what failed is run again");
        assert_says(rows.last().unwrap(), &[" | bad | failed"]);
    }
    let listed = succeeds(&mut repository.command(&["--list"])).out;
    assert_says(&listed, &["good               passed     it works", "bad                failed, exit status: 1"]);

    fs::write(repository.path("other"), "").unwrap();
    let told = refused(&mut repository.command(&[]));
    assert_says(&told, &["files differ from it: commit them first", "other"]);
    repository.commit();
    succeeds(&mut repository.command(&["--only", "good"]));
    assert_eq!(repository.rows().len(), 5, "another commit has to pass anew");
    succeeds(&mut repository.command(&["--only", "good"]));
    assert_eq!(repository.rows().len(), 5);
    succeeds(&mut repository.command(&["--only", "good", "--again"]));
    assert_eq!(repository.rows().len(), 6);
}

#[test]
fn one_that_takes_too_long_is_ended_with_all_that_it_runs_and_written_down() {
    let endless = "[[check]]\nname = \"endless\"\nshows = \"nothing\"\nverb = [\"doctor\"]\nlimit = 0.05\n";
    let repository = Repository::with(endless);
    let (path, pid) = repository.with_a_docker_topo_that_never_answers();
    let told = end(repository.command(&[]).env("PATH", path));
    assert_says(&told.err, &["these did not pass: endless"]);
    assert_has_ended(&pid);
    assert_says(&repository.rows()[0], &[" | endless | not over after 0.05 min | "]);
}

#[test]
fn who_interrupts_ends_all_that_runs_and_no_other_check_begins() {
    let check = |name| format!("[[check]]\nname = \"{name}\"\nshows = \"nothing\"\nverb = [\"doctor\"]\nlimit = 5\n\n");
    let repository = Repository::with(&(check("first") + &check("second")));
    let (path, pid) = repository.with_a_docker_topo_that_never_answers();
    let mut command = process(Path::new("/nowhere/cache"));
    command.env("CARGO_MANIFEST_DIR", repository.path("xtask")).env("PATH", path).arg("release-check");
    let running = command.spawn().unwrap();
    wait_until("the first check runs", || fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')));
    Command::new("kill").args(["-INT", &running.id().to_string()]).status().unwrap();
    let ended = running.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert_says(
        &String::from_utf8(ended.stderr).unwrap(),
        &["error: interrupted; what has passed is in docs/release-check.md"],
    );
    assert_has_ended(&pid);
    assert!(!repository.path("docs/release-check.md").exists());
}

#[test]
fn a_limit_that_is_none_is_named() {
    for limit in ["-1", "nan", "inf"] {
        let repository = Repository::with(&CHECKS.replace("limit = 1", &format!("limit = {limit}")));
        assert_says(
            &refused(&mut repository.command(&[])),
            &["xtask/release-checks.toml", "minutes are no limit for good"],
        );
    }
}

#[test]
fn a_wrong_name_and_a_damaged_ledger_are_named() {
    let repository = Repository::with(CHECKS);
    assert_says(
        &refused(&mut repository.command(&["--only", "goood"])),
        &["there is no check goood; there are good, bad"],
    );
    repository.fails(&[]);
    let ledger = repository.path("docs/release-check.md");
    let text = fs::read_to_string(&ledger).unwrap();
    fs::write(&ledger, text.replace("| passed |", "passed")).unwrap();
    let told = refused(&mut repository.command(&[]));
    assert_says(&told, &["docs/release-check.md:7: a row has five cells; take the file from Git again"]);
}
