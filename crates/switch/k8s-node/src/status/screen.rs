//! The status as one screen for a person.

use std::fmt::Write;

use contract::status::{StageState, Status};

/// A line of a stage is cut here; the journal has the whole of it.
const LINE: usize = 100;

pub fn render(status: &Status) -> String {
    let mut screen = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut screen, status);
    screen
}

fn write(out: &mut String, status: &Status) -> std::fmt::Result {
    let release = status.release.as_deref().unwrap_or("no release is mounted");
    let build = status.build.as_ref().map(|build| format!(", build {build}")).unwrap_or_default();
    let but = if status.is_ready() && !status.is_well() { ", but not all is well" } else { "" };
    writeln!(out, "{}: {}{but} (Kubernetes {release}{build})\n", status.node, status.state)?;
    for stage in &status.stages {
        let record = &stage.record;
        let state = match record.state {
            StageState::Waiting => "-",
            StageState::Running => "running",
            StageState::Done => "done",
            StageState::Failed => "FAILED",
        };
        let line = shortened(record.line.lines().next().unwrap_or_default());
        let seconds = if record.state == StageState::Done { format!("{:.1} s", record.seconds) } else { String::new() };
        writeln!(out, "  {:<14} {state:<8} {seconds:>8}  {line}", stage.stage)?;
    }
    if !status.services.is_empty() {
        writeln!(out)?;
    }
    for service in &status.services {
        let health = match service.healthy {
            Some(true) => "healthy",
            Some(false) => "NOT HEALTHY",
            None => "",
        };
        writeln!(out, "  {:<24} {:<12} {health}", service.service, service.state)?;
    }
    if !status.certificates.is_empty() {
        writeln!(out)?;
    }
    for certificate in &status.certificates {
        let days = certificate.days_left.map(|days| format!("{days} days left")).unwrap_or_default();
        writeln!(out, "  {:<30} {days:<16} {}", certificate.credential.name(), certificate.state)?;
    }
    if let Some(hash) = &status.ca_hash {
        writeln!(out, "\n  for [join] of those that are to join: ca_hash = \"{hash}\"")?;
    }
    if !status.conditions.is_empty() {
        writeln!(out)?;
    }
    for condition in &status.conditions {
        writeln!(out, "  {:<20} {:<8} {}", condition.kind, condition.status, condition.reason)?;
    }
    for (title, lines) in [("problems", &status.problems), ("remarks", &status.remarks)] {
        if !lines.is_empty() {
            writeln!(out, "\n{title}:")?;
        }
        for line in lines {
            writeln!(out, "  {}", line.replace('\n', "\n    "))?;
        }
    }
    Ok(())
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_serves_while_something_is_wrong_says_so_in_its_first_line() {
        let status = |problems: &[&str]| -> Status {
            serde_json::from_value(serde_json::json!({
                "node": "veos-b", "release": "1.20.2", "state": "ready", "stages": [], "services": [],
                "certificates": [], "conditions": [], "problems": problems, "remarks": ["the flash is small"],
            }))
            .unwrap()
        };
        let screen = render(&status(&["DiskPressure: none left"]));
        assert!(screen.starts_with("veos-b: ready, but not all is well (Kubernetes 1.20.2)\n"), "{screen}");
        assert!(
            screen.ends_with("problems:\n  DiskPressure: none left\n\nremarks:\n  the flash is small\n"),
            "{screen}"
        );
        assert!(render(&status(&[])).starts_with("veos-b: ready (Kubernetes 1.20.2)\n"));
    }

    #[test]
    fn a_long_line_shows_that_it_was_cut() {
        assert_eq!(shortened("short"), "short");
        let long = "é".repeat(LINE + 1);
        assert_eq!(shortened(&long), format!("{}…", "é".repeat(LINE)));
    }
}
