//! One program of a release alone: it, its checks, and how it was made.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use common::Arch;
use recipes::Release;

use super::{
    Plan,
    publishing::{published_alone, told},
};
use crate::step::{Artifact, PlannedBuild, Provenance, Step, Work};

impl Plan {
    /// The same steps, with one program, its checks and its provenance as all that is desired of them.
    pub fn of_program(mut self, release: &Release, arch: Arch, name: &str) -> Result<Plan> {
        let Some((component, program)) = release.programs().find(|(_, program)| *program.name == *name) else {
            let known: Vec<&str> = release.programs().map(|(_, program)| &*program.name).collect();
            bail!("release {} has no program {name}; there are {}", release.name, known.join(", "));
        };
        let (artifact, gate) = published_alone(component, program, arch);
        let used = self.behind(&artifact.step);
        let work = self.provenance_of(&artifact, &component.version, &used)?;
        let told =
            Artifact { step: format!("provenance-{name}"), file: work.file_name.clone(), name: work.file_name.clone() };
        let needs: Vec<&Step> = self.steps.iter().filter(|step| used.contains(&step.name)).collect();
        let step = Step::new(&told.step, Work::Provenance(work), &needs);
        self.steps.push(step);
        Ok(Plan { steps: self.steps, artifacts: vec![artifact, told], gates: vec![gate] })
    }

    /// A step and all that it is made from.
    fn behind(&self, step: &str) -> BTreeSet<String> {
        let (mut open, mut found) = (vec![step.to_owned()], BTreeSet::new());
        while let Some(name) = open.pop() {
            let step = self.steps.iter().find(|step| step.name == name);
            open.extend(step.into_iter().flat_map(|step| step.needs.iter().cloned()));
            found.insert(name);
        }
        found
    }

    /// What the whole release's says, as far as it is about this program.
    fn provenance_of(&self, artifact: &Artifact, version: &str, used: &BTreeSet<String>) -> Result<Provenance> {
        let of_release = self.steps.iter().find_map(|step| match &step.work {
            Work::Provenance(work) => Some(work.clone()),
            _ => None,
        });
        let mut work = of_release.context("the plan has no provenance")?;
        work.file_name = format!("{}{}", artifact.name, provenance::STATEMENT);
        work.version = version.to_owned();
        work.artifacts = vec![artifact.clone()];
        work.build = Some(self.planned_build()?);
        let is_used = |step: &&Step| used.contains(&step.name);
        let is_linked = |step: &Step| matches!(step.work, Work::Rust(_) | Work::Sysroot(_));
        work.host_tools = work.host_tools.filter(|_| self.steps.iter().filter(is_used).any(is_linked));
        let overridden = |name: &String| used.contains(&format!("fetch-{name}"));
        work.source_overrides.retain(|name, _| overridden(name));
        work.steps = told(self.steps.iter().filter(is_used))?;
        Ok(work)
    }

    /// Which build the image would be.
    fn planned_build(&self) -> Result<PlannedBuild> {
        let image = self.steps.iter().find_map(|step| match &step.work {
            Work::Image(work) => Some(work.build.clone()),
            _ => None,
        });
        image.context("the plan has no image")
    }
}
