//! The end of the plan: what goes into dist/.

use anyhow::{Context, Result};
use common::Arch;
use recipes::{Build, Component, Go, ProgramRecipe};
use serde_json::Value;

use super::{LICENCES, PACKER, Plan, Planner, step_of};
use crate::{
    step::{Artifact, InputFile, ModuleGraph, Provenance, Sbom, SbomComponent, SbomProgram, Step, SwixBuild, Work},
    work::module_graph,
};

/// Which crates the Rust programs are made of.
const LOCK: &str = "Cargo.lock";

/// A program as a file of its own in dist/, and the step that checks it.
pub(super) fn published_alone(component: &Component, program: &ProgramRecipe, arch: Arch) -> (Artifact, String) {
    let (name, arch) = (program.name.trim_end_matches("-operator"), program.operator.unwrap_or(arch));
    let artifact = Artifact {
        step: step_of(program),
        file: program.name.to_string(),
        name: format!("{name}-{}-linux-{arch}", component.version),
    };
    (artifact, format!("check-{}", program.name))
}

fn in_sbom(program: &ProgramRecipe) -> SbomProgram {
    let (rust_toolchain, module_graph) = match &program.build {
        Build::Rust(rust) => (Some(rust.toolchain.to_string()), None),
        Build::Go(_) => (None, Some(module_graph::step_of(&program.name))),
    };
    SbomProgram { name: program.name.to_string(), step: step_of(program), rust_toolchain, module_graph }
}

/// Whether a provenance tells how the step is carried out.
fn compiles_or_packs(step: &Step) -> bool {
    matches!(
        step.work,
        Work::Tree(_)
            | Work::Go(_)
            | Work::Sysroot(_)
            | Work::Rust(_)
            | Work::ContainerImage(_)
            | Work::Image(_)
            | Work::Package(_)
            | Work::Swix(_)
            | Work::Packer(_)
    )
}

/// What a provenance tells of these steps: by its name how each is carried out that compiles or packs.
pub(super) fn told<'a>(steps: impl Iterator<Item = &'a Step>) -> Result<Vec<(String, Value)>> {
    let told = steps.filter(|step| compiles_or_packs(step));
    told.map(|step| Ok((step.name.clone(), serde_json::to_value(&step.work)?))).collect()
}

impl Planner<'_> {
    /// The name in dist/ of what is published of the release beside its programs.
    pub(super) fn published(&self, ending: &str) -> String {
        format!("kubernetes-on-eos-{}-{}.{ending}", self.release.version, self.request.arch)
    }

    /// What goes into dist/.
    pub(super) fn publishing(mut self) -> Result<Plan> {
        let release = self.release;
        let arch = self.request.arch;
        let for_operators = release.programs().filter(|(_, program)| program.operator.is_some());
        let (for_operators, gates): (Vec<Artifact>, Vec<String>) =
            for_operators.map(|(component, program)| published_alone(component, program, arch)).unzip();
        let mut artifacts = Vec::new();
        let mut publish = |step: &str, file: &str, name: &str| {
            artifacts.push(Artifact { step: step.into(), file: file.into(), name: name.into() });
        };

        let file_name = self.published("swix");
        publish("swix", &file_name, &file_name);
        self.add("swix", Work::Swix(SwixBuild { file_name }), &["rpm".into(), PACKER.into()]);

        let programs: Vec<String> = release.programs().map(|(_, program)| step_of(program)).collect();
        let file_name = self.published("licences.txt");
        publish(LICENCES, &file_name, &file_name);

        self.module_graphs()?;
        let file_name = self.published("cdx.json");
        let components = release.components.iter().map(|component| SbomComponent {
            name: component.name.to_string(),
            version: component.version.clone(),
            license: component.license.clone(),
            purl: component.purl.clone(),
            programs: component.programs.iter().map(in_sbom).collect(),
        });
        let sbom = Sbom {
            file_name: file_name.clone(),
            version: release.version.clone(),
            source_date: release.source_date,
            components: components.collect(),
            lock: InputFile::new("Cargo.lock", &self.request.workspace.join("Cargo.lock"))?,
        };
        publish("sbom", &file_name, &file_name);
        let built = sbom.components.iter().flat_map(|component| &component.programs);
        let std = built
            .filter_map(|program| program.rust_toolchain.as_ref())
            .flat_map(|toolchain| ["fetch", "unpack", "sysroot"].map(|kind| format!("{kind}-{toolchain}")));
        let graphs = sbom.components.iter().flat_map(|component| &component.programs);
        let graphs = graphs.filter_map(|program| program.module_graph.clone());
        let needs: Vec<String> = programs.iter().cloned().chain(std).chain(graphs).chain([LICENCES.into()]).collect();
        self.add("sbom", Work::Sbom(sbom), &needs);

        if let Some((vex, needs)) = self.vex(file_name)? {
            artifacts.push(Artifact { step: "vex".into(), file: vex.file_name.clone(), name: vex.file_name.clone() });
            self.add("vex", Work::Vex(vex), &needs);
        }

        artifacts.extend(for_operators);
        let steps = told(self.steps.iter())?;
        let made: Vec<String> = steps.iter().map(|(name, _)| name.clone()).collect();
        let source_overrides = self.steps.iter().filter_map(|step| match &step.work {
            Work::Fetch(fetch) => Some((fetch.source.name.to_string(), fetch.source_override?)),
            _ => None,
        });
        let file_name = self.published(provenance::STATEMENT.trim_start_matches('.'));
        let work = Provenance {
            file_name: file_name.clone(),
            release: release.name.to_string(),
            version: release.version.clone(),
            arch,
            source_date: release.source_date,
            only: self.request.only,
            source_overrides: source_overrides.collect(),
            lock: InputFile::new(LOCK, &self.request.workspace.join(LOCK))?,
            host: self.request.host.clone(),
            host_tools: self.host_tools.clone(),
            artifacts: artifacts.clone(),
            build: None,
            steps,
        };
        let published = artifacts.iter().map(|artifact| artifact.step.clone());
        let needs: Vec<String> = programs.into_iter().chain(made).chain(published).collect();
        self.add("provenance", Work::Provenance(work), &needs);
        artifacts.push(Artifact { step: "provenance".into(), file: file_name.clone(), name: file_name });
        Ok(Plan { steps: self.steps, artifacts, gates })
    }

    /// A step for each Go program.
    fn module_graphs(&mut self) -> Result<()> {
        for (component, program) in self.release.programs() {
            let Build::Go(go) = &program.build else { continue };
            let graph = self.module_graph(component, program, go)?;
            let mut needs = vec![graph.step.clone(), format!("tree-{}", component.name)];
            let unpacked = std::iter::once(&go.toolchain).chain(&go.libraries);
            needs.extend(unpacked.map(|name| format!("unpack-{name}")));
            self.add(module_graph::step_of(&program.name), Work::ModuleGraph(graph), &needs);
        }
        Ok(())
    }

    fn module_graph(&self, component: &Component, program: &ProgramRecipe, go: &Go) -> Result<ModuleGraph> {
        let import_path = component.tree.import_path.clone().context("a Go program has no import path")?;
        let arch = program.operator.unwrap_or(self.request.arch);
        Ok(ModuleGraph {
            program: program.name.to_string(),
            step: step_of(program),
            component: component.name.to_string(),
            list: module_graph::list(go, &import_path, arch),
            import_path,
            aliases: component.tree.aliases.clone(),
            toolchain: go.toolchain.clone(),
            libraries: go.libraries.clone(),
        })
    }
}
