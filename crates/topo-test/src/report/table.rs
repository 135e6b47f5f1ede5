//! The table at the end, as plain text.

use crate::record::{Outcome, Run};

/// A line for each scenario.
pub fn scenarios(run: &Run) -> String {
    let line = |scenario: &crate::record::Scenario| {
        let (word, why) = match &scenario.outcome {
            Outcome::Passed => ("passed", String::new()),
            Outcome::Failed(why) => ("FAILED", format!("  {}", why.lines().next().unwrap_or_default())),
            Outcome::Skipped(why) => ("skipped", format!("  {why}")),
        };
        format!("{:20} {word:8} {:6.1} s{why}\n", scenario.name, scenario.took)
    };
    run.scenarios.iter().map(line).collect()
}
