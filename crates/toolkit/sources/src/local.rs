//! A tree or an archive that the user gives in place of a component's origins. It is copied into the
//! store first, so that what is built is what was looked at, whatever happens to the directory meanwhile.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use recipes::{RelativePath, Source};

use crate::{
    archive::{inner_path, open_tar},
    error::NotThatComponent,
    fetched::{Answer, AnsweredBy, BlobFile, Fetched, Form},
    store::Store,
};

/// Refuses a directory or an archive that is not what it should be.
pub(crate) fn require(source: &Source, path: &Path) -> Result<()> {
    if fs::metadata(path).with_context(|| context(source, path))?.is_dir() {
        return check(source, path, |marker| path.join(marker).exists());
    }
    let names = names(path).with_context(|| context(source, path))?;
    check(source, path, |marker| names.contains(Path::new(&**marker)))
}

fn context(source: &Source, path: &Path) -> String {
    format!("cannot take {} from {}", source.name, path.display())
}

/// Takes a directory or an archive into the store, if it is what it should be.
pub(crate) fn take(source: &Source, path: &Path, store: &Store) -> Result<Fetched> {
    require(source, path)?;
    let scratch = store.scratch()?;
    let (form, copied) = if path.is_dir() {
        (Form::Tree, archive_directory(path, scratch.path()))
    } else {
        (Form::Archive { root: None }, fs::copy(path, scratch.path()).map(drop).map_err(Into::into))
    };
    // It may be either of the two that cannot be used: a full disk is that of the cache.
    let copied = copied.with_context(|| format!("cannot copy it to {}", scratch.path().display()));
    copied.with_context(|| context(source, path))?;
    let (sha256, size) = store.add(scratch.path())?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let files = vec![BlobFile { name, sha256, size, package: None }];
    let (description, pin) = (path.display().to_string(), format!("sha256 {sha256}"));
    let answer = Answer { by: AnsweredBy::Local, description, pin, unlocked: false };
    Ok(Fetched { name: source.name.clone(), version: source.version.clone(), answer, form, files })
}

fn check(source: &Source, path: &Path, has: impl Fn(&RelativePath) -> bool) -> Result<()> {
    match source.markers.iter().find(|marker| !has(marker)) {
        None => Ok(()),
        Some(marker) => {
            let (component, path) = (source.name.to_string(), path.to_owned());
            Err(NotThatComponent { component, path, marker: marker.to_string() }.into())
        }
    }
}

/// The paths in an archive as they will be in its tree.
fn names(archive: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut names = BTreeSet::new();
    for entry in open_tar(File::open(archive)?)?.entries()? {
        let entry = entry?;
        if entry.header().entry_type() != tar::EntryType::XGlobalHeader
            && let Some(path) = inner_path(&entry.path()?)?
        {
            names.extend(path.ancestors().filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned));
        }
    }
    let tops = names.iter().filter(|name| name.components().count() == 1).collect::<Vec<_>>();
    if let [top] = tops.as_slice() {
        let top = (*top).clone();
        let below: BTreeSet<PathBuf> = names
            .iter()
            .filter_map(|name| name.strip_prefix(&top).ok())
            .filter(|name| !name.as_os_str().is_empty())
            .map(Path::to_owned)
            .collect();
        return Ok(if below.is_empty() { names } else { below });
    }
    Ok(names)
}

/// An archive of a directory's content in order of names, without times and owners and without its `.git`.
fn archive_directory(directory: &Path, archive: &Path) -> Result<()> {
    let mut builder = tar::Builder::new(BufWriter::new(File::create(archive)?));
    let entries = walkdir::WalkDir::new(directory).min_depth(1).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(|entry| !(entry.depth() == 1 && entry.file_name() == ".git")) {
        let entry = entry?;
        let name = entry.path().strip_prefix(directory)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        let kind = entry.file_type();
        if kind.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            builder.append_data(&mut header, name, io::empty())?;
        } else if kind.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            builder.append_link(&mut header, name, fs::read_link(entry.path())?)?;
        } else if kind.is_file() {
            let file = File::open(entry.path()).with_context(|| entry.path().display().to_string())?;
            let meta = file.metadata()?;
            header.set_size(meta.len());
            header.set_mode(if meta.permissions().mode() & 0o111 == 0 { 0o644 } else { 0o755 });
            builder.append_data(&mut header, name, file)?;
        } else {
            bail!("{} is neither a file, a directory nor a link", entry.path().display());
        }
    }
    builder.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}
