//! One page for people: nothing in it comes from elsewhere, and whatever devices said is escaped.

use anyhow::Result;
use serde_json::{Value, json};

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

pub fn page(run: &Run) -> Result<String> {
    let devices = run.devices.iter().map(|device| {
        json!({
            "name": device.name,
            "class": state_class(&device.state),
            "mib": device.memory.iter().map(|part| part.mib).sum::<f64>(),
            "memory": memory(&device.memory),
        })
    });
    let page = json!({
        "run": run,
        "verdict": verdict(run),
        "topology": drawing::topology(run)?,
        "scenarios": run.scenarios.iter().map(|scenario| row(run, scenario)).collect::<Vec<_>>(),
        "occasions": occasions(run)?,
        "devices": devices.collect::<Vec<_>>(),
    });
    templates::render("report.html", &page)
}

fn verdict(run: &Run) -> Value {
    let count =
        |desired: fn(&PlayOutcome) -> bool| run.scenarios.iter().filter(|scenario| desired(&scenario.outcome)).count();
    let passed = count(|outcome| matches!(outcome, PlayOutcome::Passed));
    let failed = count(PlayOutcome::is_failure);
    let not_possible = count(|outcome| matches!(outcome, PlayOutcome::NotPossible(_)));
    let skipped = run.scenarios.len() - passed - failed - not_possible;
    let mut parts = vec![format!("{passed} passed")];
    if failed > 0 {
        parts.insert(0, format!("{failed} failed"));
    }
    if skipped > 0 {
        parts.push(format!("{skipped} skipped"));
    }
    if not_possible > 0 {
        parts.push(format!("{not_possible} not possible here"));
    }
    let (class, word) = match (run.interrupted, run.has_passed()) {
        (true, _) => ("wait", "Interrupted"),
        (false, true) => ("good", "Passed"),
        (false, false) => ("bad", "Failed"),
    };
    json!({ "class": class, "text": format!("{word}: {}", parts.join(", ")) })
}

fn class(outcome: &PlayOutcome) -> &'static str {
    match outcome {
        PlayOutcome::Passed => "good",
        PlayOutcome::Failed(_) => "bad",
        PlayOutcome::Skipped(_) | PlayOutcome::NotPossible(_) => "off",
    }
}

fn row(run: &Run, scenario: &ScenarioRecord) -> Value {
    let (word, why) = scenario.outcome.told();
    let whole = run.took.max(0.1);
    let mut evidence: Vec<&Evidence> = scenario.evidence.iter().collect();
    // The devices first that the failure is about.
    evidence.sort_by_key(|part| !why.contains(&part.device));
    let steps = scenario.steps.iter().map(|step| {
        let (_, why) = step.outcome.told();
        json!({ "text": step.text, "took": step.took, "class": class(&step.outcome), "why": why })
    });
    json!({
        "scenario": scenario,
        "class": class(&scenario.outcome),
        "word": word,
        "why": why,
        // Where it is in the run, in percent.
        "from": (scenario.began / whole * 100.0).clamp(0.0, 100.0),
        "share": (scenario.took / whole * 100.0).clamp(0.5, 100.0),
        "trouble": evidence.into_iter().map(|part| trouble(run, part)).collect::<Vec<_>>(),
        "steps": steps.collect::<Vec<_>>(),
    })
}

/// What one device said when something failed.
fn trouble(run: &Run, evidence: &Evidence) -> Value {
    // Programs colour what they take for a terminal's.
    let plain = strip_ansi_escapes::strip_str(&evidence.text);
    let lines: Vec<Value> = plain.lines().map(|text| json!({ "text": text, "trouble": is_trouble(text) })).collect();
    let mut excerpt: Vec<&str> = plain.lines().filter(|line| is_trouble(line)).collect();
    excerpt.drain(..excerpt.len().saturating_sub(EXCERPT));
    let device = run.devices.iter().find(|device| device.name == evidence.device);
    let logs = device.and_then(|device| device.logs.as_deref());
    json!({ "device": evidence.device, "title": evidence.title, "logs": logs, "excerpt": excerpt, "lines": lines })
}

/// Whether a line of a log tells of something that went wrong: by its words, or as Kubernetes marks errors (`E0131 `).
fn is_trouble(line: &str) -> bool {
    let small = line.to_lowercase();
    let marked = line.split_whitespace().any(|word| {
        word.len() == 5 && word.starts_with(['E', 'F']) && word[1..].bytes().all(|byte| byte.is_ascii_digit())
    });
    !line.starts_with("$ ") && (marked || TROUBLE.iter().any(|word| small.contains(word)))
}

fn occasions(run: &Run) -> Result<Vec<Value>> {
    let mut all: Vec<(&str, Vec<Value>)> = Vec::new();
    for bring_up in &run.bring_ups {
        let name = bring_up.occasion.as_str();
        let beside = run.bring_ups.iter().filter(|other| other.occasion == name);
        let span = beside.map(gantt::span).fold(0.0, f64::max);
        let ready = bring_up.ready.map(|ready| ready - bring_up.began);
        let chart = json!({ "device": bring_up.device, "ready": ready, "svg": gantt::chart(bring_up, span)? });
        match all.iter_mut().find(|(occasion, _)| *occasion == name) {
            Some((_, charts)) => charts.push(chart),
            None => all.push((name, vec![chart])),
        }
    }
    Ok(all.into_iter().map(|(name, charts)| json!({ "name": name, "charts": charts })).collect())
}

/// The largest, and the others added up; each with its share of the largest, in percent.
fn memory(parts: &[ProcessMemory]) -> Vec<Value> {
    let largest = parts.first().map_or(1.0, |part| part.mib.max(0.1));
    let row = |process: &str, mib: f64| json!({ "process": process, "mib": mib, "share": (mib / largest * 100.0).min(100.0) });
    let (named, others) = parts.split_at(parts.len().min(PROCESSES));
    let mut rows: Vec<Value> = named.iter().map(|part| row(&part.process, part.mib)).collect();
    if !others.is_empty() {
        rows.push(row("others", others.iter().map(|part| part.mib).sum()));
    }
    rows
}
