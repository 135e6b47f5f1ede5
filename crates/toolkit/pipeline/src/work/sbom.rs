//! The bill of materials (CycloneDX): the components, their programs with digests, every Go module and
//! Rust crate whose code is in them, Rust's standard library and musl, and which is in which.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use common::{Sha256, files};
use purl::GenericPurl;
use serde::Serialize;
use serde_json::{Value, json};
use swix::{
    bill::{self, Bill, Shown},
    elf,
};

use crate::{
    cargo_lock,
    date::rfc3339,
    modules::Module,
    step::Sbom,
    work::{
        Job,
        go::STANDARD_LIBRARY,
        licences,
        rust_std::{self, Linked},
    },
};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    bom_format: &'static str,
    spec_version: &'static str,
    version: u32,
    metadata: Metadata,
    components: Vec<Part>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
    component: Part,
}

#[derive(Serialize)]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    #[serde(rename = "dependsOn")]
    on: BTreeSet<String>,
}

/// The parts by their references, and what each is made of.
#[derive(Default)]
struct Parts {
    parts: BTreeMap<String, Part>,
    made_of: BTreeMap<String, BTreeSet<String>>,
}

impl Parts {
    /// Adds what `whole` is made of. One that is known already keeps what was said of it, and gets the new properties.
    fn add(&mut self, whole: &str, part: Part) {
        self.made_of.entry(whole.to_owned()).or_default().insert(part.bom_ref.clone());
        self.made_of.entry(part.bom_ref.clone()).or_default();
        let Some(known) = self.parts.get_mut(&part.bom_ref) else {
            self.parts.insert(part.bom_ref.clone(), part);
            return;
        };
        for property in part.properties {
            if !known.properties.contains(&property) {
                known.properties.push(property);
            }
        }
    }

    /// What is known of a part that Rust's toolchain gave a program.
    fn describe(&mut self, linked: &Linked) {
        let Some(known) = self.parts.get_mut(&linked.module.purl) else { return };
        known.description = linked.description;
        let debian = linked.debian.as_deref().map(debian_package);
        known.properties.extend(debian.filter(|property| !known.properties.contains(property)));
        if let Some(checksum) = linked.sha256.as_deref().filter(|_| known.hashes.is_empty()) {
            known.hashes.push(sha256(checksum));
        }
        self.made_of.entry(linked.module.purl.clone()).or_default().extend(linked.needs.iter().cloned());
    }

    /// Which crates need which.
    fn connect(&mut self, needs: elf::rust::Needs) {
        for (of, on) in needs {
            self.made_of.entry(bill::purl(&of)).or_default().extend(on.iter().map(bill::purl));
        }
    }
}

pub(crate) fn run(job: &Job, work: &Sbom) -> Result<()> {
    let whole = whole(&work.version)?;
    let known = licences::read(job)?;
    let checksums = checksums(&files::read_text(&work.lock.path)?)?;
    let mut parts = Parts::default();
    for component in &work.components {
        let mut described = part("application", &component.name, Some(&component.version), &component.purl)?;
        described.licenses.push(expression(&component.license));
        parts.add(&whole.bom_ref, described);
        for program in &component.programs {
            let bytes = files::read(&job.need(&program.step)?.join(&program.name))?;
            let mut file = program_file(&program.name, &Sha256::of_bytes(&bytes));
            let reference = file.bom_ref.clone();
            file.properties.extend(known.own_packages.get(&program.name).into_iter().flatten().map(import_path));
            parts.add(&component.purl, file);
            for notice in known.notices_of(&program.name).filter(|notice| notice.module.purl != component.purl) {
                let mut described = library(&notice.module)?;
                described.licenses.extend(notice.licence.as_deref().map(expression));
                described.hashes.extend(checksums.get(&notice.module.purl).map(|checksum| sha256(checksum)));
                parts.add(&reference, described);
            }
            if let Some(toolchain) = &program.rust_toolchain {
                for linked in rust_std::linked(job, toolchain)? {
                    parts.describe(&linked);
                }
                parts.connect(elf::rust::listed(&program.name, &bytes)?.unwrap_or_default());
            }
        }
    }
    let document = document(whole, rfc3339(work.source_date), parts);
    let text = serde_json::to_string_pretty(&document)?;
    compare(job, work, &text)?;
    files::write_atomically(&job.out().join(&work.file_name), text)
}

/// Refuses a document that is not what the programs show of themselves.
fn compare(job: &Job, work: &Sbom, document: &str) -> Result<()> {
    let bill = Bill::read(document.as_bytes())?;
    let mut wrong = Vec::new();
    for program in work.components.iter().flat_map(|component| &component.programs) {
        let bytes = files::read(&job.need(&program.step)?.join(&program.name))?;
        wrong.extend(bill.compare(&program.name, &Shown::by(&program.name, &bytes)?));
    }
    ensure!(
        wrong.is_empty(),
        "the bill of materials and the programs are not alike, by what the programs show of themselves:\n    {}",
        wrong.join("\n    ")
    );
    Ok(())
}

fn whole(version: &str) -> Result<Part> {
    part("firmware", "kubernetes-on-eos", Some(version), &format!("pkg:generic/kubernetes-on-eos@{version}"))
}

fn document(component: Part, timestamp: String, parts: Parts) -> Document {
    // Which Go modules need which is not known: that is not to say that they need none.
    let is_known = |(of, on): &(String, BTreeSet<String>)| !(on.is_empty() && of.starts_with("pkg:golang/"));
    let dependencies = parts.made_of.into_iter().filter(is_known).map(|(of, on)| Dependency { of, on }).collect();
    let (metadata, components) = (Metadata { timestamp, component }, parts.parts.into_values().collect());
    Document { bom_format: "CycloneDX", spec_version: "1.5", version: 1, metadata, components, dependencies }
}

fn part(kind: &'static str, name: &str, version: Option<&str>, purl: &str) -> Result<Part> {
    let _: GenericPurl<String> = purl.parse().with_context(|| format!("{purl:?} is not a package URL"))?;
    let (name, version) = (name.to_owned(), version.map(str::to_owned));
    let (bom_ref, purl) = (purl.to_owned(), Some(purl.to_owned()));
    Ok(Part {
        kind,
        bom_ref,
        name,
        version,
        description: None,
        hashes: vec![],
        licenses: vec![],
        purl,
        properties: vec![],
    })
}

/// A program as it is built, by its digest.
fn program_file(name: &str, sha256: &Sha256) -> Part {
    let hashes = vec![self::sha256(&sha256.to_string())];
    let (bom_ref, name) = (format!("{}{name}", bill::PROGRAM), name.to_owned());
    Part {
        kind: "file",
        bom_ref,
        name,
        version: None,
        description: None,
        hashes,
        licenses: vec![],
        purl: None,
        properties: vec![],
    }
}

fn sha256(digest: &str) -> Value {
    json!({ "alg": "SHA-256", "content": digest })
}

fn expression(spdx: &str) -> Value {
    json!({ "expression": spdx })
}

/// Packages of it have import paths that begin so.
fn import_path(directory: impl AsRef<str>) -> Value {
    json!({ "name": bill::IMPORT_PATH, "value": directory.as_ref() })
}

fn debian_package(value: &str) -> Value {
    json!({ "name": "debian:package", "value": value })
}

/// A module or crate. A Go module that came in a Debian package has the name that vulnerability databases know it by.
fn library(module: &Module) -> Result<Part> {
    if !module.purl.starts_with("pkg:deb/") {
        let mut described = part("library", &module.path, module.version.as_deref(), &module.purl)?;
        if module.purl.starts_with("pkg:golang/") && module.path != STANDARD_LIBRARY {
            described.properties.push(import_path(&module.path));
        }
        return Ok(described);
    }
    let version = module.version.as_deref().and_then(upstream_release);
    let suffix = version.as_ref().map(|version| format!("@{version}")).unwrap_or_default();
    let path = module_path(&module.path, version.as_deref());
    let mut described = part("library", &path, version.as_deref(), &format!("pkg:golang/{path}{suffix}"))?;
    described.properties.extend([import_path(&module.path), debian_package(&module.purl)]);
    Ok(described)
}

/// The module that a directory of a Debian package is in. Debian leaves out directories without code above it, and often
/// the `/v2` that Go wants from the second major version on.
fn module_path(directory: &str, version: Option<&str>) -> String {
    let is_major = |part: &str| part.strip_prefix('v').is_some_and(is_number);
    let parts: Vec<&str> = directory.split('/').collect();
    let of_repository = match parts[0] {
        "github.com" | "golang.org" if parts.get(3).is_some_and(|part| is_major(part)) => 4,
        "github.com" | "golang.org" => 3,
        _ => parts.len(),
    };
    let path = parts[..of_repository.min(parts.len())].join("/");
    let major = version.and_then(|version| version.split('.').next()).filter(|major| !["v0", "v1"].contains(major));
    match major {
        Some(major) if parts[0] != "gopkg.in" && !path.ends_with(&format!("/{major}")) => format!("{path}/{major}"),
        _ => path,
    }
}

/// `v0.7.0` for Debian's `1:0.7.0+dfsg-1`; none for what was packaged between two releases.
fn upstream_release(debian: &str) -> Option<String> {
    let version = debian.split_once(':').map_or(debian, |(_, version)| version);
    let version = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
    let version = ["+dfsg", "+ds"].iter().find_map(|mark| Some(version.split_once(mark)?.0)).unwrap_or(version);
    (version.split('.').count() == 3 && version.split('.').all(is_number)).then(|| format!("v{version}"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Package URL -> SHA-256 of the registry's archive.
fn checksums(lock: &str) -> Result<BTreeMap<String, String>> {
    let locked = cargo_lock::read(lock).context("Cargo.lock cannot be understood")?;
    let pinned = locked.into_iter().filter_map(|of| Some((bill::purl(&(of.name, of.version)), of.checksum?)));
    Ok(pinned.collect())
}

#[cfg(test)]
mod tests {
    use cyclonedx_bom::{
        models::license::LicenseChoice,
        prelude::{Bom, SpecVersion, Validate},
    };

    use super::*;

    #[test]
    fn cyclonedx_s_own_library_reads_the_document_and_finds_it_valid() {
        let whole = whole("1.20.2").unwrap();
        let mut etcd = part("application", "etcd", Some("3.4.23"), "pkg:github/etcd-io/etcd@v3.4.23").unwrap();
        etcd.licenses.push(expression("Apache-2.0"));
        let (etcd_ref, file) = (etcd.bom_ref.clone(), program_file("etcd", &Sha256::of_bytes("etcd")));
        let file_ref = file.bom_ref.clone();
        let mut parts = Parts::default();
        parts.add(&whole.bom_ref, etcd);
        parts.add(&etcd_ref, file);
        parts.add(&file_ref, library(&debian("golang.org/x/net", "1:0.7.0+dfsg-1")).unwrap());
        let text = serde_json::to_string_pretty(&document(whole, rfc3339(1_610_544_000), parts)).unwrap();
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
    }

    fn debian(path: &str, version: &str) -> Module {
        let purl = format!("pkg:deb/debian/golang-x-dev@{}?arch=all", version.replace('+', "%2B"));
        Module { path: path.into(), version: Some(version.into()), purl }
    }

    #[test]
    fn a_go_module_from_a_debian_package_is_a_go_module() {
        for (version, purl) in [
            ("1:0.7.0+dfsg-1", "pkg:golang/golang.org/x/net@v0.7.0"),
            ("2.0.2+ds1-1", "pkg:golang/golang.org/x/net/v2@v2.0.2"),
            ("1.2.0+git20191002.6af20e3-3", "pkg:golang/golang.org/x/net"),
            ("0.0~git20200121.8c9f03a-2", "pkg:golang/golang.org/x/net"),
            ("1.1.0.125.gf243826-4", "pkg:golang/golang.org/x/net"),
            ("4-3", "pkg:golang/golang.org/x/net"),
        ] {
            let module = debian("golang.org/x/net", version);
            let described = library(&module).unwrap();
            assert_eq!(described.purl.as_deref(), Some(purl), "{version}");
            assert_eq!(described.properties, [import_path("golang.org/x/net"), debian_package(&module.purl)]);
        }
    }

    #[test]
    fn a_go_module_has_the_path_that_go_knows_it_by() {
        for (directory, version, purl) in [
            ("golang.org/x/time/rate", "0.3.0-1", "pkg:golang/golang.org/x/time@v0.3.0"),
            (
                "github.com/prometheus/client_model/go",
                "0.3.0-3",
                "pkg:golang/github.com/prometheus/client_model@v0.3.0",
            ),
            ("github.com/coreos/go-systemd", "22.3.2-1", "pkg:golang/github.com/coreos/go-systemd/v22@v22.3.2"),
            ("github.com/russross/blackfriday/v2", "2.1.0-1", "pkg:golang/github.com/russross/blackfriday/v2@v2.1.0"),
            ("gopkg.in/yaml.v2", "2.4.0-4", "pkg:golang/gopkg.in/yaml.v2@v2.4.0"),
            ("go.etcd.io/bbolt", "1.3.6-2", "pkg:golang/go.etcd.io/bbolt@v1.3.6"),
        ] {
            assert_eq!(library(&debian(directory, version)).unwrap().purl.as_deref(), Some(purl));
        }
    }

    #[test]
    fn one_module_of_two_debian_packages_names_both() {
        let mut parts = Parts::default();
        for version in ["0.3.0-1", "0.3.0-2", "0.3.0-1"] {
            parts.add("program:cni", library(&debian("golang.org/x/sys", version)).unwrap());
        }
        assert_eq!(parts.parts["pkg:golang/golang.org/x/sys@v0.3.0"].properties.len(), 3);
    }

    #[test]
    fn what_is_no_package_url_is_named() {
        let error = part("library", "x", None, "github.com/x").err().unwrap();
        assert!(format!("{error:#}").contains("\"github.com/x\" is not a package URL"), "{error:#}");
    }
}
