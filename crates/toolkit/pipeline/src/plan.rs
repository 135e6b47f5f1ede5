//! From a release to its steps: the one list that is printed, hashed, counted and carried out.

mod licences;
mod publishing;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use common::{Arch, Sha256, digest::Hasher};
use recipes::{Build, Component, Name, OriginKind, ProgramRecipe, Release, Source};
use swix::release::{self, Probe, ReleaseInfo};

use crate::{
    host::Host,
    origin::BuildOrigin,
    rust_files,
    step::{
        Artifact, CheckRun, Checks, ContainerImage, Crates, Fetch, GoBuild, HostTools, ImageBuild, ImageItem,
        InputFile, PackageBuild, Packer, PlannedBuild, RustBuild, Step, Sysroot, TreeBuild, Unpack, Work,
    },
    work::{
        container_image::ARCHIVE,
        go::commands,
        licences::STEP as LICENCES,
        packer::{PACKAGE, STEP as PACKER},
        rust,
        sysroot::{self, NO_UNWIND},
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
        let image = self.image(&around(&packer, &rootfs_directory)?)?;
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
        self.add("rpm", Work::Package(rootfs), &["image".into(), PACKER.into()]);
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

    /// What the Rust programs are built with, for each toolchain that is asked for.
    fn rust(&mut self) -> Result<()> {
        let toolchains: BTreeSet<&Name> = self
            .release
            .programs()
            .filter_map(|(_, program)| match &program.build {
                Build::Rust(rust) => Some(&rust.toolchain),
                Build::Go(_) => None,
            })
            .collect();
        for name in toolchains {
            let (toolchain, arch, workspace) = (name.to_string(), self.request.arch, self.request.workspace.clone());
            let lock = InputFile::new("Cargo.lock", &workspace.join("Cargo.lock"))?;
            let needs = [format!("unpack-{name}")];
            let fetch = rust::commands::fetch(arch);
            let packages = self.release.programs().filter_map(|(_, program)| match &program.build {
                Build::Rust(rust) if rust.toolchain == *name => Some(&rust.package),
                _ => None,
            });
            let lists = packages.map(|package| rust::commands::list(package, arch)).collect();
            let crates = Crates { toolchain: toolchain.clone(), arch, lock, fetch, lists, workspace };
            self.add(format!("crates-{name}"), Work::Crates(crates), &needs);
            let no_unwind = Sha256::of_bytes(NO_UNWIND);
            let (commands, host_tools) = (sysroot::commands::sysroot(arch), self.host_tools()?);
            let sysroot = Sysroot { toolchain, arch, no_unwind, commands, host_tools };
            self.add(format!("sysroot-{name}"), Work::Sysroot(sysroot), &needs);
        }
        Ok(())
    }

    fn program(&mut self, component: &Component, program: &ProgramRecipe) -> Result<()> {
        let arch = program.operator.unwrap_or(self.request.arch);
        let built_by = step_of(program);
        match &program.build {
            Build::Go(go) => {
                let import_path = component.tree.import_path.clone().context("a Go program has no import path")?;
                let build = GoBuild {
                    name: program.name.to_string(),
                    component: component.name.to_string(),
                    arch,
                    go: go.clone(),
                    commands: commands::program(&program.name, go, &import_path, arch),
                    import_path,
                };
                let unpacked = std::iter::once(&go.toolchain).chain(&go.libraries).map(|name| format!("unpack-{name}"));
                let needs: Vec<String> = std::iter::once(format!("tree-{}", component.name)).chain(unpacked).collect();
                self.add(&built_by, Work::Go(build), &needs);
            }
            Build::Rust(rust) => {
                let toolchain = rust.toolchain.to_string();
                let (host_tools, workspace) = (self.host_tools()?, self.request.workspace.clone());
                let build =
                    RustBuild::new(&program.name, &rust.package, false, toolchain, arch, host_tools, workspace)?;
                let needs = ["unpack", "crates", "sysroot"].map(|kind| format!("{kind}-{}", rust.toolchain));
                self.add(&built_by, Work::Rust(build), &needs);
            }
        }
        let checks = program.checks.iter().map(|check| CheckRun::new(&program.name, check)).collect();
        let checks = Checks { program: program.name.to_string(), built_by: built_by.clone(), checks };
        self.add(format!("check-{}", program.name), Work::Check(checks), std::slice::from_ref(&built_by));
        for image in component.images.iter().filter(|image| image.program == program.name) {
            let archive = ContainerImage {
                program: program.name.to_string(),
                built_by: built_by.clone(),
                tag: image.tag.clone(),
                arch,
                source_date: self.release.source_date,
            };
            let needs = [built_by.clone(), format!("check-{}", program.name)];
            self.add(archive_of(&image.program), Work::ContainerImage(archive), &needs);
        }
        Ok(())
    }

    /// The image, and the steps that it takes its contents from. A program goes in only when its check has passed.
    fn image(&self, around: &Sha256) -> Result<(ImageBuild, Vec<String>)> {
        let mut items = Vec::new();
        let mut needs = vec![PACKER.to_owned(), LICENCES.to_owned()];
        for (_, program) in self.release.programs() {
            let Some(install) = &program.install else { continue };
            items.push(ImageItem {
                step: step_of(program),
                file: program.name.to_string(),
                path: install.path.clone(),
                links: install.links.clone(),
                mode: 0o755,
            });
            needs.extend([step_of(program), format!("check-{}", program.name)]);
        }
        for image in self.release.components.iter().flat_map(|component| &component.images) {
            let step = archive_of(&image.program);
            needs.push(step.clone());
            items.push(ImageItem {
                step,
                file: ARCHIVE.into(),
                path: image.install.clone(),
                links: vec![],
                mode: 0o644,
            });
        }
        let files = self.release.files.iter().map(|(from, place)| Ok((place.clone(), InputFile::new(&**place, from)?)));
        let image = ImageBuild {
            source_date: self.release.source_date,
            items,
            files: files.collect::<Result<_>>()?,
            info: self.release_info(),
            build: PlannedBuild {
                revision: self.release.revision,
                commit: self.request.origin.commit.clone(),
                besides: self.request.origin.besides.clone(),
                around: *around,
            },
        };
        Ok((image, needs))
    }

    /// What the image says of itself, and how its programs are asked for their versions.
    fn release_info(&self) -> ReleaseInfo {
        let mut probes = Vec::new();
        for (_, program) in self.release.programs() {
            let Some(install) = &program.install else { continue };
            for check in program.checks.iter().filter(|check| check.version) {
                let is_called = |path: &&recipes::RelativePath| {
                    let name = path.rsplit('/').next();
                    check.called.as_ref().is_some_and(|called| name == Some(called))
                };
                let path = install.links.iter().find(is_called).unwrap_or(&install.path);
                probes.push(Probe {
                    program: path.to_string(),
                    args: check.args.clone(),
                    env: check.env.clone(),
                    expect: check.prints.clone(),
                });
            }
        }
        let components = self.release.components.iter();
        ReleaseInfo {
            name: self.release.name.to_string(),
            version: self.release.version.clone(),
            arch: self.request.arch,
            build: None,
            components: components
                .map(|c| release::ReleaseComponent { name: c.name.to_string(), version: c.version.clone() })
                .collect(),
            probes,
        }
    }
}

/// The digest of what is packed around the image, and of what packs it.
fn around(packer: &Packer, rootfs: &Path) -> Result<Sha256> {
    let mut hasher = Hasher::default();
    hasher.field(serde_json::to_string(&packer.files)?.as_bytes());
    let rootfs = Sha256::of_tree(rootfs).with_context(|| format!("cannot read {}", rootfs.display()))?;
    hasher.field(rootfs.to_string().as_bytes());
    Ok(hasher.finish())
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
