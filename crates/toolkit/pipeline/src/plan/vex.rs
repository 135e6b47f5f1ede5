//! The step that writes what is said of vulnerabilities, for a release that something is said of.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use common::files;
use recipes::Release;

use super::{Planner, step_of};
use crate::step::{InputFile, Vex, VexProgram};

impl Planner<'_> {
    /// The step and what it needs. `sbom` is the name of the bill of materials.
    pub(super) fn vex(&self, sbom: String) -> Result<Option<(Vex, Vec<String>)>> {
        let workspace = self.request.workspace.clone();
        let security = workspace.join("security");
        let (table, statements) =
            (security.join("vulnerabilities"), security.join("statements").join(&*self.release.name));
        if !statements.is_dir() {
            return Ok(None);
        }
        let mut files = Vec::new();
        for directory in [&table, &statements] {
            files.extend(InputFile::below(directory)?);
        }
        for sources in audit::statements::sources(&audit::statements::read(&statements)?) {
            files.extend(InputFile::below(&workspace.join(sources))?);
        }
        let units = self.release.files.iter().filter(|(_, place)| place.starts_with("units/"));
        let units = units.map(|(from, place)| InputFile::new(place.trim_start_matches("units/"), from));
        let programs = self.release.programs();
        let programs =
            programs.map(|(_, program)| VexProgram { name: program.name.to_string(), step: step_of(program) });
        let vex = Vex {
            file_name: self.published(audit::vex::ENDING),
            sbom,
            programs: programs.collect(),
            units: units.collect::<Result<_>>()?,
            patches: named_by_patches(self.release)?,
            files,
            table,
            statements,
            workspace,
        };
        let needs = vex.programs.iter().map(|program| program.step.clone()).chain(["sbom".to_owned()]).collect();
        Ok(Some((vex, needs)))
    }
}

/// The patches of a release, `kubernetes/0007-cve-….patch`, each with the vulnerabilities that it names.
pub fn named_by_patches(release: &Release) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut named = BTreeMap::new();
    for component in &release.components {
        for path in &component.tree.patches {
            let name = format!("{}/{}", component.name, path.file_name().unwrap_or_default().to_string_lossy());
            let text = String::from_utf8_lossy(&files::read(path)?).into_owned();
            let ids = audit::evidence::named_in(&name, &text);
            named.insert(name, ids);
        }
    }
    Ok(named)
}
