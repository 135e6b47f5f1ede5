//! Plays scenarios, one after the other, on a lab that is up.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use common::stop;

use crate::{
    Recorder, Scenario, Scene, limited, look,
    record::{Evidence, PlayOutcome},
    wants::Obstacles,
};

/// How long it may take until what a scenario leaves is gone.
const TAKEN_AWAY: Duration = Duration::from_secs(180);

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
    /// Before each, and after the last.
    fn between(&mut self) {}
    fn play(&mut self, scenario: &'static Scenario, timeout: Option<Duration>) -> (PlayOutcome, Vec<Evidence>);
}

fn in_turn(plan: &Plan<'_>, recorder: &Recorder<'_>, stage: &mut impl Stage) {
    let mut ended = Outcomes::new();
    for scenario in &plan.scenarios {
        stage.between();
        recorder.begin_scenario(scenario.name, scenario.purpose);
        let (outcome, evidence) = match plan.obstacle(scenario, &ended) {
            Some(outcome) => (outcome, vec![]),
            None => stage.play(scenario, plan.timeout),
        };
        recorder.end_scenario(outcome.clone(), evidence);
        ended.insert(scenario.name, outcome);
    }
    stage.between();
}

impl Stage for Scene<'_> {
    /// Any may end with nodes that are gone, as uninstalling does.
    fn between(&mut self) {
        for (device, memory) in look::memory_of_nodes(self.lab) {
            self.recorder.memory(device, memory);
        }
    }

    fn play(&mut self, scenario: &'static Scenario, timeout: Option<Duration>) -> (PlayOutcome, Vec<Evidence>) {
        self.random = fastrand::Rng::with_seed(seed_of(self.seed, scenario.name));
        let limit = timeout.unwrap_or(scenario.limit + self.master_away);
        let mut played = limited::limited(limit, || {
            if scenario.makes_objects {
                self.begin_namespace(scenario.name)?;
            }
            (scenario.play)(self)
        });
        // Before what helps to see why is taken away.
        let failed = outcome(&played).is_failure();
        let evidence = if failed { evidence(self) } else { Vec::new() };
        if !stop::is_interrupted() {
            let gone = limited::limited(TAKEN_AWAY, || self.end_namespace());
            played = match (played, gone) {
                (Err(error), Err(left)) => Err(error.context(format!("{left:#}; and before that"))),
                (played, gone) => played.and(gone),
            };
        }
        self.namespace = None;
        (outcome(&played), evidence)
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

/// What the switches say, at the moment of a failure.
fn evidence(scene: &Scene<'_>) -> Vec<Evidence> {
    let switches = scene.switches().unwrap_or_default();
    let said = |switch: &crate::Switch<'_>| Evidence {
        device: switch.name().to_owned(),
        title: "status and journal".to_owned(),
        text: switch.evidence(),
    };
    switches.iter().map(said).collect()
}

#[cfg(test)]
mod tests;
