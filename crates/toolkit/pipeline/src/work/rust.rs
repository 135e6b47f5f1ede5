//! Compiles one of this workspace's programs for the switch: static, stripped, with no path of this
//! machine in it.
//!
//! The output is `<program>` and `modules.json`: the crates that the program is made of.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};
use common::{Arch, files};
use sources::FetchMode;

use crate::{
    modules::Module,
    step::{Crates, RustBuild},
    work::{Job, sysroot::Compiler},
};

/// Cargo's profile for programs that go onto the switch.
const PROFILE: &str = "switch";

/// Brings the crates that the lock file names into Cargo's own cache, which verifies them.
pub(crate) fn fetch_crates(job: &Job, work: &Crates) -> Result<()> {
    let task = job.busy();
    task.doing("asking Cargo for crates");
    fetch(job, &Compiler::of(job, &work.toolchain)?, work.arch, &work.workspace)
}

fn fetch(job: &Job, compiler: &Compiler, arch: Arch, workspace: &Path) -> Result<()> {
    compiler
        .cargo(&[], "fetch the Rust programs' crates")?
        .env("CARGO_HOME", cargo_home()?)
        .args(["fetch", "--locked", "--target", arch.rust_triple()])
        .args(offline(job))
        .dir(workspace)
        .run_logged(job.log)
}

pub(crate) fn run(job: &Job, work: &RustBuild) -> Result<()> {
    let task = job.busy();
    let compiler = Compiler::of(job, &work.toolchain)?;
    // Cargo's cache is not ours: what was fetched once may be gone.
    fetch(job, &compiler, work.arch, &work.workspace)?;
    task.doing("compiling");
    let sysroot = job.need(&format!("sysroot-{}", work.toolchain))?;
    let target = job.workshop.scratch().join("target");
    let home = cargo_home()?;
    let triple = work.arch.rust_triple();
    let upper = triple.to_uppercase().replace('-', "_");
    let lower = triple.replace('-', "_");
    let mut remapped = vec![(target.clone(), "/build"), (work.workspace.clone(), "/src")];
    // Each registry has a directory named after it; which one a crate came from must leave no trace.
    let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    remapped.extend(registries.map(|registry| (registry.path(), "/crates")));
    let mut flags = vec![
        format!("--sysroot={}", sysroot.display()),
        "-Cforce-unwind-tables=no".to_owned(),
        "-Crelocation-model=static".to_owned(),
    ];
    flags.extend(remapped.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())));
    let mut c_flags = format!("-nostdinc -isystem {}", compiler.headers(work.arch).display());
    for (from, to) in &remapped {
        c_flags += &format!(" -ffile-prefix-map={}={to}", from.display());
    }
    compiler
        .cargo(&flags, &format!("compile {}", work.name))?
        .env("CARGO_HOME", &home)
        .env(format!("CARGO_TARGET_{upper}_LINKER"), "gcc")
        .env(format!("CC_{lower}"), "gcc")
        .env(format!("CFLAGS_{lower}"), c_flags)
        .args([
            "build",
            "--locked",
            "--profile",
            PROFILE,
            "--target",
            triple,
            "--package",
            &work.package,
            "--target-dir",
        ])
        .arg(&target)
        .args(work.example.then_some(["--example", work.name.as_str()]).into_iter().flatten())
        .args(offline(job))
        .dir(&work.workspace)
        .run_logged(job.log)?;
    let program = job.out().join(&work.name);
    let made = if work.example { Path::new("examples").join(&work.name) } else { work.package.clone().into() };
    files::copy_atomically(&target.join(triple).join(PROFILE).join(made), &program)?;
    swix::elf::require(&program, work.arch)?;

    task.doing("listing its crates");
    let crates = crates_of(&work.workspace, &work.package, triple)?;
    files::write_atomically(&job.out().join("modules.json"), serde_json::to_vec_pretty(&crates)?)
}

pub(crate) fn offline(job: &Job) -> Option<&'static str> {
    (job.engine.mode == FetchMode::Offline).then_some("--offline")
}

/// The user's own, so that a mirror that is configured there is used.
fn cargo_home() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")));
    home.context("neither CARGO_HOME nor HOME is set: set HOME")
}

/// The crates of the lock file that are compiled into a program; not those that only build it.
fn crates_of(workspace: &Path, package: &str, triple: &str) -> Result<Vec<Module>> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace)
        .other_options(["--filter-platform", triple, "--locked", "--offline"].map(String::from).to_vec())
        .exec()
        .context("cargo cannot tell which crates the program is made of")?;
    let reached = reached(&metadata, package)?;
    let crates = metadata.packages.iter().filter(|found| reached.contains(&found.id) && found.source.is_some());
    let crates = crates.map(|found| Module {
        path: found.name.to_string(),
        version: Some(found.version.to_string()),
        purl: format!("pkg:cargo/{}@{}", found.name, found.version),
    });
    Ok(crates.collect::<BTreeSet<_>>().into_iter().collect())
}

fn reached(metadata: &Metadata, package: &str) -> Result<BTreeSet<PackageId>> {
    let resolve = metadata.resolve.as_ref().context("cargo resolved no dependencies")?;
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let first = metadata.workspace_packages().into_iter().find(|found| found.name == package);
    let mut open = vec![first.with_context(|| format!("the workspace has no package {package}"))?.id.clone()];
    let mut reached = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !reached.insert(id.clone()) {
            continue;
        }
        let dependencies = nodes.get(&id).into_iter().flat_map(|node| &node.deps);
        let normal = dependencies.filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        open.extend(normal.map(|dep| dep.pkg.clone()));
    }
    Ok(reached)
}
