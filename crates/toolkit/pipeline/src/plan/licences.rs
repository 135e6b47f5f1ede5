//! The steps that collect the licences of what is in the programs.

use anyhow::{Context, Result};
use common::Arch;
use recipes::{Build, Component, LicenceText, ProgramRecipe};

use super::{Planner, step_of};
use crate::{
    step::{Code, GivenLicence, GoCode, InputFile, Licences, LicencesOf, ProgramLicences, RustCode, Work},
    work::{licences::STEP, rust::commands as rust_commands},
};

impl Planner<'_> {
    /// A step for each program, and one that puts together what they found. The text for dist/ has this name.
    pub(super) fn licences(&mut self, file_name: String) -> Result<()> {
        let (release, workspace) = (self.release, self.request.workspace.clone());
        let own = InputFile::new("LICENSE", &workspace.join("LICENSE"))?;
        let mut steps = Vec::new();
        for (component, program) in release.programs() {
            let of = of_program(component, program, self.request.arch)?;
            let mut needs = vec![of.step.clone()];
            match &of.code {
                Code::Go(code) => {
                    needs.extend([format!("tree-{}", component.name), format!("unpack-{}", code.toolchain)]);
                    needs.extend(code.libraries.iter().map(|library| format!("fetch-{library}")));
                }
                Code::Rust(code) => {
                    let kinds = ["fetch", "unpack", "crates", "sysroot"];
                    needs.extend(kinds.map(|kind| format!("{kind}-{}", code.toolchain)));
                }
            }
            let step = format!("{STEP}-{}", of.name);
            let given = component.licence_texts.iter().map(given).collect::<Result<_>>()?;
            let licences = ProgramLicences { of, own: own.clone(), given, workspace: workspace.clone() };
            self.add(&step, Work::ProgramLicences(licences), &needs);
            steps.push(step);
        }
        let licences = Licences { file_name, version: release.version.clone(), steps: steps.clone() };
        self.add(STEP, Work::Licences(licences), &steps);
        Ok(())
    }
}

fn of_program(component: &Component, program: &ProgramRecipe, arch: Arch) -> Result<LicencesOf> {
    let code = match &program.build {
        Build::Go(go) => Code::Go(GoCode {
            import_path: component.tree.import_path.clone().context("a Go program has no import path")?,
            aliases: component.tree.aliases.clone(),
            toolchain: go.toolchain.to_string(),
            libraries: go.libraries.clone(),
        }),
        Build::Rust(rust) => {
            let arch = program.operator.unwrap_or(arch);
            Code::Rust(RustCode { toolchain: rust.toolchain.to_string(), fetch: rust_commands::fetch(arch) })
        }
    };
    Ok(LicencesOf {
        name: program.name.to_string(),
        step: step_of(program),
        component: component.name.to_string(),
        version: component.version.clone(),
        license: component.license.clone(),
        purl: component.purl.clone(),
        code,
    })
}

fn given(text: &LicenceText) -> Result<GivenLicence> {
    let name = text.file.file_name().unwrap_or_default().to_string_lossy();
    Ok(GivenLicence { of: text.of.clone(), file: InputFile::new(name, &text.file)?, reason: text.reason.clone() })
}
