//! What fetching answers: which blobs a source is made of, who gave them and what they were pinned by.

use common::Sha256;
use recipes::{DebianPackages, LockedPackage, Moving, Name, Origin, OriginKind, RelativePath};
use serde::{Deserialize, Serialize};

/// A source whose files are in the store. Small, and the same value for the same content, so that
/// it can name what is made from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    pub name: Name,
    pub version: String,
    pub answer: Answer,
    pub form: Form,
    /// In the order in which they are unpacked.
    pub files: Vec<BlobFile>,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub by: AnsweredBy,
    /// What a person calls it: a URL, a suite and packages, a path.
    pub description: String,
    /// What it was held against: a digest, a commit, exact versions.
    pub pin: String,
    /// What the lock file says was gone, and something else was taken in its place.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unlocked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnsweredBy {
    Https,
    Git,
    Debian,
    /// The user gave it: `--source NAME=PATH`.
    Local,
}

/// How a tree is made of the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// An archive of a directory: the directory is the tree, or `root` in it.
    Archive { root: Option<RelativePath> },
    /// An archive of a tree's content.
    Tree,
    /// The upstream archive, and Debian's archive of patches with those of them that are applied.
    DebianSource { patches: Vec<RelativePath> },
    /// Binary packages over each other; the tree is all of it, or `root` in it.
    DebianPackages { root: Option<RelativePath> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobFile {
    pub name: String,
    pub sha256: Sha256,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<FetchedPackage>,
}

/// A Debian binary package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedPackage {
    pub name: String,
    pub version: String,
    pub arch: String,
}

impl FetchedPackage {
    pub(crate) fn file_name(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version, self.arch)
    }
}

impl Answer {
    pub(crate) fn of(origin: &Origin, files: &[BlobFile]) -> Self {
        let by = match origin.kind() {
            OriginKind::Https => AnsweredBy::Https,
            OriginKind::Git => AnsweredBy::Git,
            OriginKind::Debian => AnsweredBy::Debian,
        };
        let description = match origin {
            Origin::Git(git) => git.url.clone(),
            other => other.to_string(),
        };
        let unlocked = match origin {
            Origin::DebianPackages(DebianPackages { moving: Some(moving), .. }) => !is_of_lock(moving, files),
            _ => false,
        };
        let pin = match origin {
            Origin::Https(https) => format!("sha256 {}", https.sha256),
            Origin::Git(git) => format!("commit {}", git.commit),
            Origin::DebianSource(source) => format!("version {}, sha256 of each file", source.version),
            Origin::DebianPackages(packages) => match &packages.moving {
                None => "version and sha256 of each package".to_owned(),
                Some(moving) => {
                    let by = if unlocked { "the suite's signature, not by the lock file" } else { "the lock file" };
                    format!("{} at {}, by {by}", moving.packages.join(", "), version(moving, files))
                }
            },
        };
        Answer { by, description, pin, unlocked }
    }
}

impl Form {
    pub(crate) fn of(origin: &Origin) -> Self {
        match origin {
            Origin::Https(https) => Form::Archive { root: https.root.clone() },
            Origin::Git(_) => Form::Tree,
            Origin::DebianSource(source) => Form::DebianSource { patches: source.patches.clone() },
            Origin::DebianPackages(packages) => Form::DebianPackages { root: packages.root.clone() },
        }
    }
}

fn is_of_lock(moving: &Moving, files: &[BlobFile]) -> bool {
    let is_there = |locked: &LockedPackage| files.iter().any(|file| file.sha256 == locked.sha256);
    !moving.locked.is_empty() && moving.locked.iter().all(is_there)
}

/// The one version that the packages have.
fn version<'f>(moving: &Moving, files: &'f [BlobFile]) -> &'f str {
    let is_named = |package: &&FetchedPackage| moving.packages.iter().any(|name| bare(name) == package.name);
    let package = files.iter().filter_map(|file| file.package.as_ref()).find(is_named);
    package.map_or("unknown", |package| &package.version)
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// A package's name without `:arch`.
fn bare(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}
