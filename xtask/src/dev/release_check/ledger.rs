//! The ledger: a table in docs/ that people read, and that a later run goes on from.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use common::files;

/// The outcome that need not be asked for again.
pub const PASSED: &str = "passed";

const HEAD: &str = include_str!("head.txt");

pub struct Row {
    pub commit: String,
    pub check: String,
    pub outcome: String,
    pub took: String,
    pub date: String,
}

pub struct Ledger {
    file: PathBuf,
    rows: Vec<Row>,
}

impl Ledger {
    /// What there is of it; nothing where there is no file.
    pub fn read(file: &Path) -> Result<Ledger> {
        let text = if file.exists() { files::read_text(file)? } else { HEAD.to_owned() };
        let Some(table) = text.strip_prefix(HEAD) else {
            bail!("{}: it does not begin as a ledger does; take it from Git again", file.display());
        };
        let mut rows = vec![];
        for (index, line) in table.lines().enumerate() {
            let cells = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |"));
            let cells: Vec<&str> = cells.unwrap_or_default().split(" | ").collect();
            let [commit, check, outcome, took, date] = cells[..] else {
                let at = HEAD.lines().count() + index + 1;
                bail!("{}:{at}: a row has five cells; take the file from Git again", file.display());
            };
            let [commit, check, outcome, took, date] = [commit, check, outcome, took, date].map(str::to_owned);
            rows.push(Row { commit, check, outcome, took, date });
        }
        Ok(Ledger { file: file.to_owned(), rows })
    }

    /// What came of a check on a commit when it was run last.
    pub fn last(&self, commit: &str, check: &str) -> Option<&str> {
        let of_it = self.rows.iter().rev().find(|row| row.commit == commit && row.check == check);
        of_it.map(|row| row.outcome.as_str())
    }

    /// Adds a row and writes the file.
    pub fn add(&mut self, row: Row) -> Result<()> {
        self.rows.push(row);
        let mut text = HEAD.to_owned();
        for Row { commit, check, outcome, took, date } in &self.rows {
            text += &format!("| {commit} | {check} | {outcome} | {took} | {date} |\n");
        }
        files::write_atomically(&self.file, &text)?;
        Ok(())
    }
}
