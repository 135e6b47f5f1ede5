//! The list of digests, and the files that are there.

use std::{fs, io, path::Path};

use common::Sha256;

use super::{Listed, VerifyError, require_file};
use crate::{SIGNATURE, STATEMENT, SUMS};

/// As `sha256sum` writes them, names of files alone.
pub(super) fn parse(sums: &[u8]) -> Result<Vec<Listed>, VerifyError> {
    let text = str::from_utf8(sums).map_err(|_| VerifyError::Line(1))?;
    let mut files: Vec<Listed> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let file = line.split_once("  ").and_then(|(digest, name)| {
            let is_name = !name.is_empty() && !name.contains('/') && !name.starts_with('.') && name != SUMS;
            is_name.then_some(Listed { name: name.to_owned(), sha256: digest.parse().ok()? })
        });
        let file = file.ok_or(VerifyError::Line(number + 1))?;
        if files.iter().any(|known| known.name == file.name) {
            return Err(VerifyError::Twice(file.name));
        }
        files.push(file);
    }
    Ok(files)
}

/// Returns what else is there of the kinds that no build publishes.
pub(super) fn all_there_and_no_other(dist: &Path, files: &[Listed]) -> Result<Vec<String>, VerifyError> {
    for Listed { name, sha256 } in files {
        let path = dist.join(name);
        require_file(&path)?;
        let found = Sha256::of_file(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => VerifyError::Missing(name.clone()),
            _ => VerifyError::Read { path, error },
        })?;
        if found != *sha256 {
            let swapped = files.iter().find(|other| other.sha256 == found).map(|other| other.name.clone());
            return Err(VerifyError::Changed { name: name.clone(), found, swapped });
        }
    }
    let unreadable = |error| VerifyError::Read { path: dist.to_owned(), error };
    let (mut names, mut beside) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(dist).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().map_err(unreadable)?.is_dir() {
            beside.push(format!("{name}/"));
        } else if name.starts_with('.') {
            beside.push(name);
        } else if name != SUMS && !is_signature(&name, files) && !files.iter().any(|file| file.name == name) {
            names.push(name);
        }
    }
    names.sort();
    beside.sort();
    if names.is_empty() { Ok(beside) } else { Err(VerifyError::Extra { names }) }
}

/// Of the list, or of a statement in it.
fn is_signature(name: &str, files: &[Listed]) -> bool {
    let of = name.strip_suffix(SIGNATURE);
    of.is_some_and(|of| of == SUMS || (of.ends_with(STATEMENT) && files.iter().any(|file| file.name == of)))
}
