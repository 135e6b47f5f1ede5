//! dist/ verified on any machine, with nothing but what is in it and a public key:
//!
//! 1. the signatures of SHA256SUMS and of every statement, where there is a key ([`Trust::Key`])
//! 2. every file of the list is there with its digest, and nothing else is
//! 3. every file is the subject of a statement with the same digest, and every subject is there
//! 4. each SWIX is whole ([`swix::inspect`]) and of the build that its statement is about
//! 5. each program in it is in the bill of materials, by its digest
//!
//! Without a key this shows damage alone: whoever changes a file can change the list as well.

mod listed;
mod made;

use std::{
    io,
    path::{Path, PathBuf},
};

use common::{Progress, Sha256};
use contract::Build;
use swix::inspect::InspectError;

use crate::{
    STATEMENT, SUMS,
    signature::{PublicKey, SignatureError},
};

/// What the list of digests is held against.
pub enum Trust<'a> {
    /// Its signature by this key, and those of the statements.
    Key(&'a PublicKey),
    /// Nothing.
    DigestsOnly,
}

/// What was found right.
#[derive(Debug)]
pub struct Verified {
    pub files: Vec<Listed>,
    pub builds: Vec<Made>,
    /// Directories and hidden files, which no build publishes: nothing is said of them.
    pub beside: Vec<String>,
}

/// A file of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    pub sha256: Sha256,
}

/// What a statement is about.
#[derive(Debug)]
pub struct Made {
    pub statement: String,
    pub version: String,
    pub build: Build,
}

#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("{} cannot be read: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{} is no regular file, as all are that a build publishes", .0.display())]
    NoFile(PathBuf),
    #[error("{} has no {SUMS}: it is no dist/ of a build", .0.display())]
    NoSums(PathBuf),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("line {0} of {SUMS} is not a digest and the name of a file")]
    Line(usize),
    #[error("{SUMS} lists {0} twice")]
    Twice(String),
    #[error("{0} is missing, and {SUMS} lists it")]
    Missing(String),
    #[error("{name} is not what {SUMS} lists: its SHA-256 is {found}{}", swapped.as_ref().map(|other| format!(", that of {other}: were they swapped?")).unwrap_or_default())]
    Changed { name: String, found: Sha256, swapped: Option<String> },
    #[error("{} {} not in {SUMS}: whatever was put there, no build published it", names.join(", "), if names.len() == 1 { "is" } else { "are" })]
    Extra { names: Vec<String> },
    #[error("nothing says how it was made: {SUMS} lists no *{STATEMENT}: build it again, and it is told")]
    NoStatement,
    #[error("{file} is no provenance of this toolkit: {why}")]
    Statement { file: String, why: String },
    #[error(
        "nothing says how {0} was made: it is the subject of no *{STATEMENT}: build it again, or remove it and its line of {SUMS}"
    )]
    Unmade(String),
    #[error("{statement} is about {name}, which {SUMS} does not list")]
    Gone { statement: String, name: String },
    #[error(
        "{statement} is about another {name} than is there: if a later build put that there, build again what {statement} tells \
         of, or publish the two builds into directories of their own"
    )]
    Other { statement: String, name: String },
    #[error(transparent)]
    Swix(Box<InspectError>),
    #[error("{swix} says that it is {found}, and {statement} that it is {stated}")]
    Build { swix: String, found: String, statement: String, stated: String },
    #[error("{statement} is about no bill of materials, *{}, and so nobody says what is in {swix}", made::SBOM)]
    NoSbom { statement: String, swix: String },
    #[error("{file} is no bill of materials: {why}")]
    Sbom { file: String, why: String },
    #[error("{program} in {swix} is not in {sbom} by its digest")]
    Program { program: String, swix: String, sbom: String },
}

/// Verifies everything that a build published into `dist`.
pub fn verify(dist: &Path, trust: &Trust<'_>, progress: &dyn Progress) -> Result<Verified, VerifyError> {
    let sums = match read(&dist.join(SUMS)) {
        Err(VerifyError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound && dist.is_dir() => {
            return Err(VerifyError::NoSums(dist.to_owned()));
        }
        read => read?,
    };
    if let Trust::Key(key) = trust {
        key.verify(&dist.join(SUMS), &sums)?;
    }
    let files = listed::parse(&sums)?;
    let beside = listed::all_there_and_no_other(dist, &files)?;
    let builds = made::verify(dist, &files, trust, progress)?;
    Ok(Verified { files, builds, beside })
}

/// Nobody waits at a pipe, and what a link leads to is not what was published.
fn require_file(path: &Path) -> Result<(), VerifyError> {
    match path.symlink_metadata() {
        Ok(found) if !found.is_file() => Err(VerifyError::NoFile(path.to_owned())),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, VerifyError> {
    require_file(path)?;
    std::fs::read(path).map_err(|error| VerifyError::Read { path: path.to_owned(), error })
}
