//! From a release to its steps: the one list that is printed, hashed, counted and carried out.

mod image;
mod licences;
mod one_program;
mod programs;
mod proofs;
mod publishing;
mod suite;
mod vex;

pub use self::{proofs::step_of_proof, vex::named_by_patches};

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};
use common::{Arch, Sha256};
use recipes::{Build, Component, Name, OriginKind, ProgramRecipe, Release, Source};

use crate::{
    host::Host,
    origin::BuildOrigin,
    rust_files,
    step::{Artifact, Fetch, HostTools, InputFile, PackageBuild, Packer, Step, TreeBuild, Unpack, Work},
    work::{
        go::commands,
        licences::STEP as LICENCES,
        packer::{PACKAGE, STEP as PACKER},
    },
};

/// Everything that a build depends on besides the recipes.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    pub arch: Arch,
    /// Only origins of this kind.
    pub only: Option<OriginKind>,
    /// Sources that the user gives: name -> tree or archive.
    pub source_overrides: BTreeMap<String, PathBuf>,
    /// The machine's own programs, for the provenance.
    pub host: Host,
    /// Which commit of this repository it is, and what else counts.
    pub origin: BuildOrigin,
    /// This repository: `rootfs/`, the Rust programs and their lock file.
    pub workspace: PathBuf,
}

/// The steps of a release, needs before the steps that need them, and what is desired of them.
#[derive(Debug, Clone)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub artifacts: Vec<Artifact>,
    /// Steps that must be in order although no file of theirs goes into dist/.
    pub gates: Vec<String>,
}

impl Plan {
    pub fn goals(&self) -> Vec<&str> {
        self.artifacts
            .iter()
            .map(|artifact| artifact.step.as_str())
            .chain(self.gates.iter().map(String::as_str))
            .collect()
    }

    /// The steps that fetch: what `cargo xtask fetch` runs.
    pub fn fetches(&self) -> Vec<&str> {
        let fetches = self.steps.iter().filter(|step| matches!(step.work, Work::Fetch(_) | Work::Crates(_)));
        fetches.map(|step| step.name.as_str()).collect()
    }
}

/// The plan for a release.
pub fn plan(release: &Release, request: &PlanRequest) -> Result<Plan> {
    let known: Vec<&str> = release.sources().map(|source| &*source.name).collect();
    if let Some(unknown) = request.source_overrides.keys().find(|name| !known.contains(&name.as_str())) {
        bail!("--source {unknown}=…: release {} has no such source; there are {}", release.name, known.join(", "));
    }
    Planner { release, request, steps: Vec::new(), host_tools: None }.plan()
}

struct Planner<'a> {
    release: &'a Release,
    request: &'a PlanRequest,
    steps: Vec<Step>,
    /// Looked for when the first step wants them.
    host_tools: Option<HostTools>,
}

impl Planner<'_> {
    fn plan(mut self) -> Result<Plan> {
        let release = self.release;
        for toolchain in &release.toolchains {
            self.fetch(&toolchain.source)?;
            let unpack = Work::Unpack(Unpack { source: toolchain.source.clone() });
            self.add(
                format!("unpack-{}", toolchain.source.name),
                unpack,
                &[format!("fetch-{}", toolchain.source.name)],
            );
        }
        self.rust()?;
        for component in &release.components {
            self.tree(component)?;
            for program in &component.programs {
                self.program(component, program)?;
            }
        }
        let workspace = self.request.workspace.clone();
        let packer = Packer { files: rust_files::of_package(&workspace, PACKAGE)?, workspace };
        let rootfs_directory = self.request.workspace.join("rootfs");
        let image = self.image(&image::around(&packer, &rootfs_directory)?)?;
        self.add(PACKER, Work::Packer(packer), &[]);
        self.licences(self.published("licences.txt"))?;
        self.add("image", Work::Image(image.0), &image.1);
        let rootfs = PackageBuild {
            version: release.version.clone(),
            arch: self.request.arch,
            source_date: release.source_date,
            rootfs: InputFile::below(&rootfs_directory)?,
            rootfs_directory,
        };
        self.add("rpm", Work::Package(rootfs), &["image".into(), PACKER.into(), LICENCES.into()]);
        self.publishing()
    }

    fn add(&mut self, name: impl Into<String>, work: Work, needs: &[String]) {
        let needs: Vec<&Step> = self.steps.iter().filter(|step| needs.contains(&step.name)).collect();
        let step = Step::new(name, work, &needs);
        self.steps.push(step);
    }

    fn host_tools(&mut self) -> Result<HostTools> {
        let tools = self.host_tools.take().map_or_else(HostTools::find, Ok)?;
        Ok(self.host_tools.insert(tools).clone())
    }

    fn fetch(&mut self, source: &Source) -> Result<()> {
        let digest = |path: &PathBuf| {
            Sha256::of_tree(path)
                .with_context(|| format!("--source {}={}: it cannot be read", source.name, path.display()))
        };
        let source_override = self.request.source_overrides.get(&*source.name).map(digest).transpose()?;
        let fetch = Work::Fetch(Fetch { source: source.clone(), only: self.request.only, source_override });
        self.add(format!("fetch-{}", source.name), fetch, &[]);
        Ok(())
    }

    fn tree(&mut self, component: &Component) -> Result<()> {
        let (Some(source), Some(import_path)) = (&component.source, &component.tree.import_path) else { return Ok(()) };
        self.fetch(source)?;
        let patches = component
            .tree
            .patches
            .iter()
            .map(|path| InputFile::new(path.file_name().unwrap_or_default().to_string_lossy(), path));
        let tree = TreeBuild {
            source: source.clone(),
            patches: patches.collect::<Result<_>>()?,
            import_path: import_path.clone(),
            aliases: component.tree.aliases.clone(),
            generators: component
                .tree
                .prepare
                .iter()
                .map(|prepare| (prepare.toolchain.clone(), commands::generator(prepare, import_path)))
                .collect(),
        };
        let mut needs = vec![format!("fetch-{}", source.name)];
        needs.extend(tree.generators.iter().map(|(toolchain, _)| format!("unpack-{toolchain}")));
        self.add(format!("tree-{}", component.name), Work::Tree(tree), &needs);
        Ok(())
    }
}

/// The step that builds a program.
fn step_of(program: &ProgramRecipe) -> String {
    match program.build {
        Build::Go(_) => format!("go-{}", program.name),
        Build::Rust(_) => format!("rust-{}", program.name),
    }
}

/// The step that makes a container image of a program.
fn archive_of(program: &Name) -> String {
    format!("container-image-{program}")
}
