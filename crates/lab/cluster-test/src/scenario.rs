//! What a scenario is, and which ones a run takes.

use anyhow::{Result, bail};

use crate::{Scene, scenarios};

/// One thing to prove.
pub struct Scenario {
    pub name: &'static str,
    /// What it proves, in a line.
    pub purpose: &'static str,
    /// The scenarios without which it cannot be played.
    pub needs: &'static [&'static str],
    pub play: fn(&mut Scene<'_>) -> Result<()>,
}

impl Scenario {
    pub const fn new(
        name: &'static str,
        purpose: &'static str,
        needs: &'static [&'static str],
        play: fn(&mut Scene<'_>) -> Result<()>,
    ) -> Self {
        Scenario { name, purpose, needs, play }
    }
}

/// What a scenario ends with that cannot be played here, and why: it is skipped, which is no failure.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Impossible(pub String);

/// The scenarios of these names and all that they need, in the table's order; all where no name is given.
pub fn select(names: &[String]) -> Result<Vec<&'static Scenario>> {
    let mut desired: Vec<&str> = names.iter().map(String::as_str).collect();
    if desired.is_empty() {
        return Ok(scenarios::ALL.iter().collect());
    }
    let mut at = 0;
    while let Some(name) = desired.get(at).copied() {
        let Some(scenario) = scenarios::ALL.iter().find(|scenario| scenario.name == name) else {
            let known: Vec<&str> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
            bail!("there is no scenario {name}; there are {}", known.join(", "));
        };
        desired.extend(scenario.needs);
        at += 1;
    }
    Ok(scenarios::ALL.iter().filter(|scenario| desired.contains(&scenario.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_comes_with_all_that_it_needs_in_order() {
        let names = |asked: &[&str]| -> Vec<&str> {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            select(&asked).unwrap().iter().map(|scenario| scenario.name).collect()
        };
        assert_eq!(names(&["bring-up"]), ["routing", "install", "bring-up"]);
        assert_eq!(names(&[]).len(), scenarios::ALL.len());
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_there_are() {
        let error = select(&["rooting".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("no scenario rooting") && error.contains("routing, long-lived, install"), "{error}");
    }

    #[test]
    fn what_a_scenario_needs_comes_before_it() {
        for (at, scenario) in scenarios::ALL.iter().enumerate() {
            for need in scenario.needs {
                let before = scenarios::ALL[..at].iter().any(|other| other.name == *need);
                assert!(before, "{} needs {need}, which does not come before it", scenario.name);
            }
        }
    }
}
