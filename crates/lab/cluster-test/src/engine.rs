//! Plays scenarios, one after the other, on a lab that is up.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::{
    Recorder, Scenario, Scene, look,
    record::{Evidence, PlayOutcome},
    wants::Obstacles,
};

/// Says of each that it was not played.
pub fn skip(scenarios: &[&Scenario], recorder: &Recorder<'_>, why: &str) {
    for scenario in scenarios {
        recorder.begin_scenario(scenario.name, scenario.purpose);
        recorder.end_scenario(PlayOutcome::Skipped(why.to_owned()), vec![]);
    }
}

/// Plays them, but for those that cannot be played here. What fails takes along only what needs it.
pub fn run(scenarios: &[&Scenario], obstacles: &Obstacles, scene: &mut Scene<'_>) {
    let mut ended: BTreeMap<&str, PlayOutcome> = BTreeMap::new();
    for scenario in scenarios {
        // Before each, because any may end with nodes that are gone, as uninstalling does.
        see_memory(scene);
        scene.recorder.begin_scenario(scenario.name, scenario.purpose);
        let outcome = match (obstacles.get(scenario.name), obstacle(scenario, scene, &ended)) {
            (Some(why), _) => PlayOutcome::NotPossible(why.clone()),
            (None, Some(why)) => PlayOutcome::Skipped(why),
            (None, None) => {
                scene.random = fastrand::Rng::with_seed(seed_of(scene.seed, scenario.name));
                outcome((scenario.play)(scene), (scene.interrupted)())
            }
        };
        let evidence = if outcome.is_failure() { evidence(scene) } else { Vec::new() };
        scene.recorder.end_scenario(outcome.clone(), evidence);
        ended.insert(scenario.name, outcome);
    }
    see_memory(scene);
}

fn see_memory(scene: &Scene<'_>) {
    for (device, memory) in look::memory_of_nodes(scene.lab) {
        scene.recorder.memory(device, memory);
    }
}

fn outcome(played: Result<()>, interrupted: bool) -> PlayOutcome {
    match played {
        Ok(()) => PlayOutcome::Passed,
        Err(error) if interrupted => PlayOutcome::Skipped(format!("interrupted: {error:#}")),
        Err(error) => PlayOutcome::Failed(format!("{error:#}")),
    }
}

/// A seed for each scenario.
fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()))
}

/// Why a scenario cannot be played, if so.
fn obstacle(scenario: &Scenario, scene: &Scene<'_>, ended: &BTreeMap<&str, PlayOutcome>) -> Option<String> {
    if (scene.interrupted)() {
        return Some("interrupted".to_owned());
    }
    let missing = scenario.needs.iter().find(|need| ended.get(**need) != Some(&PlayOutcome::Passed))?;
    Some(match ended.get(missing) {
        Some(PlayOutcome::Skipped(why)) => format!("it needs {missing}, which was skipped: {why}"),
        _ => format!("it needs {missing}, which has not passed"),
    })
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
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn what_ends_by_ctrl_c_has_not_failed() {
        assert_eq!(outcome(Err(anyhow!("wrong")), false), PlayOutcome::Failed("wrong".to_owned()));
        assert_eq!(outcome(Err(anyhow!("wrong")), true), PlayOutcome::Skipped("interrupted: wrong".to_owned()));
    }

    #[test]
    fn a_scenario_s_choices_depend_on_the_seed_and_its_name_alone() {
        assert_eq!(seed_of(7, "upgrade"), seed_of(7, "upgrade"));
        assert_ne!(seed_of(7, "upgrade"), seed_of(8, "upgrade"));
        assert_ne!(seed_of(7, "upgrade"), seed_of(7, "reboot-each"));
    }
}
