//! What came of each claim: a line each while it goes on, and a table at the end.

use std::time::Duration;

use pipeline::Proven;

use super::claims::Claim;

pub enum Outcome {
    Proven(Proven),
    /// It is said, and not shown.
    Said(String),
    Not(String),
}

pub struct Row<'a> {
    pub claim: Claim<'a>,
    pub outcome: Outcome,
    pub took: Duration,
}

impl Row<'_> {
    /// Whether something is said of it that no test shows, and no reason why none can.
    pub fn is_wrong(&self) -> bool {
        match &self.outcome {
            Outcome::Proven(proven) => is_weak(proven),
            Outcome::Said(_) => false,
            Outcome::Not(_) => true,
        }
    }

    pub fn line(&self) -> String {
        let what = match &self.outcome {
            Outcome::Proven(proven) if is_weak(proven) => {
                format!(
                    "IS NOT SHOWN: {}, and no test fails: give it one, or say in the statement's `proof` why none can",
                    without(proven)
                )
            }
            Outcome::Proven(proven) => format!("holds: {}", without(proven)),
            Outcome::Said(reason) => format!("is said, and not shown: {reason}"),
            Outcome::Not(why) => format!("DOES NOT HOLD: {why}"),
        };
        format!("{:<15} {what} ({:.1} s)", self.claim.ids, self.took.as_secs_f64())
    }
}

/// Whether it is shown by no test that runs.
fn is_weak(proven: &Proven) -> bool {
    proven.fail_without.is_empty()
}

/// What is so without the patch.
fn without(proven: &Proven) -> String {
    let mut words = Vec::new();
    if !is_weak(proven) {
        let names: Vec<&str> = proven.fail_without.iter().map(String::as_str).collect();
        let fail = if names.len() == 1 { "fails" } else { "fail" };
        words.push(format!("{} {fail} without the patch", names.join(", ")));
    }
    for not_built in &proven.not_built {
        let package = not_built.package.rsplit("/vendor/").next().unwrap_or_default();
        words.push(format!("the tests of {package} do not compile without its {}", not_built.symbol));
    }
    if !proven.also_without.is_empty() {
        words.push(format!("{} was taken back with it", proven.also_without.join(", ")));
    }
    words.join("; ")
}

/// How many of each kind there are.
pub fn counts(rows: &[Row]) -> String {
    let count = |is: &dyn Fn(&Outcome) -> bool| rows.iter().filter(|row| is(&row.outcome)).count();
    format!(
        "{} shown by tests that fail without the patch, {} too weakly by tests that do not compile without it, {} said with a reason, {} not shown",
        count(&|outcome| matches!(outcome, Outcome::Proven(proven) if !is_weak(proven))),
        count(&|outcome| matches!(outcome, Outcome::Proven(proven) if is_weak(proven))),
        count(&|outcome| matches!(outcome, Outcome::Said(_))),
        count(&|outcome| matches!(outcome, Outcome::Not(_))),
    )
}

pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "# What is fixed, without its patch and with it\n\nWritten by `cargo xtask audit --prove`. {}.\n\n\
         | vulnerability | patch | without it | with it | took |\n| --- | --- | --- | --- | --- |\n",
        counts(rows)
    );
    for Row { claim, outcome, took } in rows {
        let (bare, whole) = match outcome {
            Outcome::Proven(proven) => {
                let as_with = match proven.pass_without.len() {
                    0 => String::new(),
                    1 => "; another passes".to_owned(),
                    many => format!("; {many} others pass"),
                };
                let weakly = if is_weak(proven) { "not shown: " } else { "" };
                (format!("{weakly}{}{as_with}", without(proven)), "all pass".to_owned())
            }
            Outcome::Said(reason) => (format!("not run: {reason}"), "not run".to_owned()),
            Outcome::Not(why) => (format!("does not hold: {why}"), "-".to_owned()),
        };
        let (bare, took) = (bare.replace('|', "\\|").replace('\n', " "), took.as_secs_f64());
        text += &format!("| {} | {} | {bare} | {whole} | {took:.1} s |\n", claim.ids, claim.patch);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(patch: &str, outcome: Outcome) -> Row<'_> {
        Row { claim: Claim { ids: "CVE-2021-1".into(), patch, reason: None }, outcome, took: Duration::from_secs(2) }
    }

    #[test]
    fn what_is_shown_is_told_apart_from_what_is_weaker_and_what_is_said() {
        let failing = Proven { fail_without: ["TestA".to_owned()].into(), ..Proven::default() };
        let not_built = pipeline::NotBuilt { package: "a.org/vendor/b.org/c".into(), symbol: "limit".into() };
        let weak = Proven { not_built: vec![not_built], ..Proven::default() };
        let rows = [
            row("a/1.patch", Outcome::Proven(failing)),
            row("a/2.patch", Outcome::Proven(weak)),
            row("a/3.patch", Outcome::Said("By hand.".into())),
            row("a/4.patch", Outcome::Not("it passes".into())),
        ];
        let lines: Vec<String> = rows.iter().map(Row::line).collect();
        assert!(lines[0].contains("holds: TestA fails without the patch (2.0 s)"), "{lines:?}");
        assert!(
            lines[1].contains("IS NOT SHOWN: the tests of b.org/c do not compile without its limit, and no test fails"),
            "{lines:?}"
        );
        assert_eq!(rows.iter().map(Row::is_wrong).collect::<Vec<_>>(), [false, true, false, true]);
        assert!(lines[3].contains("DOES NOT HOLD: it passes"), "{lines:?}");
        let table = table(&rows);
        assert!(
            table.contains("1 shown by tests that fail without the patch, 1 too weakly by tests that do not"),
            "{table}"
        );
        assert!(table.contains("| CVE-2021-1 | a/3.patch | not run: By hand. | not run | 2.0 s |"), "{table}");
    }
}
