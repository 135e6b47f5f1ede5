//! A command as the plan knows it: hashed, printed and recorded as it stands, and run with nothing around it but what it says.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::command::Program;
use serde::Serialize;

/// Directories that only a run knows stand in it by their names in braces: `{out}`, `{scratch}`, `{tree}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandLine {
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// The directory it is run in.
    pub directory: String,
}

impl CommandLine {
    pub fn new(directory: &str, argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let argv = argv.into_iter().map(Into::into).collect();
        CommandLine { argv, env: BTreeMap::from([("LC_ALL".into(), "C".into())]), directory: directory.to_owned() }
    }

    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Ready to run. `purpose` completes "is required to …" and "cannot …".
    pub(crate) fn program(&self, places: &Places, purpose: &str) -> Result<Program> {
        let (program, args) = self.argv.split_first().context("a command line is empty")?;
        let mut ready = Program::new(places.fill(program), purpose)?.empty_env();
        for arg in args {
            ready = ready.arg(places.fill(arg));
        }
        for (name, value) in &self.env {
            ready = ready.env(name, places.fill(value));
        }
        Ok(ready.dir(Path::new(&places.fill(&self.directory))))
    }
}

/// Where a run has what the names in braces stand for.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<(String, String)>);

impl Places {
    pub(crate) fn with(mut self, name: &str, path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let text =
            path.to_str().with_context(|| format!("{} is not UTF-8: set KOE_CACHE to another", path.display()))?;
        self.0.push((format!("{{{name}}}"), text.to_owned()));
        Ok(self)
    }

    /// Only names that there are here are replaced: a Go template has braces, too.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            filled += &rest[..at];
            let here = &rest[at..];
            rest = match self.0.iter().find(|(name, _)| here.starts_with(name.as_str())) {
                Some((name, path)) => {
                    filled += path;
                    &here[name.len()..]
                }
                None => {
                    filled.push('{');
                    &here[1..]
                }
            };
        }
        filled + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_runs_with_what_it_says_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let places = Places::default().with("scratch", directory.path()).unwrap();
        let command = CommandLine::new("{scratch}", ["/usr/bin/env"]).env("AT", "{scratch}/x:{y}");
        let printed = command.program(&places, "print the environment").unwrap().read().unwrap();
        let at = directory.path().display();
        assert_eq!(printed, format!("AT={at}/x:{{y}}\nLC_ALL=C\n"));
    }

    #[test]
    fn a_place_s_own_name_is_not_filled_again() {
        let places = Places::default().with("out", "/a/{tree}").unwrap().with("tree", "/b").unwrap();
        assert_eq!(places.fill("{out}:{tree}:{{.ImportPath}}"), "/a/{tree}:/b:{{.ImportPath}}");
    }
}
