//! A step: one value that is printed in the plan, hashed for the cache and carried out.

mod command_line;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::{Arch, Sha256, digest::Hasher};
use recipes::{Go, Name, OriginKind, RelativePath, Source};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use self::command_line::CommandLine;
pub(crate) use self::command_line::Places;
use crate::{code, host::Host, rust_files, work::rust};
pub use crate::{
    host_tools::HostTools,
    work::{
        check::CheckRun,
        go::commands::{Generator, GoCommands},
        rust::commands::RustCommands,
        sysroot::commands::SysrootCommands,
    },
};

#[derive(Debug, Clone)]
pub struct Step {
    /// Kind and subject, e.g. `go-hyperkube`: unique in a plan and safe as a file name.
    pub name: String,
    pub work: Work,
    /// The steps whose outputs are used.
    pub needs: Vec<String>,
}

/// A step with the key that it has in the cache. The key is known when everything that the step needs is made: what a need
/// made counts, and not how, so that a need that makes the same bytes as before leaves what was made of them as it is.
#[derive(Debug, Clone)]
pub struct KeyedStep<'a> {
    pub step: &'a Step,
    /// Everything that the output depends on. The key is the hash of exactly this.
    pub inputs: Value,
    pub key: Sha256,
}

impl Step {
    pub fn new(name: impl Into<String>, work: Work, needs: &[&Step]) -> Self {
        Step { name: name.into(), work, needs: needs.iter().map(|step| step.name.clone()).collect() }
    }

    /// What counts for the key besides the outputs of what the step needs: what is done, and the code that does it.
    pub fn own_inputs(&self) -> Map<String, Value> {
        Map::from_iter([("code".to_owned(), json!(code::of(&self.work))), ("work".to_owned(), json!(self.work))])
    }

    /// With its key, by the digests of what its needs made; or the first need that has not made anything yet.
    pub fn keyed(&self, output_of: impl Fn(&str) -> Option<Sha256>) -> Result<KeyedStep<'_>, String> {
        let output = |name: &String| Ok((name.clone(), json!(output_of(name).ok_or_else(|| name.clone())?)));
        let needs: Map<String, Value> = self.needs.iter().map(output).collect::<Result<_, String>>()?;
        let mut inputs = self.own_inputs();
        inputs.insert("needs".to_owned(), needs.into());
        let inputs = Value::from(inputs);
        let mut hasher = Hasher::default();
        hasher.field(inputs.to_string().as_bytes());
        Ok(KeyedStep { step: self, inputs, key: hasher.finish() })
    }
}

/// A file of this repository or of the recipes that a step reads: hashed by name and contents.
#[derive(Debug, Clone, Serialize)]
pub struct InputFile {
    pub name: String,
    pub sha256: Sha256,
    #[serde(skip)]
    pub path: PathBuf,
    pub executable: bool,
}

impl InputFile {
    pub fn new(name: impl Into<String>, path: &Path) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let sha256 = Sha256::of_file(path).with_context(|| format!("cannot read {}", path.display()))?;
        let executable = path.metadata()?.permissions().mode() & 0o100 != 0;
        Ok(InputFile { name: name.into(), sha256, path: path.to_owned(), executable })
    }

    /// Every file below a directory, named from there.
    pub fn below(directory: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
            let entry = entry.with_context(|| format!("cannot read {}", directory.display()))?;
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(directory)?.to_string_lossy();
                found.push(InputFile::new(name, entry.path())?);
            }
        }
        Ok(found)
    }
}

/// What a step does. Each field counts for the key, but for those that serde skips.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    Fetch(Fetch),
    Unpack(Unpack),
    Tree(TreeBuild),
    Go(GoBuild),
    Crates(Crates),
    Sysroot(Sysroot),
    Rust(RustBuild),
    Check(Checks),
    ContainerImage(ContainerImage),
    ProgramLicences(ProgramLicences),
    Licences(Licences),
    Image(ImageBuild),
    Packer(Packer),
    Package(PackageBuild),
    Swix(SwixBuild),
    Sbom(Sbom),
    Provenance(Provenance),
}

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

/// An archive that `docker load` takes, of one static program.
#[derive(Debug, Clone, Serialize)]
pub struct ContainerImage {
    pub program: String,
    /// The step whose output has the program.
    pub built_by: String,
    pub tag: String,
    pub arch: Arch,
    pub source_date: u32,
}

/// Compiles the program that writes the image, the RPM and the SWIX.
#[derive(Debug, Clone, Serialize)]
pub struct Packer {
    /// Its own files, so that what they would write otherwise is written anew.
    pub files: Vec<InputFile>,
    #[serde(skip)]
    pub workspace: PathBuf,
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
    /// What this workspace is under.
    pub own: InputFile,
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

/// The squashfs of everything that is read-only on the switch.
#[derive(Debug, Clone, Serialize)]
pub struct ImageBuild {
    pub source_date: u32,
    pub items: Vec<ImageItem>,
    pub files: Vec<(RelativePath, InputFile)>,
    /// What it says of itself, but for the build.
    pub info: swix::release::ReleaseInfo,
    pub build: PlannedBuild,
}

/// Which build it will be, but for its contents, which are known when all of them are there.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedBuild {
    pub revision: u32,
    pub commit: Option<String>,
    pub besides: Vec<String>,
    /// What the RPM puts beside the image, and the code that packs both.
    pub around: Sha256,
}

/// Something that another step made, and its place in the image.
#[derive(Debug, Clone, Serialize)]
pub struct ImageItem {
    pub step: String,
    /// Below that step's output.
    pub file: String,
    pub path: RelativePath,
    pub links: Vec<RelativePath>,
    pub mode: u16,
}

#[derive(Debug, Clone, Serialize)]
pub struct PackageBuild {
    pub version: String,
    pub arch: Arch,
    pub source_date: u32,
    /// What the package puts on the switch as it is; names are absolute paths there without the first slash.
    pub rootfs: Vec<InputFile>,
    #[serde(skip)]
    pub rootfs_directory: PathBuf,
}

#[derive(Debug, Clone, Serialize)]
pub struct SwixBuild {
    pub file_name: String,
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
    /// Everything else that is published.
    pub artifacts: Vec<Artifact>,
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
