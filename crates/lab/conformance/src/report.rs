//! What came of a run: every spec that was asked for, as a table for people and as JUnit's XML.

use std::{fmt::Write, path::Path, time::Duration};

use anyhow::Result;
use common::files;

use crate::{images::StandIns, junit};

const JUNIT: &str = "junit_01.xml";
const TABLE: &str = "table.md";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// With what the suite said.
    Failed(String),
    /// The suite itself found that it is not for this cluster, and said why.
    Skipped(String),
    /// It was asked for, and did not come to its end.
    NotRun,
}

#[derive(Debug, Clone)]
pub struct Spec {
    pub name: String,
    pub took: Duration,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub struct Report {
    pub specs: Vec<Spec>,
    pub took: Duration,
    /// Why not all of it was run.
    pub cut_short: Option<String>,
}

/// What a reader has to know of a run beside its specs.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// When it began, as people write it.
    pub date: String,
    /// Of which commit the suite is, with what else counts.
    pub suite: String,
    /// Which one, and of which commit.
    pub swix: String,
    /// The command that repeats it.
    pub command: String,
    /// The topology and its cluster.toml.
    pub lab: String,
}

impl Report {
    fn count(&self, is: fn(&Outcome) -> bool) -> usize {
        self.specs.iter().filter(|spec| is(&spec.outcome)).count()
    }

    /// What the suite skips with a reason is no fault, and is told.
    pub fn has_passed(&self) -> bool {
        let is_bad = |outcome: &Outcome| matches!(outcome, Outcome::Failed(_) | Outcome::NotRun);
        self.cut_short.is_none() && self.count(is_bad) == 0
    }

    /// In a line.
    pub fn summary(&self) -> String {
        let passed = self.count(|outcome| *outcome == Outcome::Passed);
        let failed = self.count(|outcome| matches!(outcome, Outcome::Failed(_)));
        let skipped = self.count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        let not_run = self.count(|outcome| *outcome == Outcome::NotRun);
        let (all, took) = (self.specs.len(), self.took.as_secs());
        format!(
            "{passed} of {all} specs passed, {failed} failed, {skipped} skipped themselves, {not_run} were not run; {} min {} s",
            took / 60,
            took % 60
        )
    }

    /// Writes both into a directory.
    pub fn write(&self, directory: &Path, circumstances: &Circumstances, images: &StandIns) -> Result<()> {
        files::write_atomically(&directory.join(JUNIT), junit::xml("conformance", self.took, &self.specs)?)?;
        files::write_atomically(&directory.join(TABLE), self.table(circumstances, images))
    }

    fn table(&self, circumstances: &Circumstances, images: &StandIns) -> String {
        let Circumstances { date, suite, swix, command, lab } = circumstances;
        let mut text = format!("{}\n\n", self.summary());
        if let Some(why) = &self.cut_short {
            let _ = writeln!(text, "It was cut short: {}\n", in_a_cell(why));
        }
        let _ = writeln!(text, "- {date}, {swix}\n- the suite is {suite}\n- {lab}\n- again: `{command}`\n");
        text += "| spec | outcome | s |\n| --- | --- | ---: |\n";
        let mut specs: Vec<&Spec> = self.specs.iter().collect();
        // What did not pass first.
        specs.sort_by_key(|spec| (spec.outcome == Outcome::Passed, &spec.name));
        for spec in specs {
            let outcome = match &spec.outcome {
                Outcome::Passed => "passed".to_owned(),
                Outcome::Failed(why) => format!("**failed**: {}", in_a_cell(first_words(why))),
                Outcome::Skipped(why) => format!("skipped: {}", in_a_cell(first_words(why))),
                Outcome::NotRun => "**not run**".to_owned(),
            };
            let _ = writeln!(text, "| {} | {outcome} | {:.0} |", in_a_cell(&spec.name), spec.took.as_secs_f64());
        }
        text += "\nNone of the images is upstream's. These of ours stood in for them:\n\n| upstream's image | stand-in |\n| --- | --- |\n";
        for (of, by) in images.told() {
            let _ = writeln!(text, "| {of} | {by} |");
        }
        if !images.missing.is_empty() {
            let _ = writeln!(text, "\nNothing stood in for these: {}.", images.missing.join(", "));
        }
        text
    }
}

/// The suite says first where it was, and then what was wrong.
fn first_words(why: &str) -> &str {
    let is_place = |line: &&str| line.contains(".go:") && !line.contains(' ');
    why.lines().find(|line| !line.trim().is_empty() && !is_place(line)).unwrap_or(why)
}

fn in_a_cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, outcome: Outcome) -> Spec {
        Spec { name: name.into(), took: Duration::from_secs(3), outcome }
    }

    #[test]
    fn a_run_passes_only_where_all_that_was_asked_for_has() {
        let report = |specs: Vec<Spec>, cut_short: Option<&str>| Report {
            specs,
            took: Duration::from_secs(61),
            cut_short: cut_short.map(str::to_owned),
        };
        let good = || spec("a", Outcome::Passed);
        assert!(report(vec![good()], None).has_passed());
        assert!(!report(vec![good()], Some("interrupted")).has_passed());
        assert!(!report(vec![good(), spec("b", Outcome::Failed("x".into()))], None).has_passed());
        let cut = report(vec![good(), spec("b", Outcome::NotRun)], None);
        assert!(!cut.has_passed());
        assert_eq!(cut.summary(), "1 of 2 specs passed, 0 failed, 0 skipped themselves, 1 were not run; 1 min 1 s");
        assert!(report(vec![good(), spec("b", Outcome::Skipped("no cloud".into()))], None).has_passed());
    }

    #[test]
    fn the_table_begins_with_what_did_not_pass_and_names_the_stand_ins() {
        let specs = vec![
            spec("[sig-a] a", Outcome::Passed),
            spec("[sig-b] b | c", Outcome::Failed("test/b.go:12\nfirst\nsecond".into())),
        ];
        let report = Report { specs, took: Duration::from_secs(6), cut_short: None };
        let circumstances = Circumstances {
            date: "2026-11-30".into(),
            suite: "of commit abc".into(),
            swix: "x.swix, commit def".into(),
            command: "cargo xtask conformance".into(),
            lab: "k8s.yml with cluster.toml".into(),
        };
        let table = report.table(&circumstances, &StandIns::for_tests(&["upstream/a:1"], &["upstream/b:1"]));
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| [")).collect();
        assert_eq!(rows, [r"| [sig-b] b \| c | **failed**: first | 3 |", "| [sig-a] a | passed | 3 |"]);
        assert!(table.contains("x.swix, commit def\n- the suite is of commit abc\n- k8s.yml with"), "{table}");
        assert!(
            table.contains("| upstream/a:1 | ") && table.contains("Nothing stood in for these: upstream/b:1."),
            "{table}"
        );
    }
}
