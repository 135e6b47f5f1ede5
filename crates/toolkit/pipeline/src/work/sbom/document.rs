//! The bill of materials as CycloneDX 1.5 writes it: its parts, what is in what, and its own name.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use common::Sha256;
use purl::GenericPurl;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use swix::{bill, elf};

use crate::work::licences;

/// Property of what came in a Debian package: its package URL, with the digest of the file where that is known.
pub(super) const DEBIAN_PACKAGE: &str = "debian:package";

/// Property of a Go module: what the tree's go.sum has of it.
pub(super) const GO_SUM: &str = "go:sum";

/// Property of a part whose licence nobody states as an expression.
const LICENCE_BY: (&str, &str) = ("licence:concluded-from", "the texts that come with it");

/// What the document is about, or a part of it.
#[derive(Serialize)]
pub(super) struct Part {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(rename = "bom-ref")]
    pub(super) bom_ref: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hashes: Vec<Value>,
    #[serde(rename = "licenses", skip_serializing_if = "Option::is_none", serialize_with = "as_expression")]
    pub(super) licence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) properties: Vec<Value>,
    /// The licence is what its texts come to.
    #[serde(skip)]
    pub(super) by_texts: bool,
}

impl Part {
    /// One that has a package URL.
    pub(super) fn new(kind: &'static str, name: &str, version: Option<&str>, purl: &str) -> Result<Self> {
        let _: GenericPurl<String> = purl.parse().with_context(|| format!("{purl:?} is not a package URL"))?;
        let (version, purl) = (version.map(str::to_owned), Some(purl.to_owned()));
        Ok(Part { version, purl: purl.clone(), ..Part::named(kind, name, purl.unwrap_or_default()) })
    }

    /// A program as it is built, by its digest.
    pub(super) fn program(name: &str, digest: &Sha256) -> Self {
        let hashes = vec![sha256(&digest.to_string())];
        Part { hashes, ..Part::named("file", name, format!("{}{name}", bill::PROGRAM)) }
    }

    fn named(kind: &'static str, name: &str, bom_ref: String) -> Self {
        Part {
            kind,
            bom_ref,
            name: name.to_owned(),
            version: None,
            description: None,
            hashes: vec![],
            licence: None,
            purl: None,
            properties: vec![],
            by_texts: false,
        }
    }

    /// What is said of it in another place, too.
    fn merge(&mut self, other: Part) {
        self.licence = match (self.licence.take(), other.licence) {
            (Some(one), Some(two)) if one != two => Some(licences::all_of([one.as_str(), &two].into_iter())),
            (Some(one), Some(_)) => Some(one),
            // In one place it has a text that is not known.
            _ => None,
        };
        self.by_texts |= other.by_texts;
        for property in other.properties {
            self.add_property(property);
        }
    }

    pub(super) fn add_property(&mut self, property: Value) {
        if !self.properties.contains(&property) {
            self.properties.push(property);
        }
    }
}

fn as_expression<S: Serializer>(licence: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    licence.iter().map(|expression| json!({ "expression": expression })).collect::<Vec<_>>().serialize(serializer)
}

pub(super) fn sha256(digest: &str) -> Value {
    json!({ "alg": "SHA-256", "content": digest })
}

pub(super) fn property(name: &str, value: &str) -> Value {
    json!({ "name": name, "value": value })
}

/// The parts by their references, and what each is made of.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) parts: BTreeMap<String, Part>,
    made_of: BTreeMap<String, BTreeSet<String>>,
}

impl Parts {
    /// Adds what `whole` is made of.
    pub(super) fn add(&mut self, whole: &str, part: Part) {
        self.made_of.entry(whole.to_owned()).or_default().insert(part.bom_ref.clone());
        self.made_of.entry(part.bom_ref.clone()).or_default();
        match self.parts.get_mut(&part.bom_ref) {
            Some(known) => known.merge(part),
            None => drop(self.parts.insert(part.bom_ref.clone(), part)),
        }
    }

    /// A part needs others.
    pub(super) fn connect(&mut self, of: String, on: impl IntoIterator<Item = String>) {
        self.made_of.entry(of).or_default().extend(on);
    }

    /// Which crates need which.
    pub(super) fn connect_crates(&mut self, needs: elf::rust::Needs) {
        for (of, on) in needs {
            self.connect(bill::purl(&of), on.iter().map(bill::purl));
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'d> {
    bom_format: &'static str,
    spec_version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<String>,
    version: u32,
    metadata: &'d Metadata,
    components: &'d [Part],
    dependencies: &'d [Dependency],
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    tools: Value,
    component: Part,
}

#[derive(Serialize)]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    #[serde(rename = "dependsOn")]
    on: BTreeSet<String>,
}

/// The text of the document.
pub(super) fn text(component: Part, timestamp: String, parts: Parts) -> Result<String> {
    let maker =
        json!({ "type": "application", "name": "kubernetes-on-eos xtask", "version": env!("CARGO_PKG_VERSION") });
    let metadata = Metadata { timestamp, tools: json!({ "components": [maker] }), component };
    let mut components: Vec<Part> = parts.parts.into_values().collect();
    for part in components.iter_mut().filter(|part| part.by_texts && part.licence.is_some()) {
        part.add_property(property(LICENCE_BY.0, LICENCE_BY.1));
    }
    let dependencies: Vec<Dependency> = parts.made_of.into_iter().map(|(of, on)| Dependency { of, on }).collect();
    let unnamed = Document {
        bom_format: "CycloneDX",
        spec_version: "1.5",
        serial_number: None,
        version: 1,
        metadata: &metadata,
        components: &components,
        dependencies: &dependencies,
    };
    let serial_number = Some(serial_number(&Sha256::of_bytes(serde_json::to_string(&unnamed)?)));
    Ok(serde_json::to_string_pretty(&Document { serial_number, ..unnamed })?)
}

/// A UUID that is the document's own, and the same for the same content: version 8 of RFC 9562, of a digest.
fn serial_number(digest: &Sha256) -> String {
    let digest = digest.to_string();
    let digits = &digest[..32];
    format!("urn:uuid:{}-{}-8{}-8{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

#[cfg(test)]
mod tests {
    use cyclonedx_bom::{
        models::license::LicenseChoice,
        prelude::{Bom, SpecVersion, Validate},
    };

    use super::*;
    use crate::{
        date::rfc3339,
        work::sbom::{
            go_modules::{library, tests::debian},
            whole,
        },
    };

    #[test]
    fn cyclonedx_s_own_library_reads_the_document_and_finds_it_valid() {
        let whole = whole("1.20.2").unwrap();
        let mut etcd = Part::new("application", "etcd", Some("3.4.23"), "pkg:github/etcd-io/etcd@v3.4.23").unwrap();
        etcd.licence = Some("Apache-2.0".into());
        let (etcd_ref, file) = (etcd.bom_ref.clone(), Part::program("etcd", &Sha256::of_bytes("etcd")));
        let file_ref = file.bom_ref.clone();
        let mut parts = Parts::default();
        parts.add(&whole.bom_ref, etcd);
        parts.add(&etcd_ref, file);
        parts.add(&file_ref, library(&debian("golang.org/x/net", "1:0.7.0+dfsg-1")).unwrap());
        parts.connect("pkg:golang/golang.org/x/net@v0.7.0".into(), ["pkg:github/etcd-io/etcd@v3.4.23".to_owned()]);
        let text = text(whole, rfc3339(1_610_544_000), parts).unwrap();
        let bom = Bom::parse_from_json_v1_5(text.as_bytes()).unwrap();
        assert!(bom.validate_version(SpecVersion::V1_5).passed(), "{text}");

        let components = bom.components.unwrap().0;
        let purls: Vec<String> =
            components.iter().filter_map(|component| Some(component.purl.as_ref()?.to_string())).collect();
        assert_eq!(purls, ["pkg:github/etcd-io/etcd@v3.4.23", "pkg:golang/golang.org/x/net@v0.7.0"]);
        let licence = &components[0].licenses.as_ref().unwrap().0[0];
        assert!(matches!(licence, LicenseChoice::Expression(_)), "{licence:?}");
        assert_eq!(components[2].hashes.as_ref().unwrap().0.len(), 1);
        let chain = bom.dependencies.unwrap().0;
        let of = |name: &str| chain.iter().find(|found| found.dependency_ref == name).unwrap().dependencies.clone();
        assert_eq!(of("pkg:generic/kubernetes-on-eos@1.20.2"), ["pkg:github/etcd-io/etcd@v3.4.23"]);
        assert_eq!(of("pkg:github/etcd-io/etcd@v3.4.23"), ["program:etcd"]);
        assert_eq!(of("program:etcd"), ["pkg:golang/golang.org/x/net@v0.7.0"]);
        assert_eq!(of("pkg:golang/golang.org/x/net@v0.7.0"), ["pkg:github/etcd-io/etcd@v3.4.23"]);
        let tools = format!("{:?}", bom.metadata.unwrap().tools.unwrap());
        assert!(tools.contains("kubernetes-on-eos xtask"), "{tools}");
    }

    #[test]
    fn a_document_s_name_is_that_of_its_content() {
        let named = |licence: &str| {
            let mut parts = Parts::default();
            let mut etcd = Part::new("application", "etcd", None, "pkg:github/etcd-io/etcd").unwrap();
            etcd.licence = Some(licence.into());
            parts.add("pkg:generic/x", etcd);
            let text = text(whole("1.20.2").unwrap(), rfc3339(1_610_544_000), parts).unwrap();
            let document: Value = serde_json::from_str(&text).unwrap();
            document["serialNumber"].as_str().unwrap().to_owned()
        };
        assert_eq!(named("MIT"), named("MIT"));
        assert_ne!(named("MIT"), named("ISC"));
        let digest = Sha256::of_bytes("");
        assert_eq!(serial_number(&digest), "urn:uuid:e3b0c442-98fc-8c14-8afb-f4c8996fb924", "{digest}");
    }

    #[test]
    fn a_part_with_other_texts_in_another_program_is_under_all_of_them() {
        let under = |licences: &[Option<&str>]| {
            let mut parts = Parts::default();
            for licence in licences {
                let mut part = library(&debian("golang.org/x/sys", "0.3.0-1")).unwrap();
                (part.licence, part.by_texts) = (licence.map(str::to_owned), true);
                parts.add("program:a", part);
            }
            parts.parts.into_values().next().unwrap().licence
        };
        assert_eq!(under(&[Some("MIT"), Some("BSD-3-Clause AND MIT")]).as_deref(), Some("BSD-3-Clause AND MIT"));
        assert_eq!(under(&[Some("MIT"), Some("MIT")]).as_deref(), Some("MIT"));
        assert_eq!(under(&[Some("MIT"), None]), None);
    }

    #[test]
    fn one_module_of_two_debian_packages_names_both() {
        let mut parts = Parts::default();
        for version in ["0.3.0-1", "0.3.0-2", "0.3.0-1"] {
            let module = debian("golang.org/x/sys", version);
            let mut part = library(&module).unwrap();
            part.add_property(property(DEBIAN_PACKAGE, &module.purl));
            parts.add("program:cni", part);
        }
        assert_eq!(parts.parts["pkg:golang/golang.org/x/sys@v0.3.0"].properties.len(), 3);
    }

    #[test]
    fn what_is_no_package_url_is_named() {
        let error = Part::new("library", "x", None, "github.com/x").err().unwrap();
        assert!(format!("{error:#}").contains("\"github.com/x\" is not a package URL"), "{error:#}");
    }
}
