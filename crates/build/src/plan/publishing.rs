//! The end of the plan: what goes into dist/.

use anyhow::Result;

use super::{Artifact, Plan, Planner, step_of};
use crate::step::{Record, Sbom, SbomComponent, Swix, Work};

impl Planner<'_> {
    /// What goes into dist/.
    pub(super) fn publishing(mut self) -> Result<Plan> {
        let release = self.release;
        let arch = self.request.arch;
        let base = format!("kubernetes-on-eos-{}-{arch}", release.version);
        let mut artifacts = Vec::new();
        let mut gates = Vec::new();
        let mut publish = |step: &str, file: &str, name: &str| {
            artifacts.push(Artifact { step: step.into(), file: file.into(), name: name.into() });
        };

        let file_name = format!("{base}.swix");
        publish("swix", &file_name, &file_name);
        self.add("swix", Work::Swix(Swix { file_name }), &["rpm".into()]);

        for (component, program) in release.programs() {
            if let Some(arch) = program.operator {
                let name = format!("{}-{}-linux-{arch}", program.name.trim_end_matches("-operator"), component.version);
                publish(&step_of(program), &program.name, &name);
                gates.push(format!("check-{}", program.name));
            }
        }

        let programs: Vec<String> = release.programs().map(|(_, program)| step_of(program)).collect();
        let file_name = format!("{base}.cdx.json");
        let components = release.components.iter().map(|component| SbomComponent {
            name: component.name.to_string(),
            version: component.version.clone(),
            license: component.license.clone(),
            purl: component.purl.clone(),
            programs: component.programs.iter().map(step_of).collect(),
        });
        let sbom = Sbom {
            file_name: file_name.clone(),
            version: release.version.clone(),
            source_date: release.source_date,
            components: components.collect(),
        };
        publish("sbom", &file_name, &file_name);
        self.add("sbom", Work::Sbom(sbom), &programs);

        let file_name = format!("{base}.build.json");
        let builds = self.steps.iter().filter(|step| matches!(step.work, Work::Tree(_) | Work::Go(_) | Work::Rust(_)));
        let record = Record {
            file_name: file_name.clone(),
            release: release.name.to_string(),
            version: release.version.clone(),
            arch,
            source_date: release.source_date,
            builds: builds.map(|step| serde_json::json!({ "name": step.name, "work": step.work })).collect(),
        };
        publish("record", &file_name, &file_name);
        let needs: Vec<String> = programs.into_iter().chain(["image".into(), "rpm".into(), "swix".into()]).collect();
        self.add("record", Work::Record(record), &needs);
        Ok(Plan { steps: self.steps, artifacts, gates })
    }
}
