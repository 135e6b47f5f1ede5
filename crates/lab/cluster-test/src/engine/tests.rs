//! Scenarios that are made to fail, or not to be played, on a stage without a lab.

use std::process::Command;

use anyhow::{bail, ensure};

use super::*;
use crate::{Observer, record::ScenarioRecord};

const fn scenario(name: &'static str) -> Scenario {
    Scenario::new(name, "", |_| Ok(()))
}

static ALL: [Scenario; 4] = [
    scenario("first"),
    scenario("second").needs(&["first"]),
    scenario("third").needs(&["second"]),
    scenario("by-itself"),
];

const HOUR: Duration = Duration::from_secs(60 * 60);

struct Nobody;

impl Observer for Nobody {
    fn scenario_begins(&self, _: &str, _: &str) {}
    fn step_begins(&self, _: &str, _: &str) {}
    fn scenario_ended(&self, _: &ScenarioRecord) {}
}

/// One fails, the others pass.
struct Failing(&'static str);

impl Stage for Failing {
    fn play(&mut self, scenario: &'static Scenario, _: Option<Duration>) -> Result<()> {
        ensure!(scenario.name != self.0, "wrong");
        Ok(())
    }
}

/// Nobody on it answers, and each scenario fails.
struct Silent;

impl Stage for Silent {
    const LOOKING: Duration = Duration::from_millis(300);

    fn between(&mut self) {
        let _ = stop::pause(HOUR);
    }

    fn play(&mut self, _: &'static Scenario, _: Option<Duration>) -> Result<()> {
        bail!("wrong")
    }

    fn evidence(&self, seen: &mut Vec<Evidence>) -> Result<()> {
        seen.push(Evidence { device: "first".to_owned(), title: String::new(), text: String::new() });
        stop::pause(HOUR)
    }

    fn end(&mut self) -> Result<()> {
        bail!("it is left")
    }
}

fn plan(skipped: &[String]) -> Plan<'_> {
    Plan { scenarios: ALL.iter().collect(), skipped, ..Plan::default() }
}

/// Each one's name, and what came of it in words.
fn told(plan: &Plan<'_>, mut stage: impl Stage) -> Vec<String> {
    let recorder = Recorder::new(&Nobody);
    in_turn(plan, &recorder, &mut stage);
    let (ended, _, _) = recorder.finish();
    let word = |scenario: &ScenarioRecord| {
        let (word, why) = scenario.outcome.told();
        format!("{} {word} {why}", scenario.name).trim_end().to_owned()
    };
    ended.iter().map(word).collect()
}

#[test]
fn what_needs_a_skipped_one_is_not_played_and_is_not_counted() {
    let skipped = ["second".to_owned()];
    let plan = plan(&skipped);
    assert_eq!(
        told(&plan, Failing("")),
        [
            "first passed",
            "second not played --skip says so",
            "third not played it needs second, which was skipped: --skip says so",
            "by-itself passed"
        ]
    );
    let played = plan.beforehand().into_values().filter(|outcome| *outcome == PlayOutcome::Passed).count();
    assert_eq!(played, 2);
}

#[test]
fn a_failure_takes_along_what_needs_it_and_with_fail_fast_all_that_follows() {
    let mut plan = plan(&[]);
    let after_a_failure = ["first FAILED", "second not played it needs first, which has not passed"];
    let slowly = told(&plan, Failing("first"));
    assert_eq!(slowly[0], after_a_failure[0].replace("FAILED", "failed wrong"));
    assert_eq!((slowly[1].as_str(), slowly[3].as_str()), (after_a_failure[1], "by-itself passed"));
    plan.fail_fast = true;
    let why = "not played --fail-fast, and first has failed";
    let names = ["second", "third", "by-itself"].map(|name| format!("{name} {why}"));
    assert_eq!(told(&plan, Failing("first"))[1..], names);
}

#[test]
fn a_scenario_s_choices_depend_on_the_seed_and_its_name_alone() {
    assert_eq!(seed_of(7, "upgrade"), seed_of(7, "upgrade"));
    assert_ne!(seed_of(7, "upgrade"), seed_of(8, "upgrade"));
    assert_ne!(seed_of(7, "upgrade"), seed_of(7, "reboot-each"));
}

/// In a process of its own: whatever other tests wait for would end, too.
#[test]
fn switches_that_do_not_answer_are_looked_at_for_so_long_and_what_was_seen_is_kept_with_every_error() {
    let name = "engine::tests::switches_that_do_not_answer_are_looked_at_for_so_long_and_what_was_seen_is_kept_with_every_error";
    if std::env::var_os("ALONE").is_none() {
        let mut alone = Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", name, "--nocapture"]).env("ALONE", "yes").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("test result: ok. 1 passed;"), "{said}{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let (began, recorder) = (std::time::Instant::now(), Recorder::new(&Nobody));
    in_turn(&Plan { scenarios: vec![&ALL[0]], ..Plan::default() }, &recorder, &mut Silent);
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
    let (ended, _, _) = recorder.finish();
    assert_eq!(ended[0].evidence[0].device, "first");
    let late = "not all switches could be looked at: not done after 300ms: its time was up";
    assert_eq!(
        ended[0].outcome,
        PlayOutcome::Failed(format!("it is left; and before that: {late}; and before that: wrong"))
    );
}
