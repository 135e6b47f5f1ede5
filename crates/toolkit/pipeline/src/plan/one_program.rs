//! One program of a release alone: it and its checks.

use anyhow::{Result, bail};
use common::Arch;
use recipes::Release;

use super::{Plan, publishing::published_alone};

impl Plan {
    /// The same steps, with one program and its checks as all that is desired of them.
    pub fn of_program(self, release: &Release, arch: Arch, name: &str) -> Result<Plan> {
        let Some((component, program)) = release.programs().find(|(_, program)| *program.name == *name) else {
            let known: Vec<&str> = release.programs().map(|(_, program)| &*program.name).collect();
            bail!("release {} has no program {name}; there are {}", release.name, known.join(", "));
        };
        let (artifact, gate) = published_alone(component, program, arch);
        Ok(Plan { steps: self.steps, artifacts: vec![artifact], gates: vec![gate] })
    }
}
