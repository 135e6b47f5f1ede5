//! What is wrong in cluster.toml: each with its line and with what to do.

//!
//! No value is repeated that could be the token, wherever in the file it has got to: what is said here goes into the journal.

use std::{fmt, ops::Range};

/// No release has taken a token that is as short.
const LONGEST_SHOWN: usize = 15;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Counted from 1; none where something is missing altogether.
    pub line: Option<usize>,
    pub problem: String,
    pub fix: String,
}

/// Everything that is wrong in one file.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    pub file: String,
    pub errors: Vec<ConfigError>,
}

/// A value or a name of the file, for a message.
pub(super) fn shown(written: &str) -> String {
    match written.chars().count() {
        length if length > LONGEST_SHOWN => format!("({length} characters)"),
        _ => format!("{written:?}"),
    }
}

/// What serde says, without the value or key in it where that is too long to be shown.
pub(super) fn without_long(message: &str) -> String {
    let known = [", expected ", ", there are no "].into_iter().find_map(|behind| message.rfind(behind));
    let (found, known) = message.split_at(known.unwrap_or(message.len()));
    let Some(begin) = found.find(['`', '"']) else { return message.to_owned() };
    let (kind, written) = found.split_at(begin + 1);
    let quote = &kind[begin..];
    let written = written.strip_suffix(quote).unwrap_or(written);
    if written.chars().count() <= LONGEST_SHOWN { message.to_owned() } else { format!("{kind}…{quote}{known}") }
}

impl ConfigError {
    pub(super) fn at(text: &str, place: Range<usize>, problem: impl Into<String>, fix: impl Into<String>) -> Self {
        let before = &text.as_bytes()[..place.start.min(text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        ConfigError { line: Some(line), problem: problem.into(), fix: fix.into() }
    }

    pub(super) fn missing(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        ConfigError { line: None, problem: problem.into(), fix: fix.into() }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, ConfigError { line, problem, fix }) in self.errors.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            write!(f, "{separator}{}{line}: {problem}; {fix}", self.file)?;
        }
        Ok(())
    }
}
