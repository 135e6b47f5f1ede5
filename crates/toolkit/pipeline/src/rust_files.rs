//! The files of this workspace that a Rust program is built from: what its step is hashed by.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use cargo_metadata::{MetadataCommand, Package};
use common::Sha256;

use crate::step::InputFile;

/// A package of this workspace, and those of the workspace's packages that it depends on.
pub(crate) fn members(workspace: &Path, name: &str) -> Result<Vec<Package>> {
    let metadata = MetadataCommand::new()
        .current_dir(workspace)
        .no_deps()
        .exec()
        .with_context(|| format!("cargo cannot read the workspace {}", workspace.display()))?;
    let find = |name: &str| metadata.packages.iter().find(|package| package.name == name);
    let first = find(name).with_context(|| format!("the workspace {} has no package {name}", workspace.display()))?;
    let mut packages: Vec<&Package> = vec![first];
    let mut next = 0;
    while let Some(package) = packages.get(next) {
        let local = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        for dependency in local.filter_map(|dependency| find(&dependency.name)).collect::<Vec<_>>() {
            if !packages.iter().any(|known| known.name == dependency.name) {
                packages.push(dependency);
            }
        }
        next += 1;
    }
    Ok(packages.into_iter().cloned().collect())
}

/// Their own files, and what the workspace says about all of them.
pub(crate) fn of_members(workspace: &Path, members: &[Package]) -> Result<Vec<InputFile>> {
    let mut files = vec![];
    for name in ["Cargo.toml", "Cargo.lock"] {
        files.push(InputFile::new(name, &workspace.join(name))?);
    }
    for package in members {
        let directory = package.manifest_path.parent().context("a manifest has no directory")?;
        for entry in walkdir::WalkDir::new(directory).sort_by_file_name() {
            let entry = entry.with_context(|| format!("cannot read {directory}"))?;
            let inside = entry.path().strip_prefix(workspace).unwrap_or(entry.path());
            if entry.file_type().is_file() && !inside.components().any(|part| part.as_os_str() == "tests") {
                files.push(InputFile::new(inside.to_string_lossy(), entry.path())?);
            }
        }
    }
    Ok(files)
}

/// For each package the digest of those of the files that are its own.
pub(crate) fn digests(members: &[Package], files: &[InputFile]) -> Result<BTreeMap<String, Sha256>> {
    let digest = |package: &Package| -> Result<(String, Sha256)> {
        let directory = package.manifest_path.parent().context("a manifest has no directory")?;
        let own = files.iter().filter(|file| file.path.starts_with(directory));
        let of: String = own.map(|file| format!("{} {}\n", file.sha256, file.name)).collect();
        Ok((package.name.to_string(), Sha256::of_bytes(of)))
    };
    members.iter().map(digest).collect()
}

/// The files that a package is built from.
pub fn of_package(workspace: &Path, name: &str) -> Result<Vec<InputFile>> {
    of_members(workspace, &members(workspace, name)?)
}
