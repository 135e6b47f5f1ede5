//! JUnit's XML, which CI systems read: a suite for the run, a case for each scenario.

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{DateTime, FixedOffset};
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use crate::record::{PlayOutcome, Run, ScenarioRecord};

/// The name of the suite, and what the cases' classes begin with.
const NAME: &str = "topo-test";

pub fn xml(run: &Run) -> Result<String> {
    let began = run.began.parse::<DateTime<FixedOffset>>().context("the run's beginning is no moment")?;
    let mut suite = TestSuite::new(format!("{NAME} of {}", run.prefix));
    suite.set_timestamp(began).set_time(Duration::from_secs_f64(run.took));
    let properties =
        [("topology", &run.topology), ("driver", &run.driver), ("swix", &run.swix), ("swix-sha256", &run.swix_sha256)];
    suite.add_properties(properties.map(|(name, value)| Property::new(name, value.as_str())));
    suite.add_properties(
        run.devices.iter().map(|device| Property::new(format!("device-{}", device.name), device.identity.as_str())),
    );
    suite.add_test_cases(run.scenarios.iter().map(|scenario| case(run, scenario)));
    let mut report = Report::new(NAME);
    report.set_time(Duration::from_secs_f64(run.took)).add_test_suite(suite);
    report.to_string().context("the report cannot be written as JUnit's XML")
}

fn case(run: &Run, scenario: &ScenarioRecord) -> TestCase {
    let status = match &scenario.outcome {
        PlayOutcome::Passed => TestCaseStatus::success(),
        PlayOutcome::Failed(why) => {
            let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let first = why.lines().next().unwrap_or_default();
            failed.set_message(first).set_type("scenario").set_description(why.as_str()).clone()
        }
        PlayOutcome::Skipped(why) => TestCaseStatus::skipped().set_message(why.as_str()).clone(),
        PlayOutcome::NotPossible(why) => {
            TestCaseStatus::skipped().set_message(format!("not possible here: {why}")).clone()
        }
    };
    let mut case = TestCase::new(scenario.name.as_str(), status);
    case.set_classname(format!("{NAME}.{}", run.prefix));
    case.set_time(Duration::from_secs_f64(scenario.took));
    let steps: String = scenario.steps.iter().map(|step| format!("{} ({:.1} s)\n", step.text, step.took)).collect();
    if !steps.is_empty() {
        case.set_system_out(steps);
    }
    let said =
        |evidence: &crate::record::Evidence| format!("== {}: {}\n{}\n", evidence.device, evidence.title, evidence.text);
    if !scenario.evidence.is_empty() {
        case.set_system_err(scenario.evidence.iter().map(said).collect::<String>());
    }
    case
}
