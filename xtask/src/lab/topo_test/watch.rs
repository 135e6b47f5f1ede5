//! `topo-test` while it runs: on a terminal a line for each device and one for the scenario, else a line for whatever
//! begins and ends.

use std::{
    io::IsTerminal,
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use cluster_test::{Observer, look, record::ScenarioRecord};
use common::Progress;
use devices::Lab;
use indicatif::{MultiProgress, ProgressBar};

use crate::progress;

/// How often the devices are asked for their states.
const INTERVAL: Duration = Duration::from_secs(2);

pub enum Watch {
    Lines,
    Terminal(Terminal),
}

pub struct Terminal {
    all: MultiProgress,
    /// The scenario that is played, and its step.
    scenario: Mutex<Option<ProgressBar>>,
}

impl Watch {
    pub fn for_stderr() -> Watch {
        match std::io::stderr().is_terminal() {
            true => Watch::Terminal(Terminal { all: MultiProgress::new(), scenario: Mutex::default() }),
            false => Watch::Lines,
        }
    }

    /// For work that shows its own progress.
    pub fn progress(&self) -> Box<dyn Progress> {
        match self {
            Watch::Lines => progress::for_stderr(),
            Watch::Terminal(terminal) => Box::new(progress::Bars(terminal.all.clone())),
        }
    }

    /// Shows what the lab's devices are like as long as the work lasts.
    pub fn over<T>(&self, lab: &Lab, work: impl FnOnce() -> T) -> T {
        let Watch::Terminal(terminal) = self else { return work() };
        let lines: Vec<ProgressBar> = lab.devices().map(|device| terminal.device(device.name())).collect();
        let (done, end) = mpsc::channel::<()>();
        let result = thread::scope(|scope| {
            scope.spawn(|| look_at(lab, &lines, end));
            // Dropped when the work is done, also where it panics: that ends the looking.
            let _done = done;
            work()
        });
        lines.iter().for_each(ProgressBar::finish_and_clear);
        result
    }

    fn say(&self, line: &str) {
        match self {
            Watch::Lines => eprintln!("{line}"),
            // A lost line of progress must not stop the run.
            Watch::Terminal(terminal) => drop(terminal.all.println(line)),
        }
    }
}

fn look_at(lab: &Lab, lines: &[ProgressBar], end: mpsc::Receiver<()>) {
    loop {
        for (device, line) in lab.devices().zip(lines) {
            line.set_message(look::state(&device));
        }
        if end.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

impl Terminal {
    fn device(&self, name: &str) -> ProgressBar {
        let line = self.all.add(ProgressBar::new_spinner().with_style(progress::style("  {prefix:14} {msg}")));
        line.set_prefix(name.to_owned());
        line.set_message("on");
        line
    }

    /// The scenario's line is below those of the devices.
    fn begin(&self, name: &str, purpose: &str) {
        let line = self
            .all
            .add(ProgressBar::new_spinner().with_style(progress::style("{spinner} {prefix:14} {elapsed} {wide_msg}")));
        line.set_prefix(name.to_owned());
        line.set_message(purpose.to_owned());
        line.enable_steady_tick(Duration::from_millis(120));
        self.put(Some(line));
    }

    fn put(&self, line: Option<ProgressBar>) {
        let before = std::mem::replace(&mut *self.scenario.lock().unwrap_or_else(PoisonError::into_inner), line);
        before.iter().for_each(ProgressBar::finish_and_clear);
    }
}

impl Observer for Watch {
    fn scenario_begins(&self, name: &str, purpose: &str) {
        match self {
            Watch::Lines => eprintln!("== {name}: {purpose}"),
            Watch::Terminal(terminal) => terminal.begin(name, purpose),
        }
    }

    fn step_begins(&self, _: &str, step: &str) {
        match self {
            Watch::Lines => eprintln!("   {step}"),
            Watch::Terminal(terminal) => {
                let line = terminal.scenario.lock().unwrap_or_else(PoisonError::into_inner);
                line.iter().for_each(|line| line.set_message(step.to_owned()));
            }
        }
    }

    fn scenario_ended(&self, scenario: &ScenarioRecord) {
        if let Watch::Terminal(terminal) = self {
            terminal.put(None);
        }
        let end = match scenario.outcome.told() {
            (word, "") => word.to_owned(),
            (word, why) if scenario.outcome.is_failure() => format!("{}: {why}", word.to_uppercase()),
            (word, why) => format!("{word}: {why}"),
        };
        self.say(&format!("== {}: after {:.1} s {end}", scenario.name, scenario.took));
    }
}
