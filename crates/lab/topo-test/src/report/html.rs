//! One page for people: nothing in it comes from elsewhere, and whatever devices said is escaped.

use anyhow::Result;
use minijinja::Value;
use serde::Serialize;

use super::{drawing, gantt, state_class, templates};
use crate::record::{Evidence, PlayOutcome, ProcessMemory, Run, ScenarioRecord};

/// How many processes of a switch are named; the others are added up.
const PROCESSES: usize = 10;

/// How many lines of trouble stand beside a failure; all that the device said is a click away.
const EXCERPT: usize = 14;

/// What a line of trouble has in it.
const TROUBLE: [&str; 14] = [
    "error",
    "fail",
    "fatal",
    "panic",
    "denied",
    "refused",
    "timed out",
    "timeout",
    "cannot",
    "unable",
    "no route",
    "not ready",
    "unreachable",
    "killed",
];

#[derive(Serialize)]
struct Page<'a> {
    run: &'a Run,
    verdict: Verdict,
    topology: Value,
    scenarios: Vec<Row<'a>>,
    occasions: Vec<Occasion<'a>>,
    devices: Vec<DeviceRow<'a>>,
}

#[derive(Serialize)]
struct Verdict {
    class: &'static str,
    text: String,
}

#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    scenario: &'a ScenarioRecord,
    class: &'static str,
    word: &'static str,
    why: &'a str,
    /// Where it is in the run, in percent.
    from: f64,
    share: f64,
    trouble: Vec<Trouble<'a>>,
    steps: Vec<StepRow<'a>>,
}

#[derive(Serialize)]
struct StepRow<'a> {
    text: &'a str,
    took: f64,
    class: &'static str,
    why: &'a str,
}

/// What one device said when something failed.
#[derive(Serialize)]
struct Trouble<'a> {
    device: &'a str,
    title: &'a str,
    logs: Option<&'a str>,
    excerpt: Vec<String>,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    text: String,
    trouble: bool,
}

#[derive(Serialize)]
struct Occasion<'a> {
    name: &'a str,
    charts: Vec<Chart<'a>>,
}

#[derive(Serialize)]
struct Chart<'a> {
    device: &'a str,
    ready: Option<f64>,
    svg: Value,
}

#[derive(Serialize)]
struct DeviceRow<'a> {
    name: &'a str,
    class: &'static str,
    memory: Vec<MemoryRow<'a>>,
    mib: f64,
}

#[derive(Serialize)]
struct MemoryRow<'a> {
    process: &'a str,
    mib: f64,
    /// Of the largest, in percent.
    share: f64,
}

pub fn page(run: &Run) -> Result<String> {
    let page = Page {
        run,
        verdict: verdict(run),
        topology: Value::from_safe_string(drawing::topology(run)?),
        scenarios: run.scenarios.iter().map(|scenario| row(run, scenario)).collect(),
        occasions: occasions(run)?,
        devices: run
            .devices
            .iter()
            .map(|device| DeviceRow {
                name: &device.name,
                class: state_class(&device.state),
                mib: device.memory.iter().map(|part| part.mib).sum(),
                memory: memory(&device.memory),
            })
            .collect(),
    };
    templates::render("report.html", &page)
}

fn verdict(run: &Run) -> Verdict {
    let count =
        |desired: fn(&PlayOutcome) -> bool| run.scenarios.iter().filter(|scenario| desired(&scenario.outcome)).count();
    let passed = count(|outcome| matches!(outcome, PlayOutcome::Passed));
    let failed = count(PlayOutcome::is_failure);
    let skipped = run.scenarios.len() - passed - failed;
    let mut parts = vec![format!("{passed} passed")];
    if failed > 0 {
        parts.insert(0, format!("{failed} failed"));
    }
    if skipped > 0 {
        parts.push(format!("{skipped} skipped"));
    }
    let (class, word) = match (run.interrupted, run.has_passed()) {
        (true, _) => ("wait", "Interrupted"),
        (false, true) => ("good", "Passed"),
        (false, false) => ("bad", "Failed"),
    };
    Verdict { class, text: format!("{word}: {}", parts.join(", ")) }
}

fn outcome(outcome: &PlayOutcome) -> (&'static str, &'static str, &str) {
    match outcome {
        PlayOutcome::Passed => ("good", "passed", ""),
        PlayOutcome::Failed(why) => ("bad", "failed", why),
        PlayOutcome::Skipped(why) => ("off", "skipped", why),
    }
}

fn row<'a>(run: &'a Run, scenario: &'a ScenarioRecord) -> Row<'a> {
    let (class, word, why) = outcome(&scenario.outcome);
    let whole = run.took.max(0.1);
    let mut evidence: Vec<&Evidence> = scenario.evidence.iter().collect();
    // The devices first that the failure is about.
    evidence.sort_by_key(|part| !why.contains(&part.device));
    let steps = scenario.steps.iter().map(|step| {
        let (class, _, why) = outcome(&step.outcome);
        StepRow { text: &step.text, took: step.took, class, why }
    });
    Row {
        scenario,
        class,
        word,
        why,
        from: (scenario.began / whole * 100.0).clamp(0.0, 100.0),
        share: (scenario.took / whole * 100.0).clamp(0.5, 100.0),
        trouble: evidence.into_iter().map(|part| trouble(run, part)).collect(),
        steps: steps.collect(),
    }
}

fn trouble<'a>(run: &'a Run, evidence: &'a Evidence) -> Trouble<'a> {
    // Programs colour what they take for a terminal's.
    let plain = strip_ansi_escapes::strip_str(&evidence.text);
    let line = |text: &str| Line { trouble: is_trouble(text), text: text.to_owned() };
    let lines: Vec<Line> = plain.lines().map(line).collect();
    let mut excerpt: Vec<String> = lines.iter().filter(|line| line.trouble).map(|line| line.text.clone()).collect();
    excerpt.drain(..excerpt.len().saturating_sub(EXCERPT));
    let device = run.devices.iter().find(|device| device.name == evidence.device);
    Trouble {
        device: &evidence.device,
        title: &evidence.title,
        logs: device.and_then(|device| device.logs.as_deref()),
        excerpt,
        lines,
    }
}

/// Whether a line of a log tells of something that went wrong: by its words, or as Kubernetes marks errors (`E0131 `).
fn is_trouble(line: &str) -> bool {
    let small = line.to_lowercase();
    let marked = line.split_whitespace().any(|word| {
        word.len() == 5 && word.starts_with(['E', 'F']) && word[1..].bytes().all(|byte| byte.is_ascii_digit())
    });
    !line.starts_with("$ ") && (marked || TROUBLE.iter().any(|word| small.contains(word)))
}

fn occasions(run: &Run) -> Result<Vec<Occasion<'_>>> {
    let mut all: Vec<Occasion<'_>> = Vec::new();
    for bring_up in &run.bring_ups {
        let name = bring_up.occasion.as_str();
        let beside = run.bring_ups.iter().filter(|other| other.occasion == name);
        let span = beside.map(gantt::span).fold(0.0, f64::max);
        let chart = Chart {
            device: &bring_up.device,
            ready: bring_up.ready.map(|ready| ready - bring_up.began),
            svg: Value::from_safe_string(gantt::chart(bring_up, span)?),
        };
        match all.iter_mut().find(|occasion| occasion.name == name) {
            Some(occasion) => occasion.charts.push(chart),
            None => all.push(Occasion { name, charts: vec![chart] }),
        }
    }
    Ok(all)
}

/// The largest, and the others added up.
fn memory(parts: &[ProcessMemory]) -> Vec<MemoryRow<'_>> {
    let largest = parts.first().map_or(1.0, |part| part.mib.max(0.1));
    let row = |process, mib: f64| MemoryRow { process, mib, share: (mib / largest * 100.0).min(100.0) };
    let (named, others) = parts.split_at(parts.len().min(PROCESSES));
    let mut rows: Vec<MemoryRow<'_>> = named.iter().map(|part| row(part.process.as_str(), part.mib)).collect();
    if !others.is_empty() {
        rows.push(row("others", others.iter().map(|part| part.mib).sum()));
    }
    rows
}
