//! Proofs of patches: a step each, which is made where somebody asks for it, and in no build.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use common::Arch;
use recipes::{Build, Component, Go, Name, RelativePath, Release};

use super::Plan;
use crate::{
    step::{InputFile, Proof, Step, Work},
    work::{go::commands, proof},
};

/// The step that proves a patch, `kubernetes/0007-cve-….patch`.
pub fn step_of_proof(patch: &str) -> String {
    format!("prove-{}", patch.trim_end_matches(".patch").replace('/', "-"))
}

impl Plan {
    /// The same steps, and those that prove these patches, which are all that is desired. `arch` is the switch's.
    pub fn of_proofs(mut self, release: &Release, arch: Arch, patches: &[&str]) -> Result<Plan> {
        let mut gates = Vec::new();
        for patch in patches {
            let (of, file) = patch.split_once('/').with_context(|| format!("{patch}: expected COMPONENT/FILE"))?;
            let component = release.components.iter().find(|component| *component.name == *of);
            let component = component.with_context(|| format!("{patch}: release {} has no {of}", release.name))?;
            let work = work(component, file, arch).with_context(|| format!("{patch} cannot be proven"))?;
            let mut needs = vec![format!("tree-{of}"), format!("unpack-{}", work.toolchain)];
            needs.extend(work.libraries.iter().map(|library| format!("unpack-{library}")));
            let needs: Vec<&Step> = self.steps.iter().filter(|step| needs.contains(&step.name)).collect();
            let step = Step::new(step_of_proof(patch), Work::Proof(work), &needs);
            gates.push(step.name.clone());
            self.steps.push(step);
        }
        Ok(Plan { steps: self.steps, artifacts: Vec::new(), gates })
    }
}

fn work(component: &Component, file: &str, arch: Arch) -> Result<Proof> {
    let import_path = component.tree.import_path.clone().context("its component has no tree of Go code")?;
    let go = go_of(component).context("its component has no program in Go")?;
    Proof::new(&component.name, import_path, go, arch, &component.tree.patches, file)
}

impl Proof {
    /// Of a patch of the series that was applied to a component's tree, whose tests are compiled as `go` says.
    pub fn new(
        component: &Name,
        import_path: RelativePath,
        go: &Go,
        arch: Arch,
        series: &[PathBuf],
        patch: &str,
    ) -> Result<Self> {
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let series = series.iter().map(|path| InputFile::new(name(path), path)).collect::<Result<Vec<_>>>()?;
        ensure!(
            series.iter().any(|known| known.name == patch),
            "it is not in the series of {component}'s recipe: put it there, or correct the statement"
        );
        Ok(Proof {
            component: component.to_string(),
            compile: commands::tests(go, &import_path, arch),
            run: proof::command(),
            import_path,
            toolchain: go.toolchain.clone(),
            libraries: go.libraries.clone(),
            series,
            patch: patch.to_owned(),
        })
    }
}

/// How the component's program is built that is in the image.
fn go_of(component: &Component) -> Option<&Go> {
    let mut programs = component.programs.iter().filter(|program| program.install.is_some());
    programs.find_map(|program| match &program.build {
        Build::Go(go) => Some(go),
        Build::Rust(_) => None,
    })
}
