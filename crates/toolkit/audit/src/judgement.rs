//! Each vulnerability that a bill of materials has, with what is said of it and whether that holds, and all that is wrong.

use crate::{
    bill::{Bill, Part},
    check::Check,
    evidence::Evidence,
    statements::{Said, Statement},
    table::{Table, Vulnerability},
};

/// A vulnerability in one part.
#[derive(Debug)]
pub struct Finding<'a> {
    pub vulnerability: &'a Vulnerability,
    pub part: &'a Part,
    pub verdict: Verdict<'a>,
}

#[derive(Debug)]
pub enum Verdict<'a> {
    Said(&'a Said),
    /// What is said does not hold, so that it is affected.
    Refuted(String),
    /// Nothing is said.
    Unknown,
}

/// What was found, and what is wrong: a line each.
#[derive(Debug)]
pub struct Judgement<'a> {
    pub findings: Vec<Finding<'a>>,
    pub problems: Vec<String>,
}

/// Holds the bill against the table, and the statements against the evidence.
pub fn judge<'a>(bill: &'a Bill, table: &'a Table, statements: &'a [Statement], evidence: &Evidence) -> Judgement<'a> {
    let mut findings = Vec::new();
    let mut problems = Vec::new();
    let mut is_used = vec![false; statements.len()];
    for vulnerability in &table.vulnerabilities {
        for part in bill.with(vulnerability, &table.aliases) {
            let about = statements.iter().enumerate();
            let about: Vec<(usize, &Statement)> =
                about.filter(|(_, statement)| statement.is_about(vulnerability.ids(), &part.purl)).collect();
            about.iter().for_each(|(at, _)| is_used[*at] = true);
            let of = format!("{} in {}", vulnerability.id, part.purl);
            let verdict = match about[..] {
                [] => {
                    let fixed = vulnerability.range.fixed().last().map_or("nowhere".to_owned(), ToString::to_string);
                    problems.push(format!("{of}: nothing is said of it (fixed in {fixed}): write a statement"));
                    Verdict::Unknown
                }
                [(_, statement)] => match refute(&statement.said, vulnerability, part, evidence) {
                    Ok(()) => Verdict::Said(&statement.said),
                    Err(why) => {
                        problems.push(format!("{of}: what {} says does not hold: {why}", statement.file));
                        Verdict::Refuted(why)
                    }
                },
                [(_, one), (_, other), ..] => {
                    let why = format!("two statements, in {} and {}: keep one", one.file, other.file);
                    problems.push(format!("{of}: {why}"));
                    Verdict::Refuted(why)
                }
            };
            findings.push(Finding { vulnerability, part, verdict });
        }
    }
    for (statement, is_used) in statements.iter().zip(is_used) {
        for id in statement.ids.iter().filter(|id| !table.knows(id)) {
            problems.push(format!(
                "{}: nothing is known of {id}: add it to the table, or take the statement out",
                statement.file
            ));
        }
        if !is_used && statement.ids.iter().all(|id| table.knows(id)) {
            let ids = statement.ids.join(", ");
            problems.push(format!(
                "{}: no part of the bill of materials has {ids}: take the statement out",
                statement.file
            ));
        }
    }
    findings.sort_by(|one, other| key(one).cmp(&key(other)));
    Judgement { findings, problems }
}

/// By year and number.
fn key<'a>(finding: &Finding<'a>) -> (Vec<u32>, &'a str, &'a str) {
    let id = &finding.vulnerability.id;
    (id.split('-').filter_map(|word| word.parse().ok()).collect(), id, &finding.part.purl)
}

/// Why what is said does not hold.
fn refute(said: &Said, of: &Vulnerability, part: &Part, evidence: &Evidence) -> Result<(), String> {
    let hold = |checks: &[Check]| {
        checks.iter().try_for_each(|check| check.hold(of, part, evidence)).map_err(|error| format!("{error:#}"))
    };
    match said {
        Said::Fixed { patch, checks, .. } => match evidence.patches.get(patch) {
            None => Err(format!(
                "the patch {patch} was not applied: it is not in its component's series, or what was built is older than it is"
            )),
            Some(named) if !of.ids().any(|id| named.contains(id)) => {
                Err(format!("the patch {patch} says nothing of {}, in its name or in its message", of.id))
            }
            Some(_) => hold(checks),
        },
        Said::NotAffected { checks, .. } if checks.is_empty() => {
            Err("it has no check that a machine can make, so it counts as affected".to_owned())
        }
        Said::NotAffected { checks, .. } => hold(checks),
        Said::Affected { .. } => Ok(()),
    }
}

impl Finding<'_> {
    /// In one word, as OpenVEX has it.
    pub fn status(&self) -> &'static str {
        match &self.verdict {
            Verdict::Said(Said::Fixed { .. }) => "fixed",
            Verdict::Said(Said::NotAffected { .. }) => "not_affected",
            Verdict::Said(Said::Affected { .. }) | Verdict::Refuted(_) => "affected",
            Verdict::Unknown => "under_investigation",
        }
    }
}
