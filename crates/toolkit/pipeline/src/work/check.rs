//! Runs a program that was built, and compares what it prints with what its recipe expects: a
//! program that compiles need not work. The output is the transcript.

use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use common::files;
use recipes::Check;
use serde::Serialize;

use crate::{
    step::{Checks, CommandLine, Places},
    work::Job,
};

/// How long a program may take to say what it is.
const LIMIT: Duration = Duration::from_secs(60);

/// A run of a program, and what it is to print.
#[derive(Debug, Clone, Serialize)]
pub struct CheckRun {
    /// The name it is called by, in `{called}`.
    pub called: String,
    pub command: CommandLine,
    pub prints: String,
}

impl CheckRun {
    pub(crate) fn new(program: &str, check: &Check) -> Self {
        let called = check.called.as_deref().unwrap_or(program);
        let argv = std::iter::once(format!("{{called}}/{called}")).chain(check.args.iter().cloned());
        let command =
            CommandLine::new("{scratch}", argv).env("HOME", "{scratch}").env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let command = check.env.iter().fold(command, |command, (name, value)| command.env(name, value));
        CheckRun { called: called.to_owned(), command, prints: check.prints.clone() }
    }

    fn typed(&self) -> String {
        format!("{} {}", self.called, self.command.argv[1..].join(" "))
    }
}

pub(crate) fn run(job: &Job, work: &Checks) -> Result<()> {
    let task = job.busy();
    let built = job.need(&work.built_by)?.join(&work.program);
    let mut transcript = String::new();
    for check in &work.checks {
        task.doing(&check.typed());
        transcript += &run_one(job, work, check, &built)?;
    }
    files::write_atomically(&job.out().join("transcript"), transcript)
}

fn run_one(job: &Job, work: &Checks, check: &CheckRun, built: &Path) -> Result<String> {
    let (called, home) = (job.workshop.scratch().join("called"), job.workshop.scratch().join("empty"));
    files::create_dir(&called)?;
    files::create_dir(&home)?;
    let link = called.join(&check.called);
    if !link.is_symlink() {
        symlink(built, &link)?;
    }
    let places = Places::default().with("called", &called)?.with("scratch", &home)?;
    let mut program = check.command.program(&places, &format!("check {}", work.program))?.limit(LIMIT);
    let output = program.output()?;
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    fs::write(job.log, &printed).with_context(|| format!("cannot write {}", job.log.display()))?;
    let typed = check.typed();
    if !output.status.success() || !printed.contains(&check.prints) {
        bail!(
            "the program was built, but it does not work: `{typed}` ended with {} and was to print {:?}; it printed:\n{}\nthe whole log is {}",
            output.status,
            check.prints,
            printed.lines().take(20).map(|line| format!("    {line}\n")).collect::<String>(),
            job.log.display(),
        );
    }
    Ok(format!("$ {typed}\n{}\n", check.prints))
}
