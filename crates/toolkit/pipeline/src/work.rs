//! What each kind of step does. One module a kind; each reads the outputs of the steps that it
//! needs and writes into the workshop's `out/`, and nowhere else.

pub(crate) mod fetch;

pub(crate) mod cargo_home;
pub(crate) mod check;
pub(crate) mod container_image;
pub(crate) mod go;
mod image;
pub(crate) mod licences;
pub(crate) mod module_graph;
mod package;
pub(crate) mod packer;
pub(crate) mod proof;
mod provenance;
pub(crate) mod rust;
mod rust_std;
mod sbom;
mod suite;
pub(crate) mod sysroot;
mod tree;
mod vex;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::progress::{Task, Unit};
use sources::Fetched;

use crate::{
    cache::{CacheEntry, Workshop},
    engine::Engine,
    step::{Step, Work},
};

/// One step being carried out.
pub(crate) struct Job<'a> {
    pub(crate) step: &'a Step,
    pub(crate) needs: &'a BTreeMap<String, CacheEntry>,
    pub(crate) workshop: &'a Workshop,
    pub(crate) log: &'a Path,
    pub(crate) engine: &'a Engine<'a>,
}

impl Job<'_> {
    /// The output of a step that this one needs.
    pub(crate) fn need(&self, step: &str) -> Result<PathBuf> {
        Ok(self.entry(step)?.out())
    }

    pub(crate) fn entry(&self, step: &str) -> Result<&CacheEntry> {
        self.needs.get(step).with_context(|| format!("the plan does not say that {} needs {step}", self.step.name))
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.workshop.out()
    }

    /// A spinner for work whose size is not known.
    pub(crate) fn busy(&self) -> Box<dyn Task> {
        self.engine.progress.start(&self.step.name, Unit::Items, None)
    }
}

/// Carries a step out. `sources` has the sources of its needs; a fetch adds its own.
pub(crate) fn execute(job: &Job, sources: &mut BTreeMap<String, Fetched>) -> Result<()> {
    match &job.step.work {
        Work::Fetch(work) => {
            let fetched = fetch::run(job, work)?;
            sources.insert(work.source.name.to_string(), fetched);
            Ok(())
        }
        Work::Unpack(work) => tree::unpack(job, work),
        Work::Tree(work) => tree::run(job, work),
        Work::Go(work) => go::run(job, work),
        Work::Crates(work) => rust::fetch_crates(job, work),
        Work::Sysroot(work) => sysroot::run(job, work),
        Work::Rust(work) => rust::run(job, work),
        Work::Check(work) => check::run(job, work),
        Work::ContainerImage(work) => container_image::run(job, work),
        Work::ModuleGraph(work) => module_graph::run(job, work),
        Work::ProgramLicences(work) => licences::of_program(job, work),
        Work::Licences(work) => licences::together(job, work),
        Work::Image(work) => image::run(job, work),
        Work::Packer(work) => packer::run(job, work),
        Work::Package(work) => package::rpm(job, work),
        Work::Swix(work) => package::swix(job, work),
        Work::Sbom(work) => sbom::run(job, work),
        Work::Vex(work) => vex::run(job, work),
        Work::Provenance(work) => provenance::run(job, work),
        Work::SuiteFiles(work) => suite::files(job, work),
        Work::SuiteProgram(work) => suite::program(job, work),
        Work::Proof(work) => proof::run(job, work),
    }
}
