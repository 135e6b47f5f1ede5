//! The steps that compile the programs, check them, and put them into container images.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use common::Sha256;
use recipes::{Build, Component, Name, ProgramRecipe};

use super::{Planner, archive_of, step_of};
use crate::{
    step::{CheckRun, Checks, ContainerImage, Crates, GoBuild, InputFile, RustBuild, Sysroot, Work},
    work::{
        go::commands,
        rust,
        sysroot::{self, NO_UNWIND},
    },
};

impl Planner<'_> {
    /// What the Rust programs are built with, for each toolchain that is asked for.
    pub(super) fn rust(&mut self) -> Result<()> {
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

    pub(super) fn program(&mut self, component: &Component, program: &ProgramRecipe) -> Result<()> {
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
}
