//! The program `swix-pack`: compiled for this machine, and run for the steps that pack.

use anyhow::{Context, Result};
use cargo_metadata::Message;
use common::{command::Program, files, progress::Task};
use sources::FetchMode;
use swix::packing::{Order, Report};

use crate::{
    step::Packer,
    work::{Job, rust::offline},
};

/// The step that compiles it, and its name in that step's output.
pub(crate) const STEP: &str = "packer";
const PROGRAM: &str = "swix-pack";

/// Of this workspace, which it is a program of.
pub(crate) const PACKAGE: &str = "swix";

pub(crate) fn run(job: &Job, work: &Packer) -> Result<()> {
    let task = job.busy();
    task.doing("compiling");
    let mut made = None;
    let compiled = Program::cargo("compile what packs the SWIX")?
        .args(["build", "--locked", "--message-format=json-render-diagnostics"])
        .args(["--package", PACKAGE, "--features", "formats", "--bin", PROGRAM])
        .args(offline(job))
        .dir(&work.workspace)
        .follow(job.log, |line| {
            if let Ok(Message::CompilerArtifact(artifact)) = serde_json::from_str(line)
                && artifact.target.name == PROGRAM
            {
                made = artifact.executable;
            }
        });
    compiled.with_context(|| match job.engine.mode {
        FetchMode::Offline => "it is compiled from what is there: run `cargo xtask fetch` where there is a network",
        FetchMode::Online => "what packs the SWIX is compiled for this machine",
    })?;
    let made = made.context("cargo compiled what packs the SWIX, and does not say where it is")?;
    files::copy_atomically(made.as_std_path(), &job.out().join(PROGRAM))
}

/// Has something packed, and shows how that goes on.
pub(crate) fn pack(job: &Job, order: &Order) -> Result<()> {
    let program = job.need(STEP)?.join(PROGRAM);
    let file = job.workshop.scratch().join("order.json");
    files::write_atomically(
        &file,
        serde_json::to_vec(order).context("a path is not UTF-8: set KOE_CACHE to another")?,
    )?;
    let mut task: Option<Box<dyn Task>> = None;
    Program::new(program, &format!("make {}", job.step.name))?.arg(&file).follow(job.log, |line| {
        let Ok(report) = serde_json::from_str(line) else { return };
        match (report, &task) {
            (Report::Begins { name, unit, total }, _) => task = Some(job.engine.progress.start(&name, unit, total)),
            (Report::Note(note), _) => job.engine.progress.note(&note),
            (Report::Total(total), Some(task)) => task.set_total(total),
            (Report::Advanced(amount), Some(task)) => task.advance(amount),
            (Report::Doing(what), Some(task)) => task.doing(&what),
            (Report::Total(_) | Report::Advanced(_) | Report::Doing(_), None) => {}
        }
    })
}
