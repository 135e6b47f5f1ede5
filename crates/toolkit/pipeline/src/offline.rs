//! What an offline build lacks, all of it at once.

use anyhow::Result;

use crate::{
    engine::{Engine, StepStatus, Trust},
    step::{Step, Work},
};

/// One line for each thing that is not in the cache and that the goals need.
pub fn missing(engine: &Engine, steps: &[Step], goals: &[&str]) -> Result<Vec<String>> {
    let statuses = engine.statuses(steps, goals, Trust::Presence);
    let desired = steps.iter().zip(&statuses).filter(|(_, status)| matches!(status, StepStatus::Run(_)));
    let mut missing = Vec::new();
    for (step, _) in desired {
        match &step.work {
            Work::Fetch(fetch) if fetch.source_override.is_none() => {
                missing.extend(engine.fetcher.missing(&fetch.source)?)
            }
            Work::Crates(_) => missing.push("the crates of Cargo.lock, in Cargo's own cache".to_owned()),
            _ => {}
        }
    }
    Ok(missing)
}
