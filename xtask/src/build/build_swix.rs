//! `build-swix`: the whole build, or one program of it, then dist/.

use std::{path::PathBuf, time::Instant};

use anyhow::Result;
use clap::Args;
use indicatif::HumanBytes;
use pipeline::dist;

use super::{
    Selection, in_docker,
    session::{Session, default_jobs},
};
use crate::workspace::workspace;

#[derive(Args)]
pub struct BuildSwix {
    #[command(flatten)]
    pub selection: Selection,
    /// Steps to run side by side
    #[arg(long, value_name = "N", default_value_t = default_jobs())]
    pub jobs: usize,
    /// Directory for the results
    #[arg(long, value_name = "DIR", default_value_os_t = workspace().join("dist"), hide_default_value = true)]
    pub dist: PathBuf,
    /// Only this program of the release, and no SWIX
    #[arg(long, value_name = "NAME")]
    pub program: Option<String>,
    /// Do the same in a container, for hosts that are not Debian 12
    #[arg(long)]
    pub in_docker: bool,
}

impl BuildSwix {
    pub fn run(self) -> Result<()> {
        if self.in_docker {
            return in_docker::run(&self);
        }
        let began = Instant::now();
        let mut session = Session::open(self.selection)?;
        if let Some(name) = &self.program {
            session.plan = session.plan.of_program(&session.release, session.selection.arch, name)?;
        }
        let goals = session.plan.goals();
        let _in_use = session.cache.use_now()?;
        let summary = session.with_engine(self.jobs, |engine| {
            session.require_sources(engine, &goals)?;
            engine.run(&session.plan.steps, &goals)
        })?;
        let verb = self
            .program
            .as_ref()
            .map_or_else(|| "build-swix".to_owned(), |name| format!("build-swix --program={name}"));
        session.remember(&verb, &summary)?;
        let published = dist::publish(&session.plan, &session.cache, &self.dist)?;
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
}
