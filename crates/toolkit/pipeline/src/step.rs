//! A step: one value that is printed in the plan, hashed for the cache and carried out.

mod command_line;
mod compiling;
mod packing;
mod papers;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{Sha256, digest::Hasher};
use serde::Serialize;
use serde_json::{Map, Value, json};

pub(crate) use self::command_line::Places;
pub use self::{
    command_line::CommandLine,
    compiling::{
        Checks, Crates, Fetch, GoBuild, Packer, Proof, RustBuild, SuiteFiles, SuiteProgram, Sysroot, TreeBuild, Unpack,
    },
    packing::{ContainerImage, ImageBuild, ImageItem, PackageBuild, PlannedBuild, SwixBuild},
    papers::{
        Artifact, Code, GivenLicence, GoCode, Licences, LicencesOf, ModuleGraph, ProgramLicences, Provenance, RustCode,
        Sbom, SbomComponent, SbomProgram, Vex, VexProgram,
    },
};
use crate::code;
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
    /// Which file it is, and when anything of it was changed last, which nobody can set back: one that was another for a while, and
    /// has its contents again, is told.
    #[serde(skip)]
    pub change: (u64, i64, i64),
}

impl InputFile {
    pub fn new(name: impl Into<String>, path: &Path) -> Result<Self> {
        use std::os::unix::fs::MetadataExt;
        // First, so that a change while it is read is told later.
        let metadata = path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
        let sha256 = Sha256::of_file(path).with_context(|| format!("cannot read {}", path.display()))?;
        let executable = metadata.mode() & 0o100 != 0;
        let change = (metadata.ino(), metadata.ctime(), metadata.ctime_nsec());
        Ok(InputFile { name: name.into(), sha256, path: path.to_owned(), executable, change })
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
    ModuleGraph(ModuleGraph),
    ProgramLicences(ProgramLicences),
    Licences(Licences),
    Image(ImageBuild),
    Packer(Packer),
    Package(PackageBuild),
    Swix(SwixBuild),
    Sbom(Sbom),
    Vex(Vex),
    Provenance(Provenance),
    SuiteFiles(SuiteFiles),
    SuiteProgram(SuiteProgram),
    Proof(Proof),
}
