//! The bill of materials (CycloneDX): the components, and every Go module and Rust crate whose
//! code is in their programs.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow};
use common::files;
use cyclonedx_bom::{
    models::{
        component::{Classification, Component, Components},
        license::{LicenseChoice, Licenses},
        metadata::Metadata,
    },
    prelude::{Bom, DateTime, NormalizedString, Purl},
};

use crate::{date::rfc3339, modules::Module, step::Sbom, work::Job};

pub(crate) fn run(job: &Job, work: &Sbom) -> Result<()> {
    let mut parts = BTreeMap::new();
    for component in &work.components {
        let purl = component.purl.clone();
        let mut described = part(Classification::Application, &component.name, Some(&component.version), &purl)?;
        described.licenses = Some(Licenses(vec![LicenseChoice::license(&component.license)]));
        parts.insert(purl, described);
        for program in &component.programs {
            let file = job.need(program)?.join("modules.json");
            let modules: Vec<Module> = serde_json::from_slice(&files::read(&file)?)
                .with_context(|| format!("{} cannot be understood", file.display()))?;
            for module in modules {
                let described = part(Classification::Library, &module.path, module.version.as_deref(), &module.purl)?;
                parts.entry(module.purl).or_insert(described);
            }
        }
    }
    let whole = part(
        Classification::Firmware,
        "kubernetes-on-eos",
        Some(&work.version),
        &format!("pkg:generic/kubernetes-on-eos@{}", work.version),
    )?;
    let bom = Bom {
        serial_number: None,
        metadata: Some(Metadata {
            timestamp: Some(DateTime::try_from(rfc3339(work.source_date))?),
            component: Some(whole),
            ..Metadata::default()
        }),
        components: Some(Components(parts.into_values().collect())),
        ..Bom::default()
    };
    let mut text = Vec::new();
    bom.output_as_json_v1_5(&mut text).map_err(|error| anyhow!("the bill of materials cannot be written: {error}"))?;
    files::write_atomically(&job.out().join(&work.file_name), text)
}

fn part(kind: Classification, name: &str, version: Option<&str>, purl: &str) -> Result<Component> {
    let mut part = Component::new(kind, name, version.unwrap_or("unknown"), Some(purl.to_owned()));
    part.version = version.map(NormalizedString::new);
    part.purl = Some(purl.parse::<Purl>().map_err(|()| anyhow!("{purl:?} is not a package URL"))?);
    Ok(part)
}
