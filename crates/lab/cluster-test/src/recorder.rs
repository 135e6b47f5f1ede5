//! Writes down what happens while it happens, and tells whoever watches.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::{Instant, SystemTime},
};

use crate::record::{BringUp, Evidence, Figure, PlayOutcome, ProcessMemory, ScenarioRecord, StepRecord};

/// Who watches a run.
pub trait Observer: Sync {
    fn scenario_begins(&self, name: &str, purpose: &str);
    fn step_begins(&self, scenario: &str, step: &str);
    fn scenario_ended(&self, scenario: &ScenarioRecord);
}

/// What has happened so far.
pub struct Recorder<'a> {
    began: Instant,
    began_at: SystemTime,
    observer: &'a dyn Observer,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    scenarios: Vec<ScenarioRecord>,
    figures: Vec<Figure>,
    bring_ups: Vec<BringUp>,
    memory: BTreeMap<String, Vec<ProcessMemory>>,
}

impl<'a> Recorder<'a> {
    /// The run begins now.
    pub fn new(observer: &'a dyn Observer) -> Self {
        Recorder { began: Instant::now(), began_at: SystemTime::now(), observer, written: Mutex::default() }
    }

    /// Seconds since the run began.
    pub fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// When the run began, in RFC 3339.
    pub fn began(&self) -> String {
        humantime::format_rfc3339_seconds(self.began_at).to_string()
    }

    pub fn begin_scenario(&self, name: &str, purpose: &str) {
        self.observer.scenario_begins(name, purpose);
        self.written().scenarios.push(ScenarioRecord {
            name: name.to_owned(),
            purpose: purpose.to_owned(),
            began: self.now(),
            ..ScenarioRecord::default()
        });
    }

    pub fn end_scenario(&self, outcome: PlayOutcome, evidence: Vec<Evidence>) {
        let now = self.now();
        let mut written = self.written();
        let Some(scenario) = written.scenarios.last_mut() else { return };
        scenario.took = now - scenario.began;
        scenario.outcome = outcome;
        scenario.evidence = evidence;
        self.observer.scenario_ended(scenario);
    }

    /// Begins a step of the scenario that began last, and returns its number.
    pub fn begin_step(&self, text: &str) -> usize {
        let began = self.now();
        let mut written = self.written();
        let Some(scenario) = written.scenarios.last_mut() else { return 0 };
        self.observer.step_begins(&scenario.name, text);
        scenario.steps.push(StepRecord { text: text.to_owned(), began, ..StepRecord::default() });
        scenario.steps.len() - 1
    }

    pub fn end_step(&self, number: usize, outcome: PlayOutcome) {
        let now = self.now();
        let mut written = self.written();
        let step = written.scenarios.last_mut().and_then(|scenario| scenario.steps.get_mut(number));
        if let Some(step) = step {
            step.took = now - step.began;
            step.outcome = outcome;
        }
    }

    pub fn figure(&self, figure: Figure) {
        self.written().figures.push(figure);
    }

    /// What the processes of a device hold now, in the place of what they held before.
    pub fn memory(&self, device: String, memory: Vec<ProcessMemory>) {
        self.written().memory.insert(device, memory);
    }

    pub fn memory_of(&self, device: &str) -> Vec<ProcessMemory> {
        self.written().memory.get(device).cloned().unwrap_or_default()
    }

    pub fn bring_up(&self, bring_up: BringUp) {
        self.written().bring_ups.push(bring_up);
    }

    /// What has been written, for the report.
    pub fn finish(&self) -> (Vec<ScenarioRecord>, Vec<Figure>, Vec<BringUp>) {
        let written = std::mem::take(&mut *self.written());
        (written.scenarios, written.figures, written.bring_ups)
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
