//! What brings sources, and what compiles and checks programs.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::Result;
use common::{Arch, Sha256};
use recipes::{Go, Name, OriginKind, RelativePath, Source};
use serde::Serialize;

use super::{CheckRun, CommandLine, Generator, GoCommands, HostTools, InputFile, RustCommands, SysrootCommands};
use crate::{rust_files, work::rust};

/// Brings a source into the blob store; the output says which origin answered.
#[derive(Debug, Clone, Serialize)]
pub struct Fetch {
    pub source: Source,
    pub only: Option<OriginKind>,
    /// The digest of the tree or archive that the user gives instead. Keys are made with the name that it began with.
    #[serde(rename = "brought")]
    pub source_override: Option<Sha256>,
}

/// Unpacks a toolchain.
#[derive(Debug, Clone, Serialize)]
pub struct Unpack {
    pub source: Source,
}

/// Unpacks a component into the shape of a GOPATH, patches it and runs its generators.
#[derive(Debug, Clone, Serialize)]
pub struct TreeBuild {
    pub source: Source,
    pub patches: Vec<InputFile>,
    pub import_path: RelativePath,
    pub aliases: Vec<RelativePath>,
    /// What generates code in it, each with its toolchain.
    pub generators: Vec<(Name, Generator)>,
}

#[derive(Debug, Clone, Serialize)]
pub struct GoBuild {
    pub name: String,
    pub component: String,
    pub arch: Arch,
    pub go: Go,
    pub import_path: RelativePath,
    pub commands: GoCommands,
}

/// Holds the tests of a tree against its source's archive, and makes the one file that is added to them.
#[derive(Debug, Clone, Serialize)]
pub struct SuiteFiles {
    pub source: Source,
    pub component: String,
    pub import_path: RelativePath,
    pub tests: RelativePath,
    pub images: RelativePath,
    pub toolchain: Name,
    pub generator: Generator,
    /// From the top of the tree.
    pub makes: RelativePath,
}

/// Compiles a program of a component's suite.
#[derive(Debug, Clone, Serialize)]
pub struct SuiteProgram {
    pub name: String,
    pub component: String,
    pub arch: Arch,
    pub toolchain: Name,
    pub import_path: RelativePath,
    /// The step that made the file that is added to the tree, and the file.
    pub files: String,
    pub added: RelativePath,
    pub compile: CommandLine,
}

/// Shows that a patch of a tree fixes something: the tests that it brings fail without it, and pass with it.
#[derive(Debug, Clone, Serialize)]
pub struct Proof {
    pub component: String,
    pub import_path: RelativePath,
    pub toolchain: Name,
    pub libraries: Vec<Name>,
    /// All that was applied to the tree, in order, and which of these it is about.
    pub series: Vec<InputFile>,
    pub patch: String,
    /// Makes the program of a package's tests.
    pub compile: CommandLine,
    pub run: CommandLine,
}

/// Brings the crates of the lock file into Cargo's cache.
#[derive(Debug, Clone, Serialize)]
pub struct Crates {
    pub toolchain: String,
    pub arch: Arch,
    pub lock: InputFile,
    pub fetch: CommandLine,
    /// What lists the crates of each program: it wants some more.
    pub lists: Vec<CommandLine>,
    #[serde(skip)]
    pub workspace: PathBuf,
}

/// Builds Rust's standard library for static programs.
#[derive(Debug, Clone, Serialize)]
pub struct Sysroot {
    pub toolchain: String,
    pub arch: Arch,
    /// The stand-in for libunwind.
    pub no_unwind: Sha256,
    pub commands: SysrootCommands,
    pub host_tools: HostTools,
}

#[derive(Debug, Clone, Serialize)]
pub struct RustBuild {
    pub name: String,
    pub arch: Arch,
    pub toolchain: String,
    pub package: String,
    /// It is an example of the package, of the program's name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub example: bool,
    /// The package's own files, those of the workspace's packages that it depends on, and Cargo.lock.
    pub files: Vec<InputFile>,
    /// The digest of the files of each of these packages.
    pub members: BTreeMap<String, Sha256>,
    pub fetch: CommandLine,
    pub commands: RustCommands,
    pub host_tools: HostTools,
    /// What places the list of its crates in it.
    pub auditable: Sha256,
    #[serde(skip)]
    pub workspace: PathBuf,
}

impl RustBuild {
    /// A program or an example of a package of this workspace.
    pub fn new(
        name: &str,
        package: &str,
        example: bool,
        toolchain: String,
        arch: Arch,
        host_tools: HostTools,
        workspace: PathBuf,
    ) -> Result<Self> {
        let packages = rust_files::members(&workspace, package)?;
        let files = rust_files::of_members(&workspace, &packages)?;
        let members = rust_files::digests(&packages, &files)?;
        let commands = rust::commands::program(name, package, example, members.keys().map(String::as_str), arch);
        Ok(RustBuild {
            name: name.to_owned(),
            arch,
            toolchain,
            package: package.to_owned(),
            example,
            files,
            members,
            fetch: rust::commands::fetch(arch),
            commands,
            host_tools,
            auditable: Sha256::of_bytes(rust::auditable::SOURCE),
            workspace,
        })
    }
}

/// Runs a program once for each of its checks.
#[derive(Debug, Clone, Serialize)]
pub struct Checks {
    pub program: String,
    /// The step whose output has the program.
    pub built_by: String,
    pub checks: Vec<CheckRun>,
}

/// Compiles the program that writes the image, the RPM and the SWIX.
#[derive(Debug, Clone, Serialize)]
pub struct Packer {
    /// Its own files, so that what they would write otherwise is written anew.
    pub files: Vec<InputFile>,
    #[serde(skip)]
    pub workspace: PathBuf,
}
