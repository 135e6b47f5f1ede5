//! `build-swix`: the whole build, or one program of it, then dist/.

use std::time::Instant;

use anyhow::Result;
use indicatif::HumanBytes;
use pipeline::dist;

use crate::{flags::BuildSwix, in_docker, session::Session};

pub fn run(flags: BuildSwix) -> Result<()> {
    if flags.in_docker {
        return in_docker::run(&flags);
    }
    let began = Instant::now();
    let mut session = Session::open(flags.selection)?;
    if let Some(name) = &flags.program {
        session.plan = session.plan.of_program(&session.release, session.selection.arch, name)?;
    }
    let goals = session.plan.goals();
    let summary = session.with_engine(flags.jobs, |engine| {
        session.require_sources(engine, &goals)?;
        engine.run(&session.plan.steps, &goals)
    })?;
    let published = dist::publish(&session.plan, &session.cache, &flags.dist)?;
    for file in published {
        println!("{:>12}  {}", HumanBytes(file.size).to_string(), file.path.display());
    }
    println!(
        "release {}: {} steps run, {} taken from the cache, {:.1} s",
        session.release.name,
        summary.ran.len(),
        summary.cached,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}
