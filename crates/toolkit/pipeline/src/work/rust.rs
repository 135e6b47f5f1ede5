//! Compiles one of this workspace's programs for the switch: static, stripped, with no path of this
//! machine in it.
//!
//! The output is `<program>` and `modules.json`: the crates that the program is made of.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
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
    let crates = crates_of(&compiler, &home, &work.workspace, &work.package, triple)?;
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

/// The crates of registries that a program is made of; not those that only build it. Cargo is asked for this program alone:
/// for its `metadata` it wants crates that nothing here has fetched.
fn crates_of(compiler: &Compiler, home: &Path, workspace: &Path, package: &str, triple: &str) -> Result<Vec<Module>> {
    let listed = compiler
        .cargo(&[], &format!("list the crates in {package}"))?
        .env("CARGO_HOME", home)
        .args(listing(package, triple))
        .dir(workspace)
        .read()?;
    let crates: BTreeSet<Module> = listed.lines().filter_map(module).collect();
    Ok(crates.into_iter().collect())
}

fn listing<'a>(package: &'a str, triple: &'a str) -> Vec<&'a str> {
    let of = ["tree", "--locked", "--offline", "--package", package, "--target", triple];
    let how = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--no-dedupe", "--format", "{p}"];
    [of, how].concat()
}

/// `serde v1.0.228`; what is in this workspace has its directory behind it.
fn module(line: &str) -> Option<Module> {
    let (name, version) = line.split_once(" v").filter(|_| !line.ends_with(')'))?;
    Some(Module {
        path: name.to_owned(),
        version: Some(version.to_owned()),
        purl: format!("pkg:cargo/{name}@{version}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::command::Program;

    #[test]
    #[ignore = "fetches crates"]
    fn what_was_fetched_to_compile_a_program_is_enough_to_list_its_crates() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let triple = Arch::I386.rust_triple();
        let home = tempfile::tempdir().unwrap();
        if let Ok(config) = fs::read(cargo_home().unwrap().join("config.toml")) {
            fs::write(home.path().join("config.toml"), config).unwrap();
        }
        let cargo = |purpose: &str| Program::cargo(purpose).unwrap().env("CARGO_HOME", home.path()).dir(&workspace);
        cargo("fetch").args(["fetch", "--quiet", "--locked", "--target", triple]).read().unwrap();
        let listed = cargo("list").args(listing("k8s-node", triple)).read().unwrap();
        let names: Vec<String> = listed.lines().filter_map(module).map(|module| module.path).collect();
        assert!(names.contains(&"rcgen".to_owned()) && !names.contains(&"k8s-node".to_owned()), "{names:?}");
        assert!(!names.contains(&"serde_derive".to_owned()), "it is not in the program: {names:?}");
    }
}
