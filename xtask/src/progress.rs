//! Progress as a person sees it: bars on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use common::progress::{Progress, Task, Unit};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressStyle};

/// How often a plain line says how far a long step is.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);

/// The sink for this process's standard error.
pub fn for_stderr() -> Box<dyn Progress> {
    if std::io::stderr().is_terminal() { Box::new(Bars(MultiProgress::new())) } else { Box::new(Lines) }
}

/// The sink on a terminal, beside other lines that are there.
pub struct Bars(pub MultiProgress);

struct Bar(ProgressBar);

impl Progress for Bars {
    fn start(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        let bar = self.0.add(ProgressBar::new_spinner());
        bar.set_prefix(name.to_owned());
        let bar = Bar(bar.with_style(spinner()));
        bar.0.enable_steady_tick(Duration::from_millis(120));
        if let Some(total) = total {
            bar.set_total(total);
        }
        if unit == Unit::Bytes && total.is_none() {
            bar.0.set_message("starting");
        }
        Box::new(bar)
    }

    fn note(&self, line: &str) {
        // A lost line of progress must not stop a build.
        let _ = self.0.println(line);
    }
}

impl Task for Bar {
    fn set_total(&self, total: u64) {
        self.0.set_style(style("{prefix:28} {bar:30} {binary_bytes}/{binary_total_bytes} {elapsed} {msg}"));
        self.0.set_length(total);
    }

    fn advance(&self, amount: u64) {
        self.0.inc(amount);
    }

    fn doing(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn spinner() -> ProgressStyle {
    style("{prefix:28} {spinner} {elapsed} {msg}")
}

pub fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

struct Lines;

struct Line {
    name: String,
    unit: Unit,
    began: Instant,
    state: Mutex<LineState>,
}

struct LineState {
    total: Option<u64>,
    done: u64,
    doing: String,
    last: Instant,
}

impl Progress for Lines {
    fn start(&self, name: &str, unit: Unit, total: Option<u64>) -> Box<dyn Task> {
        eprintln!("{name}: begins");
        let now = Instant::now();
        let state = LineState { total, done: 0, doing: String::new(), last: now };
        Box::new(Line { name: name.to_owned(), unit, began: now, state: Mutex::new(state) })
    }

    fn note(&self, line: &str) {
        eprintln!("{line}");
    }
}

impl Line {
    fn update(&self, change: impl FnOnce(&mut LineState)) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        change(&mut state);
        if state.last.elapsed() >= PLAIN_INTERVAL {
            state.last = Instant::now();
            eprintln!("{}: {}", self.name, self.describe(&state));
        }
    }

    fn describe(&self, state: &LineState) -> String {
        let amount = |n: u64| match self.unit {
            Unit::Bytes => HumanBytes(n).to_string(),
            Unit::Items => n.to_string(),
        };
        let done = match (state.total, state.done) {
            (Some(total), done) => format!("{} of {} ", amount(done), amount(total)),
            (None, 0) => String::new(),
            (None, done) => format!("{} ", amount(done)),
        };
        format!("{done}{} after {:.0} s", state.doing, self.began.elapsed().as_secs_f64())
    }
}

impl Task for Line {
    fn set_total(&self, total: u64) {
        self.update(|state| state.total = Some(total));
    }

    fn advance(&self, amount: u64) {
        self.update(|state| state.done += amount);
    }

    fn doing(&self, what: &str) {
        self.update(|state| what.clone_into(&mut state.doing));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        eprintln!("{}: ended after {:.1} s", self.name, self.began.elapsed().as_secs_f64());
    }
}
