//! An in-toto statement with SLSA's provenance, version 1: <https://slsa.dev/spec/v1.0/provenance>. It has no time and no place of a
//! machine in it, so that the same build writes the same bytes.

use std::collections::BTreeMap;

use common::{Arch, Sha256};
use contract::Build;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub const TYPE: &str = "https://in-toto.io/Statement/v1";
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// Where it is written what the parameters mean.
pub const BUILD_TYPE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/provenance.md");

/// Who builds: `cargo xtask build-swix`, on whatever machine. Nobody vouches for that machine but who signs.
pub const BUILDER: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/tree/main/xtask");

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    pub kind: String,
    /// What was made.
    pub subject: Vec<Resource>,
    pub predicate_type: String,
    pub predicate: Provenance,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    pub build_definition: BuildDefinition,
    pub run_details: RunDetails,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    pub build_type: String,
    pub external_parameters: External,
    pub internal_parameters: Internal,
    /// What it was made from.
    pub resolved_dependencies: Vec<Resource>,
}

/// What the one who builds chooses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct External {
    /// The release as its recipes name it.
    pub release: String,
    pub arch: Arch,
    /// The only kind of origin, where one was asked for.
    pub origin: Option<String>,
    /// Sources of one's own, by the digest of their trees.
    pub sources: BTreeMap<String, Sha256>,
}

/// What follows from the repository.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Internal {
    pub version: String,
    /// As in the SWIX' own `release.json`.
    pub build: Build,
    pub source_date: String,
    /// What was done, with arguments and flags, and what came of it.
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    /// The digest of its output, where that is kept until the end.
    pub output: Option<Sha256>,
    pub work: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetails {
    pub builder: Builder,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    pub id: String,
    /// The machine's programs that leave nothing of themselves in what is built.
    pub version: BTreeMap<String, String>,
}

/// in-toto's resource descriptor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    pub digest: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Resource {
    pub fn of_sha256(name: impl Into<String>, sha256: &Sha256) -> Self {
        let digest = [("sha256".to_owned(), sha256.to_string())].into();
        Resource { name: name.into(), digest, ..Resource::default() }
    }

    pub fn sha256(&self) -> Option<Sha256> {
        self.digest.get("sha256")?.parse().ok()
    }
}

impl Statement {
    pub fn new(subject: Vec<Resource>, predicate: Provenance) -> Self {
        Statement { kind: TYPE.to_owned(), subject, predicate_type: PREDICATE_TYPE.to_owned(), predicate }
    }

    /// The file's content.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// A statement of ours.
    pub fn from_json(json: &[u8]) -> Result<Self, String> {
        let statement: Statement = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let predicate = &statement.predicate.build_definition.build_type;
        for (what, found, known) in [
            ("_type", &statement.kind, TYPE),
            ("predicateType", &statement.predicate_type, PREDICATE_TYPE),
            ("buildType", predicate, BUILD_TYPE),
        ] {
            if found != known {
                return Err(format!("its {what} is {found:?}, and {known:?} is expected"));
            }
        }
        Ok(statement)
    }
}
