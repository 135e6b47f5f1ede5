//! `plan`: every step of a build, whether it would run, and why.

use anyhow::Result;
use clap::Args;
use pipeline::{
    cache::Miss,
    engine::{StepStatus, Trust},
    known::{Known, known},
};
use serde_json::{Value, json};

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
        let steps = known(&session.cache, &session.plan.steps);
        let steps = steps.iter().zip(&statuses);
        if self.json {
            let steps: Vec<_> = steps.map(|(known, status)| as_json(known, status)).collect();
            println!("{}", serde_json::to_string_pretty(&steps)?);
            return Ok(());
        }
        println!("release {}, linux/{}", session.release.name, session.selection.arch);
        for (Known { step, keyed, .. }, status) in steps {
            let key = keyed.as_ref().map_or_else(|| "-".to_owned(), |keyed| keyed.key.short());
            println!("  {:28} {key:16}  {status}", step.name);
        }
        Ok(())
    }
}

/// In data: a status is a word, and what there is to say of it has its own field.
fn as_json(known: &Known, status: &StepStatus) -> Value {
    let inputs = known.keyed.as_ref().map_or_else(|| known.step.own_inputs().into(), |keyed| keyed.inputs.clone());
    let (word, why) = match status {
        StepStatus::Cached => ("cached", None),
        StepStatus::NotNeeded => ("not-needed", None),
        StepStatus::Run(miss @ Miss::Waits(_)) => ("waits", Some(miss)),
        StepStatus::Run(miss) => ("run", Some(miss)),
    };
    let changed = match why {
        Some(Miss::Changed(places)) => places.as_slice(),
        _ => &[],
    };
    json!({
        "name": known.step.name,
        "key": known.keyed.as_ref().map(|keyed| keyed.key),
        "needs": known.step.needs,
        "status": word,
        "why": why.map(ToString::to_string),
        "changed": changed,
        "inputs": inputs,
    })
}
