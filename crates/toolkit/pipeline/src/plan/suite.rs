//! A component's own suite: its programs and their checks, and what images for tests are made of.

use anyhow::{Context, Result};
use common::Arch;
use recipes::{Build, Component, Go, ProgramRecipe, Release, Suite};

use super::{Plan, step_of};
use crate::{
    step::{Artifact, CheckRun, Checks, Step, SuiteFiles, SuiteProgram, Work},
    work::go::commands,
};

/// The step that has the directory for images, and the generated file.
fn files_of(component: &Component) -> String {
    format!("suite-{}", component.name)
}

impl Plan {
    /// The same steps, and those of the release's suite, which are all that is desired. `arch` is the switch's.
    pub fn of_suite(mut self, release: &Release, arch: Arch) -> Result<Plan> {
        let found = release.components.iter().find_map(|component| Some((component, component.suite.as_ref()?)));
        let (component, suite) =
            found.with_context(|| format!("release {} has no suite: no recipe of it has [suite]", release.name))?;
        let files = self.suite_files(component, suite)?;
        let mut artifacts =
            vec![Artifact { step: files, file: suite.images.to_string(), name: suite.images.to_string() }];
        let mut gates = Vec::new();
        for program in &suite.programs {
            let Build::Go(go) = &program.build else { continue };
            let built_by = self.suite_program(component, suite, program, go, arch)?;
            let checks = program.checks.iter().map(|check| CheckRun::new(&program.name, check)).collect();
            let checks = Checks { program: program.name.to_string(), built_by: built_by.clone(), checks };
            let check = format!("check-{}", program.name);
            self.put(&check, Work::Check(checks), std::slice::from_ref(&built_by));
            gates.push(check);
            artifacts.push(of_program(program, built_by));
        }
        for name in &suite.also {
            let (_, program) = release.programs().find(|(_, program)| program.name == *name).with_context(|| {
                format!("the suite's images want the program {name}, which release {} has not", release.name)
            })?;
            artifacts.push(of_program(program, step_of(program)));
        }
        Ok(Plan { steps: self.steps, artifacts, gates })
    }

    fn put(&mut self, name: &str, work: Work, needs: &[String]) {
        let needs: Vec<&Step> = self.steps.iter().filter(|step| needs.contains(&step.name)).collect();
        let step = Step::new(name, work, &needs);
        self.steps.push(step);
    }

    fn suite_files(&mut self, component: &Component, suite: &Suite) -> Result<String> {
        let source = component.source.clone().context("the suite's component has no source")?;
        let import_path = component.tree.import_path.clone().context("the suite's component has no import path")?;
        let (name, toolchain) = (files_of(component), suite.generate.toolchain.clone());
        let needs =
            [format!("fetch-{}", source.name), format!("tree-{}", component.name), format!("unpack-{toolchain}")];
        let work = SuiteFiles {
            source,
            component: component.name.to_string(),
            generator: commands::generator(&suite.generate, &import_path),
            import_path,
            tests: suite.tests.clone(),
            images: suite.images.clone(),
            toolchain,
            makes: suite.generate.makes.first().context("the suite's generator makes nothing")?.clone(),
        };
        self.put(&name, Work::SuiteFiles(work), &needs);
        Ok(name)
    }

    fn suite_program(
        &mut self,
        component: &Component,
        suite: &Suite,
        program: &ProgramRecipe,
        go: &Go,
        arch: Arch,
    ) -> Result<String> {
        let import_path = component.tree.import_path.clone().context("the suite's component has no import path")?;
        let (arch, files) = (program.operator.unwrap_or(arch), files_of(component));
        let name = format!("suite-{}-{}", component.name, program.name);
        let needs = [files.clone(), format!("tree-{}", component.name), format!("unpack-{}", go.toolchain)];
        let work = SuiteProgram {
            name: program.name.to_string(),
            component: component.name.to_string(),
            arch,
            toolchain: go.toolchain.clone(),
            compile: commands::of_suite(&program.name, go, &import_path, arch),
            import_path,
            files,
            added: suite.generate.makes.first().context("the suite's generator makes nothing")?.clone(),
        };
        self.put(&name, Work::SuiteProgram(work), &needs);
        Ok(name)
    }
}

fn of_program(program: &ProgramRecipe, step: String) -> Artifact {
    Artifact { step, file: program.name.to_string(), name: program.name.to_string() }
}
