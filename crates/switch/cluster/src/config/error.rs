//! What is wrong in cluster.toml: each with its line and with what to do.

use std::{fmt, ops::Range};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Counted from 1; none where something is missing altogether.
    pub line: Option<usize>,
    pub problem: String,
    pub fix: String,
}

/// Everything that is wrong in one file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    pub file: String,
    pub errors: Vec<ConfigError>,
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
