//! What tells of programs: licences, the bill of materials, the provenance, and what is published.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use common::{Arch, Sha256};
use recipes::{Name, OriginKind, RelativePath};
use serde::Serialize;
use serde_json::Value;

use super::{CommandLine, HostTools, InputFile, PlannedBuild};
use crate::host::Host;

/// Which modules of a Go program need which.
#[derive(Debug, Clone, Serialize)]
pub struct ModuleGraph {
    pub program: String,
    /// The step that built it.
    pub step: String,
    pub component: String,
    pub import_path: RelativePath,
    pub aliases: Vec<RelativePath>,
    pub toolchain: Name,
    pub libraries: Vec<Name>,
    /// Prints what each of its packages imports.
    pub list: CommandLine,
}

/// Collects the licences of what is in a program.
#[derive(Debug, Clone, Serialize)]
pub struct ProgramLicences {
    pub of: LicencesOf,
    /// What this workspace's programs are under.
    pub own: InputFile,
    pub given: Vec<GivenLicence>,
    #[serde(skip)]
    pub workspace: PathBuf,
}

/// Puts the licences of what is in the programs together.
#[derive(Debug, Clone, Serialize)]
pub struct Licences {
    pub file_name: String,
    /// The release's.
    pub version: String,
    /// The steps that collected them, by program.
    pub steps: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct LicencesOf {
    pub name: String,
    /// The step that built it.
    pub step: String,
    pub component: String,
    pub version: String,
    pub license: String,
    pub purl: String,
    pub code: Code,
}

/// Where the code of a program was.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    Go(GoCode),
    Rust(RustCode),
}

#[derive(Debug, Clone, Serialize)]
pub struct GoCode {
    pub import_path: RelativePath,
    pub aliases: Vec<RelativePath>,
    pub toolchain: String,
    pub libraries: Vec<Name>,
}

#[derive(Debug, Clone, Serialize)]
pub struct RustCode {
    pub toolchain: String,
    pub fetch: CommandLine,
}

/// The text of what comes without one.
#[derive(Debug, Clone, Serialize)]
pub struct GivenLicence {
    pub of: Vec<String>,
    pub file: InputFile,
    pub reason: String,
}

/// The bill of materials of the programs in the image.
#[derive(Debug, Clone, Serialize)]
pub struct Sbom {
    pub file_name: String,
    pub version: String,
    pub source_date: u32,
    pub components: Vec<SbomComponent>,
    /// Has the crates' digests.
    pub lock: InputFile,
}

#[derive(Debug, Clone, Serialize)]
pub struct SbomComponent {
    pub name: String,
    pub version: String,
    pub license: String,
    pub purl: String,
    pub programs: Vec<SbomProgram>,
}

#[derive(Debug, Clone, Serialize)]
pub struct SbomProgram {
    pub name: String,
    /// The step that built it.
    pub step: String,
    /// The toolchain whose standard library it is linked with, if it is in Rust.
    pub rust_toolchain: Option<String>,
    /// The step that found which of its modules need which, if it is in Go.
    pub module_graph: Option<String>,
}

/// What is said of vulnerabilities in the programs, held against them.
#[derive(Debug, Clone, Serialize)]
pub struct Vex {
    pub file_name: String,
    /// The bill of materials that the step `sbom` makes.
    pub sbom: String,
    pub programs: Vec<VexProgram>,
    pub units: Vec<InputFile>,
    /// By component and file, with the vulnerabilities that each names.
    pub patches: BTreeMap<String, BTreeSet<String>>,
    /// The table, the statements, and our own code that these are about.
    pub files: Vec<InputFile>,
    #[serde(skip)]
    pub table: PathBuf,
    #[serde(skip)]
    pub statements: PathBuf,
    #[serde(skip)]
    pub workspace: PathBuf,
}

/// A Go program that is looked into.
#[derive(Debug, Clone, Serialize)]
pub struct VexProgram {
    pub name: String,
    /// The step that built it.
    pub step: String,
}

/// How what is published was made, and from what.
#[derive(Debug, Clone, Serialize)]
pub struct Provenance {
    pub file_name: String,
    pub release: String,
    pub version: String,
    pub arch: Arch,
    pub source_date: u32,
    pub only: Option<OriginKind>,
    /// The digests of the sources that the user gave.
    pub source_overrides: BTreeMap<String, Sha256>,
    pub lock: InputFile,
    pub host: Host,
    /// None where nothing is linked.
    pub host_tools: Option<HostTools>,
    /// What is published and said to be made so.
    pub artifacts: Vec<Artifact>,
    /// Which build it is, where there is no image that says so: of one program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<PlannedBuild>,
    /// The work of every step that compiles or packs, as it is in the plan.
    pub steps: Vec<(String, Value)>,
}

/// A file that goes into dist/.
#[derive(Debug, Clone, Serialize)]
pub struct Artifact {
    pub step: String,
    /// Below the step's output.
    pub file: String,
    pub name: String,
}
