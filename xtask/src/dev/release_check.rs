//! `release-check`: the proofs that are too long for CI, each with a limit. What came of each is written down at once, by
//! commit, so that a run that was interrupted goes on where it was.

mod ledger;

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use common::{command::Program, files};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;

use self::ledger::{Ledger, Row};
use crate::{interrupt, workspace::workspace};

/// The proofs, and what came of them.
const CHECKS: &str = "xtask/release-checks.toml";
const LEDGER: &str = "docs/release-check.md";

/// How long a proof that has taken too long may take away what it brought up.
const TO_END: Duration = Duration::from_secs(120);
const INTERVAL: Duration = Duration::from_millis(100);

#[derive(Args)]
pub struct ReleaseCheck {
    /// Only this one; may be given again
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Also those that have passed on this commit
    #[arg(long)]
    again: bool,
    /// List them, with what came of them on this commit, and do nothing
    #[arg(long)]
    list: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Checks {
    check: Vec<Check>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    name: String,
    shows: String,
    /// What follows `cargo xtask`.
    verb: Vec<String>,
    /// In minutes.
    limit: f64,
}

impl ReleaseCheck {
    pub fn run(self) -> Result<()> {
        let checks = self.checks()?;
        let mut ledger = Ledger::read(&workspace().join(LEDGER))?;
        let commit = commit()?;
        if self.list {
            for check in &checks {
                println!("{:18} {:10} {}", check.name, ledger.last(&commit, &check.name).unwrap_or("-"), check.shows);
            }
            return Ok(());
        }
        let changed = git(&["status", "--porcelain", "--", ".", &format!(":!{LEDGER}")])?;
        ensure!(
            changed.is_empty(),
            "what came of it would be said of {commit}, but files differ from it: commit them first\n{changed}"
        );
        interrupt::watch();
        let mut failed = vec![];
        for check in &checks {
            ensure!(!interrupt::came(), "interrupted; what has passed is in {LEDGER}");
            if ledger.last(&commit, &check.name) == Some(ledger::PASSED) && !self.again {
                println!("== {}: passed before, on {commit}", check.name);
                continue;
            }
            println!("== {}: {}; at most {} min", check.name, check.shows, check.limit);
            let began = Instant::now();
            let outcome = check.outcome()?;
            println!("== {}: {outcome}", check.name);
            if outcome != ledger::PASSED {
                failed.push(check.name.as_str());
            }
            let (check, date) = (check.name.clone(), Program::new("date", "know the day")?.args(["-u", "+%F"]).read()?);
            let took = format!("{} s", began.elapsed().as_secs());
            ledger.add(Row { commit: commit.clone(), check, outcome, took, date: date.trim().to_owned() })?;
        }
        ensure!(failed.is_empty(), "on {commit} these did not pass: {}; {LEDGER} has it", failed.join(", "));
        Ok(())
    }

    fn checks(&self) -> Result<Vec<Check>> {
        let file = workspace().join(CHECKS);
        let Checks { check: mut checks } =
            toml::from_str(&files::read_text(&file)?).with_context(|| format!("{} cannot be used", file.display()))?;
        if let Some(unknown) = self.only.iter().find(|name| checks.iter().all(|check| check.name != **name)) {
            let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
            bail!("there is no check {unknown}; there are {}", names.join(", "));
        }
        checks.retain(|check| self.only.is_empty() || self.only.contains(&check.name));
        Ok(checks)
    }
}

impl Check {
    /// Runs it to its end, or to its limit; nothing of it goes on after that.
    fn outcome(&self) -> Result<String> {
        let limit = Duration::try_from_secs_f64(self.limit * 60.0)
            .with_context(|| format!("{CHECKS}: {} minutes are no limit for {}", self.limit, self.name))?;
        let mut command = Command::new("/proc/self/exe");
        let mut running = command.args(&self.verb).process_group(0).spawn().context("xtask cannot be run")?;
        let ended = match wait(&mut running, limit, interrupt::came)? {
            Some(status) if status.success() => return Ok(ledger::PASSED.into()),
            Some(status) => return Ok(format!("failed, {status}")),
            None => format!("not over after {} min", self.limit),
        };
        let group = i32::try_from(running.id()).ok().and_then(Pid::from_raw).context("a process has no number")?;
        // Politely first, so that a verb that can takes away what it brought up.
        let _ = kill_process_group(group, Signal::TERM);
        wait(&mut running, TO_END, || false)?;
        let _ = kill_process_group(group, Signal::KILL);
        running.wait().context("it cannot be ended")?;
        ensure!(!interrupt::came(), "interrupted; what has passed is in {LEDGER}");
        Ok(ended)
    }
}

/// How it has ended; nothing where the time is up, or `interrupted` says so, before it has.
fn wait(running: &mut Child, limit: Duration, interrupted: fn() -> bool) -> Result<Option<ExitStatus>> {
    let began = Instant::now();
    loop {
        let status = running.try_wait().context("it cannot be waited for")?;
        if status.is_some() || began.elapsed() >= limit || interrupted() {
            return Ok(status);
        }
        thread::sleep(INTERVAL);
    }
}

/// The last commit that changed more than the ledger: writing down what came of a commit makes another one.
fn commit() -> Result<String> {
    git(&["log", "--max-count=1", "--format=%h", "--abbrev=12", "--", ".", &format!(":!{LEDGER}")])
}

fn git(arguments: &[&str]) -> Result<String> {
    let read = Program::new("git", "know the commit")?.dir(&workspace()).args(arguments).read()?;
    Ok(read.trim().to_owned())
}
