//! Runs a program that was built, and compares what it prints with what its recipe expects: a
//! program that compiles need not work. The output is the transcript.

use std::{fs, os::unix::fs::symlink};

use anyhow::{Context, Result, bail};
use common::{command::Program, files};
use recipes::Check;

use crate::{
    step::Checks,
    work::{Job, SCRATCH},
};

pub(crate) fn run(job: &Job, work: &Checks) -> Result<()> {
    let task = job.busy();
    let built = job.need(&work.built_by)?.join(&work.program);
    let mut transcript = String::new();
    for check in &work.checks {
        task.doing(&check.args.join(" "));
        transcript += &run_one(job, work, check, &built)?;
    }
    files::write_atomically(&job.out().join("transcript"), transcript)
}

fn run_one(job: &Job, work: &Checks, check: &Check, built: &std::path::Path) -> Result<String> {
    let scratch = job.workshop.scratch();
    let called = check.called.as_deref().unwrap_or(&work.program);
    let link = scratch.join("called").join(called);
    files::create_dir(&scratch.join("called"))?;
    if !link.is_symlink() {
        symlink(built, &link)?;
    }
    let home = scratch.join("empty");
    files::create_dir(&home)?;
    let args = check.args.iter().map(|arg| arg.replace(SCRATCH, &home.to_string_lossy()));
    let mut program =
        Program::new(&link, &format!("check {}", work.program))?.clean_env().env("HOME", &home).dir(&home).args(args);
    for (name, value) in &check.env {
        program = program.env(name, value);
    }
    let output = program.output()?;
    let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    fs::write(job.log, &printed).with_context(|| format!("cannot write {}", job.log.display()))?;
    let typed = format!("{called} {}", check.args.join(" "));
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
