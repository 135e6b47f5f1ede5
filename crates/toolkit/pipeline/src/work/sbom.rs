//! The bill of materials (CycloneDX): the components, and every Go module and Rust crate whose
//! code is in their programs.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use common::files;
use purl::GenericPurl;
use serde::Serialize;
use serde_json::json;

use crate::{date::rfc3339, modules::Module, step::Sbom, work::Job};

/// What the document is about, or a part of it.
#[derive(Serialize)]
struct Part {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    bom_ref: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<serde_json::Value>,
    purl: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: Metadata,
    components: Vec<Part>,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    component: Part,
}

pub(crate) fn run(job: &Job, work: &Sbom) -> Result<()> {
    let mut parts = BTreeMap::new();
    for component in &work.components {
        let mut described = part("application", &component.name, Some(&component.version), &component.purl)?;
        described.licenses.push(json!({ "license": { "name": component.license } }));
        parts.insert(component.purl.clone(), described);
        for program in &component.programs {
            let file = job.need(program)?.join("modules.json");
            let modules: Vec<Module> = serde_json::from_slice(&files::read(&file)?)
                .with_context(|| format!("{} cannot be understood", file.display()))?;
            for module in modules {
                let described = part("library", &module.path, module.version.as_deref(), &module.purl)?;
                parts.entry(module.purl).or_insert(described);
            }
        }
    }
    let document = document(&work.version, rfc3339(work.source_date), parts.into_values().collect())?;
    files::write_atomically(&job.out().join(&work.file_name), serde_json::to_string_pretty(&document)?)
}

fn document(version: &str, timestamp: String, components: Vec<Part>) -> Result<Document> {
    let purl = format!("pkg:generic/kubernetes-on-eos@{version}");
    let metadata = Metadata { timestamp, component: part("firmware", "kubernetes-on-eos", Some(version), &purl)? };
    Ok(Document { bom_format: "CycloneDX", spec_version: "1.5", version: 1, metadata, components })
}

fn part(kind: &'static str, name: &str, version: Option<&str>, purl: &str) -> Result<Part> {
    let _: GenericPurl<String> = purl.parse().with_context(|| format!("{purl:?} is not a package URL"))?;
    let (purl, name, version) = (purl.to_owned(), name.to_owned(), version.map(str::to_owned));
    Ok(Part { kind, bom_ref: purl.clone(), name, version, licenses: vec![], purl })
}

#[cfg(test)]
mod tests {
    use cyclonedx_bom::prelude::{Bom, SpecVersion, Validate};

    use super::*;

    #[test]
    fn cyclonedx_s_own_library_reads_the_document_and_finds_it_valid() {
        let mut etcd = part("application", "etcd", Some("3.4.23"), "pkg:github/etcd-io/etcd@v3.4.23").unwrap();
        etcd.licenses.push(json!({ "license": { "name": "Apache-2.0" } }));
        let module = part("library", "golang.org/x/net", None, "pkg:golang/golang.org/x/net").unwrap();
        let document = document("1.20.2", rfc3339(1_610_544_000), vec![etcd, module]).unwrap();
        let text = serde_json::to_string_pretty(&document).unwrap();
        let bom = Bom::parse_from_json_v1_5(text.as_bytes()).unwrap();
        assert!(bom.validate_version(SpecVersion::V1_5).passed(), "{text}");
        let components = bom.components.unwrap().0;
        let purl = |index: usize| components[index].purl.as_ref().unwrap().to_string();
        assert_eq!(
            (purl(0), purl(1)),
            ("pkg:github/etcd-io/etcd@v3.4.23".into(), "pkg:golang/golang.org/x/net".into())
        );
        assert_eq!(components[0].licenses.as_ref().unwrap().0.len(), 1);
    }

    #[test]
    fn what_is_no_package_url_is_named() {
        let error = part("library", "x", None, "github.com/x").err().unwrap();
        assert!(format!("{error:#}").contains("\"github.com/x\" is not a package URL"), "{error:#}");
    }
}
