//! What fetching answers: which blobs a source is made of, who gave them and what they were pinned by.

use common::Sha256;
use recipes::{Name, Origin, OriginKind, RelativePath};
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
        let pin = match origin {
            Origin::Https(https) => format!("sha256 {}", https.sha256),
            Origin::Git(git) => format!("commit {}", git.commit),
            Origin::DebianSource(source) => format!("version {}, sha256 of each file", source.version),
            Origin::DebianPackages(packages) => match &packages.moving {
                None => "version and sha256 of each package".to_owned(),
                Some(moving) => {
                    let moved = |file: &&BlobFile| {
                        let package = file.package.as_ref();
                        package.is_some_and(|package| moving.packages.iter().any(|name| bare(name) == package.name))
                    };
                    let version = files.iter().find(moved).and_then(|file| file.package.as_ref());
                    let version = version.map_or("unknown", |package| &package.version);
                    format!("{} at {version}, by the suite's signature", moving.packages.join(", "))
                }
            },
        };
        Answer { by, description, pin }
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

/// A package's name without `:arch`.
fn bare(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}
