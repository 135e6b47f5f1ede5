//! What a switch finds on its flash when it is switched on for the first time.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::files;

use super::traits::{ON_FLASH, Traits};

/// Files by their path below /mnt/flash.
#[derive(Debug, Clone, Default)]
pub struct Flash {
    files: BTreeMap<PathBuf, Content>,
}

#[derive(Debug, Clone)]
enum Content {
    Bytes(Vec<u8>),
    CopyOf(PathBuf),
}

impl Flash {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_bytes(mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), Content::Bytes(bytes.into()));
        self
    }

    pub fn with_file(mut self, path: impl Into<PathBuf>, from: impl Into<PathBuf>) -> Self {
        self.files.insert(path.into(), Content::CopyOf(from.into()));
        self
    }

    /// A SWIX that is installed at every boot, as `copy FILE extension:` and `boot-extensions` have it.
    pub fn with_boot_extension(self, swix: &Path) -> Result<Self> {
        let name = swix.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} has no name", swix.display()))?.to_owned();
        let listed = format!("{name}\n");
        Ok(self.with_file(Path::new(".extensions").join(&name), swix).with_bytes("boot-extensions", listed))
    }

    /// What the stand-in is to be otherwise than its image says.
    pub fn with_traits(self, traits: &Traits) -> Self {
        if traits.is_empty() { self } else { self.with_bytes(ON_FLASH, traits.to_string()) }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.files.contains_key(Path::new(path))
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Takes a file out: its bytes, where it is one of these.
    pub(super) fn take(&mut self, path: &str) -> Result<Option<Vec<u8>>> {
        match self.files.remove(Path::new(path)) {
            None => Ok(None),
            Some(Content::Bytes(bytes)) => Ok(Some(bytes)),
            Some(Content::CopyOf(from)) => Ok(Some(files::read(&from)?)),
        }
    }

    pub(super) fn write_to(&self, directory: &Path) -> Result<()> {
        for (path, content) in &self.files {
            let to = directory.join(path);
            match content {
                Content::Bytes(bytes) => files::write_atomically(&to, bytes)?,
                Content::CopyOf(from) => files::copy_atomically(from, &to)?,
            }
        }
        Ok(())
    }
}
