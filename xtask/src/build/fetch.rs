//! `fetch`: fills the cache with every source, so that a build can run offline.

use anyhow::Result;
use clap::Args;
use common::command::{LONG, Program};
use pipeline::step::Work;

use super::{
    Selection,
    session::{Session, default_jobs},
};
use crate::workspace::workspace;

#[derive(Args)]
pub struct Fetch {
    #[command(flatten)]
    pub selection: Selection,
}

impl Fetch {
    pub fn run(self) -> Result<()> {
        let session = Session::open(self.selection)?;
        let goals = session.plan.fetches();
        let summary = session.with_engine(default_jobs(), |engine| {
            session.require_sources(engine, &goals)?;
            engine.run(&session.plan.steps, &goals)
        })?;
        session.remember("fetch", &summary)?;
        // That they came once does not say that they are in this cargo's cache; what packs the SWIX is compiled from it, too.
        if session.plan.steps.iter().any(|step| matches!(step.work, Work::Crates(_))) {
            let fetch = Program::cargo("bring the Rust programs' crates")?.limit(LONG).dir(&workspace());
            let offline = session.selection.offline.then_some("--offline");
            fetch.args(["fetch", "--locked", "--target", session.selection.arch.rust_triple()]).args(offline).read()?;
        }
        println!(
            "release {}: {} sources fetched, {} were there",
            session.release.name,
            summary.ran.len(),
            summary.cached
        );
        Ok(())
    }
}
