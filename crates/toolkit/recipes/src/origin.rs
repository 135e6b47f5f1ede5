//! Where a source comes from: a list of origins, each with a pin of its own.

use std::{fmt, str::FromStr};

use common::Sha256;
use serde::{Deserialize, Serialize};

use crate::{
    lock::LockedPackage,
    text::{Commit, Name, RelativePath},
};

/// A named, versioned thing to fetch. The first origin that answers is used.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    pub name: Name,
    pub version: String,
    pub origins: Vec<Origin>,
    /// Files that are in every tree of this source: what tells a tree that a user gives from another.
    pub markers: Vec<RelativePath>,
}

/// In a recipe: `[[origin]]` with one key that names the kind, e.g. `git = { url = "…", commit = "…" }`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Https(Https),
    Git(Git),
    DebianSource(DebianSource),
    DebianPackages(DebianPackages),
}

/// An archive (`.tar.gz`, `.tar.xz`) whose bytes are pinned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Https {
    pub url: String,
    pub sha256: Sha256,
    /// Only this directory of the archive is used.
    pub root: Option<RelativePath>,
}

/// One commit of a repository; Git verifies the tree against it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Git {
    pub url: String,
    pub commit: Commit,
}

/// A Debian source package by exact version: the upstream archive and, if desired, Debian's patches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DebianSource {
    pub suite: String,
    pub package: Name,
    pub version: String,
    /// The upstream archive, and the `.debian.tar.xz` if patches of Debian's are to be applied.
    pub files: Vec<DebianFile>,
    /// Which of Debian's patches are applied, in this order: files of `debian/patches`.
    #[serde(default)]
    pub patches: Vec<RelativePath>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianFile {
    pub name: String,
    pub sha256: Sha256,
}

/// Debian binary packages, unpacked over each other into one tree.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DebianPackages {
    /// The suite that does not change once it is released: everything out of it is pinned.
    #[serde(default)]
    pub pinned: Vec<DebianPackage>,
    /// The suite of the packages in `pinned`.
    pub suite: String,
    /// A suite that moves (security updates): which packages are taken of it. All of them must have one version.
    pub moving: Option<Moving>,
    /// Only this directory of the unpacked packages is used.
    pub root: Option<RelativePath>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DebianPackage {
    pub name: String,
    pub version: String,
    pub arch: String,
    pub sha256: Sha256,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Moving {
    pub suite: String,
    pub packages: Vec<String>,
    /// Beginnings of the names of dependencies that are fetched along, from whichever suite has them.
    #[serde(default)]
    pub with_dependencies: Vec<String>,
    #[serde(default)]
    pub when_gone: WhenGone,
    /// What is taken: the lock file beside the recipe says it.
    #[serde(skip_deserializing)]
    pub locked: Vec<LockedPackage>,
}

/// What is done where no mirror has a locked package any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenGone {
    /// The origin has no answer.
    #[default]
    Fail,
    /// What the suite has now is taken, by apt's signature; the build says that it is not locked.
    Newest,
}

/// The kinds that `--origin` chooses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OriginKind {
    Https,
    Git,
    Debian,
}

impl OriginKind {
    pub const ALL: [OriginKind; 3] = [OriginKind::Https, OriginKind::Git, OriginKind::Debian];
}

impl Origin {
    pub fn kind(&self) -> OriginKind {
        match self {
            Origin::Https(_) => OriginKind::Https,
            Origin::Git(_) => OriginKind::Git,
            Origin::DebianSource(_) | Origin::DebianPackages(_) => OriginKind::Debian,
        }
    }
}

/// What a person calls it, with its pin.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Https(https) => f.write_str(&https.url),
            Origin::Git(git) => write!(f, "{} at {}", git.url, git.commit),
            Origin::DebianSource(source) => {
                write!(f, "Debian {} source package {} {}", source.suite, source.package, source.version)
            }
            Origin::DebianPackages(packages) => match (&packages.moving, packages.pinned.as_slice()) {
                (Some(moving), _) => write!(f, "Debian {} packages {}", moving.suite, moving.packages.join(", ")),
                (None, [only]) => write!(f, "Debian {} package {} {}", packages.suite, only.name, only.version),
                (None, [first, rest @ ..]) => {
                    write!(f, "Debian {} packages {} and {} more", packages.suite, first.name, rest.len())
                }
                (None, []) => write!(f, "no Debian packages"),
            },
        }
    }
}

impl fmt::Display for OriginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OriginKind::Https => "https",
            OriginKind::Git => "git",
            OriginKind::Debian => "debian",
        })
    }
}

impl FromStr for OriginKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = OriginKind::ALL.into_iter().find(|kind| kind.to_string() == text);
        known.ok_or_else(|| format!("unknown kind of origin {text:?}: expected https, git or debian"))
    }
}
