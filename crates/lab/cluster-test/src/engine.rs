//! Plays scenarios, one after the other, on a lab that is up.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use common::{errors, stop};

use crate::{
    Recorder, Scenario, Scene, limited, look,
    record::{Evidence, PlayOutcome},
    wants::Obstacles,
};

/// How long it may take until what a scenario leaves is gone.
const TAKEN_AWAY: Duration = Duration::from_secs(180);

/// How long it may take to look at every switch.
const LOOKING: Duration = Duration::from_secs(120);

/// What is played, and how.
#[derive(Default)]
pub struct Plan<'a> {
    pub scenarios: Vec<&'static Scenario>,
    /// Why some of them cannot be played here.
    pub obstacles: Obstacles,
    /// The names of those that the user does not want.
    pub skipped: &'a [String],
    /// Nothing more is played once one has failed.
    pub fail_fast: bool,
    /// For each, in place of its own limit.
    pub timeout: Option<Duration>,
}

/// What has come of the scenarios so far, by their names.
pub type Outcomes = BTreeMap<&'static str, PlayOutcome>;

impl Plan<'_> {
    /// What comes of them where nothing fails.
    pub fn beforehand(&self) -> Outcomes {
        let mut outcomes = Outcomes::new();
        for scenario in &self.scenarios {
            let outcome = self.obstacle(scenario, &outcomes).unwrap_or_default();
            outcomes.insert(scenario.name, outcome);
        }
        outcomes
    }

    /// What becomes of a scenario that is not played, if so.
    fn obstacle(&self, scenario: &Scenario, ended: &Outcomes) -> Option<PlayOutcome> {
        if let Some(why) = self.obstacles.get(scenario.name) {
            return Some(PlayOutcome::NotPossible(why.clone()));
        }
        let failed = || ended.iter().find(|(_, outcome)| self.fail_fast && outcome.is_failure());
        if stop::is_interrupted() {
            return Some(PlayOutcome::Skipped("interrupted".to_owned()));
        } else if self.skipped.iter().any(|name| name == scenario.name) {
            return Some(PlayOutcome::Skipped("--skip says so".to_owned()));
        } else if let Some((name, _)) = failed() {
            return Some(PlayOutcome::Skipped(format!("--fail-fast, and {name} has failed")));
        }
        let missing = scenario.needs.iter().find(|need| ended.get(**need) != Some(&PlayOutcome::Passed))?;
        Some(PlayOutcome::Skipped(match ended.get(missing) {
            Some(PlayOutcome::Skipped(why)) => format!("it needs {missing}, which was skipped: {why}"),
            _ => format!("it needs {missing}, which has not passed"),
        }))
    }
}

/// Says of each that it was not played.
pub fn skip(scenarios: &[&Scenario], recorder: &Recorder<'_>, why: &str) {
    for scenario in scenarios {
        recorder.begin_scenario(scenario.name, scenario.purpose);
        recorder.end_scenario(PlayOutcome::Skipped(why.to_owned()), vec![]);
    }
}

/// Plays them, but for those that cannot be played here. What fails takes along only what needs it.
pub fn run(plan: &Plan<'_>, scene: &mut Scene<'_>) {
    in_turn(plan, scene.recorder, scene);
}

/// What scenarios are played on.
trait Stage {
    /// For `between` and `evidence`, each.
    const LOOKING: Duration = LOOKING;

    /// Before each, and after the last.
    fn between(&mut self) {}
    fn play(&mut self, scenario: &'static Scenario, timeout: Option<Duration>) -> Result<()>;
    /// What can be seen at the moment of a failure, as far as that comes.
    fn evidence(&self, _seen: &mut Vec<Evidence>) -> Result<()> {
        Ok(())
    }
    /// Takes away what the scenario leaves.
    fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

fn in_turn(plan: &Plan<'_>, recorder: &Recorder<'_>, stage: &mut impl Stage) {
    let mut ended = Outcomes::new();
    for scenario in &plan.scenarios {
        between(stage);
        recorder.begin_scenario(scenario.name, scenario.purpose);
        let (outcome, evidence) = match plan.obstacle(scenario, &ended) {
            Some(outcome) => (outcome, vec![]),
            None => play(stage, scenario, plan.timeout),
        };
        recorder.end_scenario(outcome.clone(), evidence);
        ended.insert(scenario.name, outcome);
    }
    between(stage);
}

/// A switch that does not answer is not seen, and that is all.
fn between<S: Stage>(stage: &mut S) {
    let _ = limited::limited(S::LOOKING, || {
        stage.between();
        Ok(())
    });
}

fn play<S: Stage>(
    stage: &mut S,
    scenario: &'static Scenario,
    timeout: Option<Duration>,
) -> (PlayOutcome, Vec<Evidence>) {
    let mut played = stage.play(scenario, timeout);
    let mut seen = Vec::new();
    // Before what helps to see why is taken away.
    if outcome(&played).is_failure() {
        let all = limited::limited(S::LOOKING, || stage.evidence(&mut seen));
        played = errors::both(played, all.context("not all switches could be looked at"));
    }
    let ended = stage.end();
    let played = errors::both(played, ended);
    (outcome(&played), seen)
}

impl Stage for Scene<'_> {
    /// Any may end with nodes that are gone, as uninstalling does.
    fn between(&mut self) {
        for (device, memory) in look::memory_of_nodes(self.lab) {
            self.recorder.memory(device, memory);
        }
    }

    fn play(&mut self, scenario: &'static Scenario, timeout: Option<Duration>) -> Result<()> {
        self.random = fastrand::Rng::with_seed(seed_of(self.seed, scenario.name));
        let limit = timeout.unwrap_or(scenario.limit + self.master_away);
        limited::limited(limit, || {
            if scenario.makes_objects {
                self.begin_namespace(scenario.name)?;
            }
            (scenario.play)(self)
        })
    }

    /// What the switches say.
    fn evidence(&self, seen: &mut Vec<Evidence>) -> Result<()> {
        for switch in self.switches()? {
            let (device, title) = (switch.name().to_owned(), "status and journal".to_owned());
            seen.push(Evidence { device, title, text: switch.evidence() });
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let interrupted = stop::is_interrupted();
        let gone = if interrupted { Ok(()) } else { limited::limited(TAKEN_AWAY, || self.end_namespace()) };
        self.namespace = None;
        gone
    }
}

fn outcome(played: &Result<()>) -> PlayOutcome {
    match played {
        Err(error) if stop::is_interrupted() => PlayOutcome::Skipped(format!("interrupted: {error:#}")),
        played => PlayOutcome::of(played),
    }
}

/// A seed for each scenario.
fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()))
}

#[cfg(test)]
mod tests;
