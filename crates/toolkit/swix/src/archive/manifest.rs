//! `manifest.txt`: the format's version, the primary RPM and each RPM's SHA-1, one to a line.

use std::{fmt, str::FromStr};

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use sha1::Digest as _;

/// The only version of the format that there is.
const FORMAT: &str = "1";

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    pub primary_rpm: String,
    /// Names and digests, in order.
    pub rpms: Vec<(String, Sha1)>,
}

/// A SHA-1 digest: what EOS checks.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Sha1([u8; 20]);

/// What is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    #[error("it is not text")]
    NotText,
    #[error("line {line}, {text:?}: expected {expected}")]
    Line { line: usize, text: String, expected: &'static str },
    #[error("it is of format {0:?}; format 1 is the one that is known")]
    Format(String),
    #[error("it ends before {0}")]
    Missing(&'static str),
    #[error("the primary RPM {0} has no SHA-1")]
    PrimaryUnlisted(String),
    #[error("{0} is listed twice")]
    Twice(String),
}

impl Manifest {
    /// The manifest of RPMs, the first of which is the primary one.
    pub(super) fn of(rpms: &[(String, Vec<u8>)]) -> Result<Self> {
        let (primary, _) = rpms.first().context("a SWIX needs at least one RPM")?;
        for (number, (name, _)) in rpms.iter().enumerate() {
            ensure!(name.ends_with(".rpm"), "{name} cannot go into a SWIX: the name of an RPM ends with .rpm");
            ensure!(rpms[..number].iter().all(|(other, _)| other != name), "{name} is given twice");
        }
        let rpms = rpms.iter().map(|(name, bytes)| (name.clone(), Sha1::of(bytes))).collect();
        Ok(Manifest { primary_rpm: primary.clone(), rpms })
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "format: {FORMAT}")?;
        writeln!(f, "primaryRpm: {}", self.primary_rpm)?;
        self.rpms.iter().try_for_each(|(name, digest)| writeln!(f, "{name}-sha1: {digest}"))
    }
}

impl FromStr for Manifest {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let mut lines = text.lines().enumerate();
        let mut field = |key: &'static str, expected: &'static str| {
            let (index, line) = lines.next().ok_or(SyntaxError::Missing(expected))?;
            let value = line.strip_prefix(key).and_then(|rest| rest.strip_prefix(": "));
            value.ok_or(SyntaxError::Line { line: index + 1, text: line.to_owned(), expected })
        };
        let format = field("format", "`format: 1`")?;
        if format != FORMAT {
            return Err(SyntaxError::Format(format.to_owned()));
        }
        let primary_rpm = field("primaryRpm", "`primaryRpm: NAME.rpm`")?.to_owned();
        let mut rpms: Vec<(String, Sha1)> = Vec::new();
        for (index, line) in lines {
            let expected = "`NAME.rpm-sha1:` and 40 hexadecimal digits";
            let parts = line.split_once("-sha1: ").and_then(|(name, hex)| Some((name.to_owned(), Sha1::parse(hex)?)));
            let (name, digest) = parts.ok_or(SyntaxError::Line { line: index + 1, text: line.to_owned(), expected })?;
            if rpms.iter().any(|(other, _)| *other == name) {
                return Err(SyntaxError::Twice(name));
            }
            rpms.push((name, digest));
        }
        match rpms.iter().any(|(name, _)| *name == primary_rpm) {
            true => Ok(Manifest { primary_rpm, rpms }),
            false => Err(SyntaxError::PrimaryUnlisted(primary_rpm)),
        }
    }
}

impl Sha1 {
    pub fn of(bytes: &[u8]) -> Self {
        Sha1(sha1::Sha1::digest(bytes).into())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 20];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Sha1(bytes))
    }
}

impl fmt::Display for Sha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Sha1> for String {
    fn from(digest: Sha1) -> String {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "format: 1\nprimaryRpm: a.rpm\na.rpm-sha1: a9993e364706816aba3e25717850c26c9cd0d89d\n";

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        let manifest = Manifest::of(&[("a.rpm".to_owned(), b"abc".to_vec())]).unwrap();
        assert_eq!(manifest.to_string(), GOOD);
        assert_eq!(GOOD.parse::<Manifest>().unwrap(), manifest);
    }

    #[test]
    fn each_fault_is_named_with_its_line() {
        let faults = [
            ("", "ends before `format: 1`"),
            ("format: 1\n", "ends before `primaryRpm"),
            ("format: 2\n", "format \"2\""),
            ("fromat: 1\n", "line 1, \"fromat: 1\""),
            ("format: 1\nprimaryRpm: a.rpm\na.rpm-sha1: 12\n", "line 3"),
            ("format: 1\nprimaryRpm: a.rpm\n", "primary RPM a.rpm has no SHA-1"),
        ];
        for (text, expected) in faults {
            let error = text.parse::<Manifest>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        let twice = format!("{GOOD}a.rpm-sha1: a9993e364706816aba3e25717850c26c9cd0d89d\n");
        assert_eq!(twice.parse::<Manifest>(), Err(SyntaxError::Twice("a.rpm".into())));
    }
}
