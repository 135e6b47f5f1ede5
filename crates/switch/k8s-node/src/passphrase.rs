//! Passphrases: out of a file, standard input or the terminal, and never out of the arguments, which everybody on the switch sees.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
};

use age::secrecy::{ExposeSecret, SecretString};
use anyhow::{Context, Result, bail, ensure};
use common::terminal::ask_unseen;

/// Whoever has a file can guess for as long as he likes.
const SHORTEST: usize = 12;
const LONGEST: u64 = 4096;

/// Where one comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passphrase {
    /// Its first line.
    File(PathBuf),
    StandardInput,
    Asked,
}

impl Passphrase {
    /// Of `--passphrase-file`.
    pub fn of_argument(value: OsString) -> Passphrase {
        if value == "-" { Passphrase::StandardInput } else { Passphrase::File(value.into()) }
    }

    /// A new one, asked for twice where a person types it.
    pub fn choose(&self) -> Result<SecretString> {
        let chosen = self.read("A passphrase for this backup: ")?;
        let length = chosen.expose_secret().chars().count();
        ensure!(
            length >= SHORTEST,
            "the passphrase has {length} characters, and a backup's could be guessed for years: take {SHORTEST} or more"
        );
        if *self == Passphrase::Asked && self.read("Once more: ")?.expose_secret() != chosen.expose_secret() {
            bail!("the two are not the same: nothing was done");
        }
        Ok(chosen)
    }

    /// One that there is already.
    pub fn ask(&self) -> Result<SecretString> {
        self.read("The backup's passphrase: ")
    }

    fn read(&self, prompt: &str) -> Result<SecretString> {
        match self {
            Passphrase::File(file) => {
                let open = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
                first_line(open).with_context(|| format!("{} has no passphrase", file.display()))
            }
            Passphrase::StandardInput => first_line(io::stdin().lock()).context("standard input has no passphrase"),
            Passphrase::Asked => {
                ask_unseen(prompt, "give --passphrase-file FILE, or - for standard input").map(Into::into)
            }
        }
    }
}

fn first_line(from: impl Read) -> Result<SecretString> {
    let mut line = String::new();
    BufReader::new(from.take(LONGEST)).read_line(&mut line).context("it cannot be read as UTF-8 text")?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    let line = line.strip_suffix('\r').unwrap_or(line);
    ensure!(!line.is_empty(), "its first line is empty");
    Ok(line.to_owned().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_counts_and_a_short_one_is_refused_for_a_new_backup() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("passphrase");
        let of = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Passphrase::File(file.clone())
        };
        let passphrase = of("correct horse battery\r\nno part of it\n").choose().unwrap();
        assert_eq!(passphrase.expose_secret(), "correct horse battery");
        assert_eq!(of("short").ask().unwrap().expose_secret(), "short");
        let error = format!("{:#}", of("short").choose().unwrap_err());
        assert!(error.contains("take 12 or more") && !error.contains("short"), "{error}");
        let error = format!("{:#}", of("\n").ask().unwrap_err());
        assert!(error.ends_with("passphrase has no passphrase: its first line is empty"), "{error}");
    }
}
