//! `fetch`: fills the cache with every source, so that a build can run offline.

use anyhow::Result;
use clap::Args;

use super::{
    Selection,
    session::{Session, default_jobs},
};

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
        println!(
            "release {}: {} sources fetched, {} were there",
            session.release.name,
            summary.ran.len(),
            summary.cached
        );
        Ok(())
    }
}
