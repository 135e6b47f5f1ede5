//! Compiles one of this workspace's programs for the switch: static, stripped, with no path of this
//! machine in it, and with the list of its crates.
//!
//! The programs of a toolchain share a target directory, in which crates stay compiled: those of registries, which never change,
//! and those of this workspace whose sources are the same.
//!
//! The output is `<program>` and `modules.json`: the crates that the program is made of.

pub(crate) mod auditable;
pub(crate) mod commands;
mod crates;
mod members;

use std::path::{Path, PathBuf};

use anyhow::Result;
use common::{
    Sha256,
    command::Program,
    files,
    lock::{After, Lock},
};
use sources::FetchMode;

use self::{commands::PROFILE, crates::Crates, members::Members};
use crate::{
    cache::Cache,
    inputs, modules,
    step::{self, CommandLine, Places, RustBuild},
    work::{Job, cargo_home, sysroot},
};

/// Brings the crates that the lock file names into Cargo's home for builds; Cargo verifies them.
pub(crate) fn fetch_crates(job: &Job, work: &step::Crates) -> Result<()> {
    let task = job.busy();
    task.doing("asking Cargo for crates");
    let (_, places) = fetch(job, &work.toolchain, &work.fetch, &work.workspace)?;
    work.lists.iter().try_for_each(|list| online(job, list, &places, "list crates")?.read().map(drop))
}

/// A command of Cargo's that may download.
fn online(job: &Job, command: &CommandLine, places: &Places, purpose: &str) -> Result<Program> {
    let cargo = command.program(places, purpose)?.users_network(&cargo_home::VARIABLES);
    // Its credentials may come from a program of the user's.
    let cargo = std::env::var_os("PATH").into_iter().fold(cargo, |cargo, path| cargo.env("PATH", path));
    Ok(cargo.args(offline(job)))
}

/// Makes sure that the crates are there, as that they came once does not say that they are. Answers with the directory of their
/// sources, and with where all is that Cargo uses.
pub(crate) fn fetch(job: &Job, toolchain: &str, command: &CommandLine, workspace: &Path) -> Result<(PathBuf, Places)> {
    let compiler = job.entry(&format!("unpack-{toolchain}"))?;
    let home = cargo_home::prepare(job.engine.cache, workspace, &compiler.meta.output)?;
    let places = sysroot::places(job, toolchain)?.with("cargo-home", &home)?.with("workspace", workspace)?;
    online(job, command, &places, "fetch the Rust programs' crates")?.run_logged(job.log)?;
    let registry = cargo_home::registry(&home)?;
    let places = places.with("registry", &registry)?;
    Ok((registry, places))
}

pub(crate) fn run(job: &Job, work: &RustBuild) -> Result<()> {
    let task = job.busy();
    let (_, places) = fetch(job, &work.toolchain, &work.fetch, &work.workspace)?;
    let sysroot = job.entry(&format!("sysroot-{}", work.toolchain))?;
    let target = shared_target(job.engine.cache, &sysroot.meta.output, work)?;
    let auditable = job.workshop.scratch().join("auditable");
    let places = places
        .with("sysroot", sysroot.out())?
        .with("headers", sysroot::headers(&job.need(&format!("unpack-{}", work.toolchain))?, work.arch))?
        .with("auditable", &auditable)?
        .with("target", &target)?;
    work.host_tools.lay_out(&sysroot::tools(job))?;

    task.doing("listing its crates");
    let listed = online(job, &work.commands.list, &places, &format!("list the crates in {}", work.package))?.read()?;
    let crates = Crates::read(&listed)?;
    auditable::write(&auditable, &crates)?;
    let purpose = "put the list of crates into a file for the linker";
    work.commands.assemble_list.program(&places, purpose)?.run_logged(job.log)?;

    let lock = target.with_extension("lock");
    let _alone = Lock::acquire(&lock, After::Stays, |_| task.doing("waiting for another program to be compiled"))?
        .handed_down()?;
    task.doing("compiling");
    let purpose = format!("compile {}", work.name);
    let mut members = Members::read(&target, &work.workspace);
    let stale = members.stale(&work.members);
    members.strike_out(&work.members)?;
    // The program itself is always linked again: Cargo does not know of its list of crates.
    let forgotten = |member: &str| member == work.package || stale.contains(&member);
    for (_, clean) in work.commands.clean.iter().filter(|(member, _)| forgotten(member)) {
        clean.program(&places, &purpose)?.run_logged(job.log)?;
    }
    work.commands.compile.program(&places, &purpose)?.run_logged(job.log)?;
    work.host_tools.unchanged()?;
    inputs::program_unchanged(work)?;
    members.remember(&work.members)?;
    let program = job.out().join(&work.name);
    let made = if work.example { Path::new("examples").join(&work.name) } else { work.package.clone().into() };
    files::copy_atomically(&target.join(work.arch.rust_triple()).join(PROFILE).join(made), &program)?;
    swix::elf::require(&program, work.arch)?;
    files::write_atomically(&job.out().join(modules::LIST), serde_json::to_vec_pretty(&crates.modules())?)
}

/// Where what these make is kept compiled. Cargo tells flags and versions apart; not one C compiler from another, nor two standard
/// libraries. The workspace's path is in the flags: two clones would take turns in compiling everything anew.
fn shared_target(cache: &Cache, sysroot: &Sha256, work: &RustBuild) -> Result<PathBuf> {
    let tools = serde_json::to_string(&work.host_tools)?;
    let of = Sha256::of_bytes(format!("{sysroot}{tools}{}", work.workspace.display()));
    cache.helpful("cargo-target", &of)
}

pub(crate) fn offline(job: &Job) -> Option<&'static str> {
    (job.engine.mode == FetchMode::Offline).then_some("--offline")
}

#[cfg(test)]
mod tests {
    use common::Arch;

    use super::*;

    #[test]
    #[ignore = "fetches crates"]
    fn the_crates_of_a_program_are_listed_from_an_empty_home() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap();
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(root.path()).unwrap();
        let home = cargo_home::prepare(&cache, &workspace, &Sha256::of_bytes([])).unwrap();
        let run = |command: &CommandLine| {
            let argv: Vec<String> =
                command.argv[1..].iter().map(|arg| arg.replace("{workspace}", workspace.to_str().unwrap())).collect();
            let cargo = Program::cargo("ask for crates").unwrap().env("CARGO_HOME", &home).dir(Path::new("/"));
            cargo.args(argv).read().unwrap()
        };
        run(&commands::fetch(Arch::I386));
        assert!(cargo_home::registry(&home).unwrap().is_dir());
        let in_program = |package: &str| -> Vec<String> {
            let crates = Crates::read(&run(&commands::list(package, Arch::I386))).unwrap().modules();
            crates.into_iter().map(|module| module.path).collect()
        };
        assert!(in_program("kube-proxy").contains(&"kube-client".to_owned()));
        let names = in_program("k8s-node");
        assert!(names.contains(&"rcgen".to_owned()) && !names.contains(&"k8s-node".to_owned()), "{names:?}");
        assert!(!names.contains(&"serde_derive".to_owned()), "it is not in the program: {names:?}");
    }
}
