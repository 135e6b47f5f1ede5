//! How the files were made: each by a statement, and the SWIX of the build that it names.

use std::{collections::BTreeSet, path::Path};

use common::{Progress, Sha256};
use serde_json::Value;
use swix::inspect::{ImageKind, Inspection, Probes, inspect};

use super::{Listed, Made, Trust, VerifyError, read};
use crate::{STATEMENT, statement::Statement};

/// How the file of a bill of materials ends.
pub(super) const SBOM: &str = ".cdx.json";

pub(super) fn verify(
    dist: &Path,
    files: &[Listed],
    trust: &Trust<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Made>, VerifyError> {
    let statements: Vec<&str> =
        files.iter().map(|file| file.name.as_str()).filter(|name| name.ends_with(STATEMENT)).collect();
    if statements.is_empty() {
        return Err(VerifyError::NoStatement);
    }
    let mut made = Vec::new();
    let mut subjects = BTreeSet::new();
    for name in &statements {
        let path = dist.join(name);
        let bytes = read(&path)?;
        if let Trust::Key(key) = trust {
            key.verify(&path, &bytes)?;
        }
        let statement = Statement::from_json(&bytes);
        let statement = statement.map_err(|why| VerifyError::Statement { file: (*name).to_owned(), why })?;
        subjects.extend(are_there(name, &statement, files)?);
        for swix in statement.subject.iter().map(|subject| &subject.name).filter(|name| name.ends_with(".swix")) {
            is_of(dist, swix, name, &statement, progress)?;
        }
        let internal = statement.predicate.build_definition.internal_parameters;
        made.push(Made { statement: (*name).to_owned(), version: internal.version, build: internal.build });
    }
    let unmade = files.iter().find(|file| !file.name.ends_with(STATEMENT) && !subjects.contains(&file.name));
    match unmade {
        Some(file) => Err(VerifyError::Unmade(file.name.clone())),
        None => Ok(made),
    }
}

/// The subjects of a statement, which are what is there.
fn are_there(name: &str, statement: &Statement, files: &[Listed]) -> Result<Vec<String>, VerifyError> {
    for subject in &statement.subject {
        let (statement, name) = (name.to_owned(), subject.name.clone());
        match files.iter().find(|file| file.name == name) {
            None => return Err(VerifyError::Gone { statement, name }),
            Some(file) if subject.sha256() != Some(file.sha256) => return Err(VerifyError::Other { statement, name }),
            Some(_) => {}
        }
    }
    Ok(statement.subject.iter().map(|subject| subject.name.clone()).collect())
}

/// Whether the SWIX is of the build that the statement is about, and of the programs that the bill of materials beside it lists.
fn is_of(
    dist: &Path,
    swix: &str,
    name: &str,
    statement: &Statement,
    progress: &dyn Progress,
) -> Result<(), VerifyError> {
    let report = inspect(&dist.join(swix), Probes::Skip, progress);
    let report = report.map_err(|error| VerifyError::Swix(Box::new(error)))?;
    let parameters = &statement.predicate.build_definition;
    let (internal, external) = (&parameters.internal_parameters, &parameters.external_parameters);
    let told = |version: &str, release: &str, arch, origin: &str| format!("{version}-{release} for {arch}, {origin}");
    let stated = told(&internal.version, &internal.build.release(), external.arch, &internal.build.origin());
    let build = report.release.build.as_ref();
    let origin = build.map_or("of a build that is not told".to_owned(), contract::Build::origin);
    let found = told(&report.release.version, &report.rpm.header.release, report.release.arch, &origin);
    if build != Some(&internal.build) || found != stated {
        let (swix, statement) = (swix.to_owned(), name.to_owned());
        return Err(VerifyError::Build { swix, found, statement, stated });
    }
    let sbom = statement.subject.iter().map(|subject| &subject.name).find(|name| name.ends_with(SBOM));
    let sbom = sbom.ok_or_else(|| VerifyError::NoSbom { statement: name.to_owned(), swix: swix.to_owned() })?;
    in_sbom(&report, swix, &dist.join(sbom), sbom)
}

fn in_sbom(report: &Inspection, swix: &str, file: &Path, name: &str) -> Result<(), VerifyError> {
    let document: Value = serde_json::from_slice(&read(file)?)
        .map_err(|error| VerifyError::Sbom { file: name.to_owned(), why: error.to_string() })?;
    let components = document["components"].as_array().into_iter().flatten();
    let hashes = components.flat_map(|component| component["hashes"].as_array().into_iter().flatten());
    let known: BTreeSet<Sha256> = hashes.filter_map(|hash| hash["content"].as_str()?.parse().ok()).collect();
    let unknown = report.image.iter().find(|entry| match &entry.kind {
        ImageKind::Program { sha256, .. } => !known.contains(sha256),
        _ => false,
    });
    match unknown {
        None => Ok(()),
        Some(entry) => {
            let (program, swix, sbom) = (entry.path.clone(), swix.to_owned(), name.to_owned());
            Err(VerifyError::Program { program, swix, sbom })
        }
    }
}
