//! `fetch`: fills the cache with every source, so that a build can run offline.

use anyhow::Result;

use crate::{flags::Fetch, session::Session};

pub fn run(flags: Fetch) -> Result<()> {
    let session = Session::open(flags.selection)?;
    let goals = session.plan.fetches();
    let summary = session.with_engine(crate::session::default_jobs(), |engine| {
        session.require_sources(engine, &goals)?;
        engine.run(&session.plan.steps, &goals)
    })?;
    println!("release {}: {} sources fetched, {} were there", session.release.name, summary.ran.len(), summary.cached);
    Ok(())
}
