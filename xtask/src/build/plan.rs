//! `plan`: every step of a build, whether it would run, and why.

use anyhow::Result;
use clap::Args;
use pipeline::engine::Trust;
use serde_json::json;

use super::{Selection, session::Session};

#[derive(Args)]
pub struct PlanFlags {
    #[command(flatten)]
    pub selection: Selection,
    /// Print the steps with all their inputs as JSON
    #[arg(long)]
    pub json: bool,
}

impl PlanFlags {
    pub fn run(self) -> Result<()> {
        let session = Session::open(self.selection)?;
        let statuses = session.with_engine(1, |engine| {
            Ok(engine.statuses(&session.plan.steps, &session.plan.goals(), Trust::Presence))
        })?;
        let steps = session.plan.steps.iter().zip(&statuses);
        if self.json {
            let steps: Vec<_> = steps
            .map(|(step, status)| {
                json!({ "name": step.name, "key": step.key, "status": status.to_string(), "inputs": step.inputs() })
            })
            .collect();
            println!("{}", serde_json::to_string_pretty(&steps)?);
            return Ok(());
        }
        println!("release {}, linux/{}", session.release.name, session.selection.arch);
        for (step, status) in steps {
            println!("  {:28} {}  {status}", step.name, step.key.short());
        }
        Ok(())
    }
}
