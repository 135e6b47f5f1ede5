//! The bill of materials (CycloneDX): the components, their programs with digests, every Go module and
//! Rust crate whose code is in them, Rust's standard library and musl, which is in which, and which needs which.

mod document;
mod go_modules;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use common::{Sha256, files};
use swix::{
    bill::{self, Bill, Shown},
    elf,
};

use self::{
    document::{DEBIAN_PACKAGE, GO_SUM, Part, Parts, property, sha256},
    go_modules::{import_path, library},
};
use crate::{
    cargo_lock,
    date::rfc3339,
    step::{Sbom, SbomProgram},
    work::{
        Job, licences, module_graph,
        rust_std::{self, Linked},
    },
};

pub(crate) fn run(job: &Job, work: &Sbom) -> Result<()> {
    let whole = whole(&work.version)?;
    let known = licences::read(job)?;
    let checksums = checksums(&files::read_text(&work.lock.path)?)?;
    let mut parts = Parts::default();
    for component in &work.components {
        let mut described = Part::new("application", &component.name, Some(&component.version), &component.purl)?;
        described.licence = Some(component.license.clone());
        parts.add(&whole.bom_ref, described);
        for program in &component.programs {
            let bytes = files::read(&job.need(&program.step)?.join(&program.name))?;
            let mut file = Part::program(&program.name, &Sha256::of_bytes(&bytes));
            let reference = file.bom_ref.clone();
            file.properties.extend(known.own_packages.get(&program.name).into_iter().flatten().map(import_path));
            parts.add(&component.purl, file);
            let packages = DebianPackages::of(job, program)?;
            let mut references = BTreeMap::new();
            for notice in known.notices_of(&program.name).filter(|notice| notice.module.purl != component.purl) {
                let mut described = library(&notice.module)?;
                references.insert(notice.module.path.as_str(), described.bom_ref.clone());
                described.licence.clone_from(&notice.licence);
                described.by_texts = notice.by_texts;
                described.hashes.extend(checksums.get(&notice.module.purl).map(|checksum| sha256(checksum)));
                described.properties.extend(packages.property(&notice.module.purl));
                parts.add(&reference, described);
            }
            connect_modules(job, program, &references, &mut parts)?;
            if let Some(toolchain) = &program.rust_toolchain {
                for linked in rust_std::linked(job, toolchain)? {
                    describe(&mut parts, &linked, &packages);
                }
                parts.connect_crates(elf::rust::listed(&program.name, &bytes)?.unwrap_or_default());
            }
        }
    }
    let text = document::text(whole, rfc3339(work.source_date), parts)?;
    compare(job, work, &text)?;
    files::write_atomically(&job.out().join(&work.file_name), text)
}

/// Which Go modules need which, and what go.sum says of them. `references` are those of the modules that are in the program: the
/// linker leaves out what nothing calls, now and then all of a module.
fn connect_modules(
    job: &Job,
    program: &SbomProgram,
    references: &BTreeMap<&str, String>,
    parts: &mut Parts,
) -> Result<()> {
    let Some(step) = &program.module_graph else { return Ok(()) };
    for (path, known) in module_graph::read(job, step)? {
        let Some(reference) = references.get(path.as_str()) else { continue };
        if let (Some(part), Some(sum)) = (parts.parts.get_mut(reference), &known.sum) {
            part.add_property(property(GO_SUM, sum));
        }
        let needed = known.needs.iter().filter_map(|needed| references.get(needed.as_str()));
        parts.connect(reference.clone(), needed.filter(|needed| *needed != reference).cloned());
    }
    Ok(())
}

/// What is known of a part that Rust's toolchain gave a program.
fn describe(parts: &mut Parts, linked: &Linked, packages: &DebianPackages) {
    let Some(known) = parts.parts.get_mut(&linked.module.purl) else { return };
    known.description = linked.description;
    if let Some(package) = &linked.debian {
        known.add_property(packages.property(package).unwrap_or_else(|| property(DEBIAN_PACKAGE, package)));
    }
    if let Some(checksum) = linked.sha256.as_deref().filter(|_| known.hashes.is_empty()) {
        known.hashes.push(sha256(checksum));
    }
    parts.connect(linked.module.purl.clone(), linked.needs.iter().cloned());
}

/// The digests of the Debian packages that a program was made from, by their package URLs without what stands behind the version.
struct DebianPackages(BTreeMap<String, BTreeSet<Sha256>>);

impl DebianPackages {
    fn of(job: &Job, program: &SbomProgram) -> Result<Self> {
        let mut digests: BTreeMap<String, BTreeSet<Sha256>> = BTreeMap::new();
        for file in job.entry(&program.step)?.meta.sources.values().flat_map(|source| &source.files) {
            let Some(package) = &file.package else { continue };
            let purl = format!("pkg:deb/debian/{}@{}", package.name, package.version.replace('+', "%2B"));
            digests.entry(purl).or_default().insert(file.sha256);
        }
        Ok(DebianPackages(digests))
    }

    /// The package with its digest. None where it is no Debian package.
    fn property(&self, purl: &str) -> Option<serde_json::Value> {
        let package = purl.split('?').next().filter(|package| package.starts_with("pkg:deb/"))?;
        let digests: Vec<&Sha256> = self.0.get(package).into_iter().flatten().collect();
        // The same version for two architectures is two files.
        let [digest] = digests[..] else { return Some(property(DEBIAN_PACKAGE, purl)) };
        let joint = if purl.contains('?') { '&' } else { '?' };
        Some(property(DEBIAN_PACKAGE, &format!("{purl}{joint}checksum=sha256:{digest}")))
    }
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

/// What the document is about.
fn whole(version: &str) -> Result<Part> {
    Part::new("firmware", "kubernetes-on-eos", Some(version), &format!("pkg:generic/kubernetes-on-eos@{version}"))
}

/// Package URL -> SHA-256 of the registry's archive.
fn checksums(lock: &str) -> Result<BTreeMap<String, String>> {
    let locked = cargo_lock::read(lock).context("Cargo.lock cannot be understood")?;
    let pinned = locked.into_iter().filter_map(|of| Some((bill::purl(&(of.name, of.version)), of.checksum?)));
    Ok(pinned.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debian_package_is_named_with_the_digest_of_its_file() {
        let digest = |text: &str| Sha256::of_bytes(text);
        let one = ("pkg:deb/debian/a-dev@1%2Bds-1".to_owned(), BTreeSet::from([digest("a")]));
        let two = ("pkg:deb/debian/musl-dev@1".to_owned(), BTreeSet::from([digest("386"), digest("amd64")]));
        let packages = DebianPackages([one, two].into());
        let value = |purl: &str| Some(packages.property(purl)?["value"].as_str().unwrap().to_owned());
        let named = format!("pkg:deb/debian/a-dev@1%2Bds-1?arch=all&checksum=sha256:{}", digest("a"));
        assert_eq!(value("pkg:deb/debian/a-dev@1%2Bds-1?arch=all"), Some(named));
        assert_eq!(value("pkg:deb/debian/musl-dev@1").as_deref(), Some("pkg:deb/debian/musl-dev@1"));
        assert_eq!(value("pkg:cargo/a@1"), None);
    }
}
