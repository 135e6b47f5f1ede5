//! The tables at the end, as plain text.

use crate::record::{DeviceRecord, Figure, Run, ScenarioRecord};

/// Scenarios, figures and devices.
pub fn all(run: &Run) -> String {
    let scenarios = run.scenarios.iter().map(scenario).chain([total(run)]);
    let mut tables = vec![table(&["scenario", "", "took", ""], scenarios)];
    if !run.figures.is_empty() {
        tables.push(table(&["figure", "", "how"], run.figures.iter().map(figure)));
    }
    tables.push(table(&["device", "state", "what it is", "addresses"], run.devices.iter().map(device)));
    tables.join("\n")
}

fn scenario(scenario: &ScenarioRecord) -> Vec<String> {
    let (word, why) = scenario.outcome.told();
    let word = if scenario.outcome.is_failure() { word.to_uppercase() } else { word.to_owned() };
    let first_line = why.lines().next().unwrap_or_default().to_owned();
    vec![scenario.name.clone(), word, format!("{:.1} s", scenario.took), first_line]
}

/// The whole run, with what is between the scenarios.
fn total(run: &Run) -> Vec<String> {
    let word = if run.has_passed() { "passed" } else { "FAILED" };
    vec!["all".to_owned(), word.to_owned(), format!("{:.1} s", run.took), String::new()]
}

fn figure(figure: &Figure) -> Vec<String> {
    vec![figure.name.clone(), format!("{:.1} {}", figure.value, figure.unit), figure.how.clone()]
}

fn device(device: &DeviceRecord) -> Vec<String> {
    vec![device.name.clone(), device.state.clone(), device.identity.clone(), device.addresses.join(", ")]
}

/// Columns as wide as their widest cell, the last one as it is.
fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn the_tables_name_scenarios_figures_and_devices_in_columns() {
        let text = all(&samples::failed());
        assert!(text.contains("\nrouting   passed             12.5 s\n"), "{text}");
        assert!(text.contains("\nbring-up  FAILED             60.0 s  veos-l1 is not ready after 60 s:\n"), "{text}");
        assert!(text.contains("\nall       FAILED   "), "{text}");
        assert!(text.contains("\nupgrade   not possible here  0.0 s   it wants 3 workers\n"), "{text}");
        assert!(text.contains("\nbring-up  61.5 s  from install to ready\n"), "{text}");
        assert!(text.contains("\nveos-l1  failed"), "{text}");
    }
}
