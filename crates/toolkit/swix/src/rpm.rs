//! RPM packages that old versions of rpm read: format 4, a gzip payload, SHA-256 digests of files.
//!
//! A package demands nothing but features of rpm itself and the shell of its scriptlets. Files belong to
//! root. Of the directories on the way to a file, a package owns those from the first one on that is called
//! like the package; the ones above belong to the system.

mod payload_size;
mod read;
mod rerelease;

use std::path::Path;

use ::rpm::{BuildConfig, CompressionWithLevel, FileOptions, PackageBuilder, Scriptlet};
use anyhow::{Context, Result};
use common::{Arch, files};

use self::payload_size::with_payload_size;
pub use self::read::{Contents, File, FileKind, Header, Rpm, RpmError, Scriptlets, parse};
use crate::{
    SourceDate,
    tree::{self, Entry, Kind},
};

/// What the header says in place of the machine that built it.
const BUILD_HOST: &str = "localhost";

/// The payload is stored, not compressed: nearly all of it is an image in xz, and stored blocks are the
/// same bytes whichever library and processor write them.
const STORED: CompressionWithLevel = CompressionWithLevel::Gzip(0);

/// A package to be written.
#[derive(Debug, Clone)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub release: String,
    pub arch: Arch,
    pub summary: String,
    pub description: String,
    pub license: String,
    pub url: String,
    pub vendor: String,
    pub date: SourceDate,
    pub entries: Vec<Entry>,
    pub scriptlets: Scriptlets,
}

impl Package {
    /// `name-version-release.arch.rpm`.
    pub fn file_name(&self) -> String {
        format!("{}-{}-{}.{}.rpm", self.name, self.version, self.release, self.arch.rpm())
    }

    pub fn write(&self, to: &Path) -> Result<()> {
        let made = || {
            let mut bytes = Vec::new();
            self.build()?.write(&mut bytes)?;
            with_payload_size(&bytes)
        };
        let package = made().with_context(|| format!("cannot make the package {}", self.file_name()))?;
        files::write_atomically(to, package)
    }

    fn build(&self) -> Result<::rpm::Package> {
        let config = BuildConfig::v4().compression(STORED).source_date(self.date.0).reserved_space(None);
        let arch = self.arch.rpm();
        let mut builder = PackageBuilder::new(&self.name, &self.version, &self.license, arch, &self.summary);
        builder.using_config(config).release(&self.release).description(&self.description);
        builder.url(&self.url).vendor(&self.vendor).build_host(BUILD_HOST);
        let shell = |script: &str| Scriptlet::new(script).prog(vec!["/bin/sh"]);
        if let Some(script) = &self.scriptlets.post {
            builder.post_install_script(shell(script));
        }
        if let Some(script) = &self.scriptlets.preun {
            builder.pre_uninstall_script(shell(script));
        }
        for Entry { path, kind } in tree::complete(&self.entries)? {
            let name = format!("/{path}");
            match kind {
                Kind::File { from, mode } => {
                    let options = FileOptions::new(name).permissions(mode);
                    builder.with_file_contents(files::read(&from)?, options)
                }
                Kind::Symlink { target } => builder.with_symlink(FileOptions::symlink(name, target)),
                Kind::Directory { mode } if self.owns(&path) => {
                    builder.with_dir_entry(FileOptions::dir(name).permissions(mode))
                }
                Kind::Directory { .. } => continue,
            }
            .with_context(|| format!("cannot package /{path}"))?;
        }
        Ok(builder.build()?)
    }

    fn owns(&self, directory: &str) -> bool {
        directory.split('/').any(|part| part == self.name)
    }
}
