//! What a scenario is, which ones belong together, and which of them a run takes.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{Scene, scenarios, wants::Want};

/// One thing to prove.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// What it proves, in a line.
    pub purpose: &'static str,
    pub play: fn(&mut Scene<'_>) -> Result<()>,
    /// The scenarios without which it cannot be played.
    pub needs: &'static [&'static str],
    /// What has to be there that it can be played on.
    pub wants: &'static [Want],
    /// How long it may take, and the control plane's absence besides.
    pub limit: Duration,
    /// In a namespace of its own, which is taken away after it.
    pub makes_objects: bool,
}

impl Scenario {
    pub const fn new(name: &'static str, purpose: &'static str, play: fn(&mut Scene<'_>) -> Result<()>) -> Self {
        let limit = Duration::from_secs(15 * 60);
        Scenario { name, purpose, play, needs: &[], wants: &[], limit, makes_objects: false }
    }

    pub const fn needs(self, needs: &'static [&'static str]) -> Self {
        Scenario { needs, ..self }
    }

    pub const fn wants(self, wants: &'static [Want]) -> Self {
        Scenario { wants, ..self }
    }

    pub const fn minutes(self, minutes: u64) -> Self {
        Scenario { limit: Duration::from_secs(60 * minutes), ..self }
    }

    pub const fn makes_objects(self) -> Self {
        Scenario { makes_objects: true, ..self }
    }
}

/// Scenarios that are played on one lab, in the order of the table.
pub struct Suite {
    pub name: &'static str,
    pub scenarios: &'static [Scenario],
}

impl Suite {
    pub fn named(name: &str) -> Result<&'static Suite> {
        let found = scenarios::SUITES.iter().find(|suite| suite.name == name);
        found.with_context(|| {
            let names: Vec<&str> = scenarios::SUITES.iter().map(|suite| suite.name).collect();
            format!("there is no suite {name}; there are {}", names.join(", "))
        })
    }

    /// The scenarios of these names and all that they need, in the table's order; all where no name is given.
    pub fn select(&'static self, names: &[String]) -> Result<Vec<&'static Scenario>> {
        let mut desired: Vec<&str> = names.iter().map(String::as_str).collect();
        if desired.is_empty() {
            return Ok(self.scenarios.iter().collect());
        }
        let mut at = 0;
        while let Some(name) = desired.get(at).copied() {
            desired.extend(self.scenario(name)?.needs);
            at += 1;
        }
        Ok(self.scenarios.iter().filter(|scenario| desired.contains(&scenario.name)).collect())
    }

    /// The one of that name.
    pub fn scenario(&self, name: &str) -> Result<&'static Scenario> {
        let Some(scenario) = self.scenarios.iter().find(|scenario| scenario.name == name) else {
            let known: Vec<&str> = self.scenarios.iter().map(|scenario| scenario.name).collect();
            bail!("there is no scenario {name} in the suite {}; there are {}", self.name, known.join(", "));
        };
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_comes_with_all_that_it_needs_in_order() {
        let suite = Suite::named("cluster").unwrap();
        let names = |asked: &[&str]| -> Vec<&str> {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            suite.select(&asked).unwrap().iter().map(|scenario| scenario.name).collect()
        };
        assert_eq!(names(&["bring-up"]), ["routing", "install", "bring-up"]);
        assert_eq!(names(&[]).len(), suite.scenarios.len());
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_there_are() {
        let suite = Suite::named("cluster").unwrap();
        let error = suite.select(&["rooting".to_owned()]).err().unwrap().to_string();
        assert!(error.contains("no scenario rooting") && error.contains("routing, long-lived, install"), "{error}");
        let error = Suite::named("clutter").err().unwrap().to_string();
        assert!(error.contains("no suite clutter") && error.contains("cluster"), "{error}");
    }

    #[test]
    fn a_name_is_there_once_and_what_a_scenario_needs_comes_before_it() {
        for suite in scenarios::SUITES {
            for (at, scenario) in suite.scenarios.iter().enumerate() {
                let before = |name: &str| suite.scenarios[..at].iter().any(|other| other.name == name);
                assert!(!before(scenario.name), "{} is there twice", scenario.name);
                for need in scenario.needs {
                    assert!(before(need), "{} needs {need}, which does not come before it", scenario.name);
                }
            }
        }
    }
}
