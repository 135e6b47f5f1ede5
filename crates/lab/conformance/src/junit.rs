//! JUnit's XML: ginkgo writes a file for each of its nodes, with every spec that it did not run, too; one file is left of them.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use common::files;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::{
    report::{Outcome, Spec},
    suite::LOG,
};

/// What Go writes for characters that the reader of XML knows only by name, or as they are.
const REFERENCES: [(&str, &str); 5] =
    [("&#34;", "&quot;"), ("&#39;", "&apos;"), ("&#x9;", "\t"), ("&#xA;", "\n"), ("&#xD;", "")];

/// What became of each spec that was run, by the files of a directory. In a run of which nothing is run, these are all that it is of.
pub fn read(directory: &Path) -> Result<BTreeMap<String, Spec>> {
    let mut specs = BTreeMap::new();
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", directory.display()))?.path();
        let is_report = path.extension().is_some_and(|extension| extension == "xml");
        if is_report {
            let found = parse(&files::read_text(&path)?).with_context(|| format!("{} is no report", path.display()))?;
            specs.extend(found.into_iter().map(|spec| (spec.name.clone(), spec)));
        }
    }
    Ok(specs)
}

fn parse(text: &str) -> Result<Vec<Spec>> {
    // Ginkgo writes the suite alone, and not the element that is around suites.
    let suite = text.find("<testsuite").map_or(text, |at| &text[at..]);
    let suite = REFERENCES.iter().fold(suite.to_owned(), |suite, (written, known)| suite.replace(written, known));
    let report = Report::deserialize_from_str(&format!("<testsuites name=\"ginkgo\">{suite}</testsuites>"))
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let cases = report.test_suites.into_iter().flat_map(|suite| suite.test_cases);
    Ok(cases.filter_map(spec).collect())
}

/// None of one that was not chosen. Of that, and of one that found that it is not for this cluster, ginkgo writes the same: but what was not
/// chosen took no time.
fn spec(case: TestCase) -> Option<Spec> {
    let took = case.time.unwrap_or_default();
    let outcome = match &case.status {
        TestCaseStatus::Success { .. } => Outcome::Passed,
        TestCaseStatus::NonSuccess { description, message, .. } => {
            let said = description.as_ref().or(message.as_ref()).map_or("", |said| said.as_str());
            Outcome::Failed(said.trim().to_owned())
        }
        TestCaseStatus::Skipped { .. } if took.is_zero() => return None,
        TestCaseStatus::Skipped { .. } => Outcome::Skipped(format!("{LOG} says why")),
    };
    Some(Spec { name: case.name.as_str().to_owned(), took, outcome })
}

pub fn xml(name: &str, took: Duration, specs: &[Spec]) -> Result<String> {
    let mut suite = TestSuite::new(name);
    suite.set_time(took).add_test_cases(specs.iter().map(case));
    let mut report = Report::new(name);
    report.set_time(took).add_test_suite(suite);
    report.to_string().context("the report cannot be written as JUnit's XML")
}

fn case(spec: &Spec) -> TestCase {
    let status = match &spec.outcome {
        Outcome::Passed => TestCaseStatus::success(),
        Outcome::Failed(why) => {
            let mut failed = TestCaseStatus::non_success(NonSuccessKind::Failure);
            failed.set_description(why.as_str()).clone()
        }
        Outcome::Skipped(why) => TestCaseStatus::skipped().set_message(why.as_str()).clone(),
        Outcome::NotRun => {
            TestCaseStatus::skipped().set_message("it was asked for, and did not come to its end").clone()
        }
    };
    let mut case = TestCase::new(spec.name.as_str(), status);
    case.set_time(spec.took);
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As ginkgo 1.11 writes it.
    const GINKGO: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
  <testsuite name="Kubernetes e2e suite" tests="3" failures="1" errors="0" time="12.5">
      <testcase name="[sig-a] one &lt;b&gt; [Conformance]" classname="Kubernetes e2e suite" time="3.25"></testcase>
      <testcase name="[sig-a] two" classname="Kubernetes e2e suite" time="0"><skipped></skipped></testcase>
      <testcase name="[sig-a] alone" classname="Kubernetes e2e suite" time="0.000412"><skipped></skipped></testcase>
      <testcase name="[sig-a] three" classname="Kubernetes e2e suite" time="9">
          <failure type="Failure">/src/three.go:1&#xA;it is &#34;two&#34;</failure>
          <system-out>much</system-out>
      </testcase>
  </testsuite>"#;

    #[test]
    fn what_ginkgo_s_nodes_wrote_is_put_together_without_what_was_not_chosen() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("junit_01.xml"), GINKGO).unwrap();
        fs::write(directory.path().join("junit_02.xml"), GINKGO.replace("three", "four")).unwrap();
        fs::write(directory.path().join("notes.txt"), "no report").unwrap();
        let specs = read(directory.path()).unwrap();
        let names: Vec<&str> = specs.keys().map(String::as_str).collect();
        assert_eq!(specs["[sig-a] alone"].outcome, Outcome::Skipped("e2e.log says why".to_owned()));
        assert_eq!(names, ["[sig-a] alone", "[sig-a] four", "[sig-a] one <b> [Conformance]", "[sig-a] three"]);
        assert_eq!(specs["[sig-a] one <b> [Conformance]"].took, Duration::from_millis(3250));
        assert_eq!(specs["[sig-a] three"].outcome, Outcome::Failed("/src/three.go:1\nit is \"two\"".to_owned()));
        fs::write(directory.path().join("junit_03.xml"), "<testsuite").unwrap();
        assert!(format!("{:#}", read(directory.path()).unwrap_err()).contains("junit_03.xml"));
    }

    #[test]
    fn what_is_left_can_be_read_again_and_has_all_that_was_asked_for() {
        let specs = parse(GINKGO).unwrap();
        let left = Spec { name: "not run".into(), took: Duration::ZERO, outcome: Outcome::NotRun };
        let text = xml("conformance", Duration::from_secs(1), &[specs.clone(), vec![left]].concat()).unwrap();
        let report = Report::deserialize_from_str(&text).unwrap();
        let suite = &report.test_suites[0];
        assert_eq!((suite.tests, suite.failures, suite.skipped), (4, 1, 2));
    }
}
