//! SWIX files, EOS's extension packages: a zip archive of a manifest and RPMs, none of it compressed.
//!
//! The archive is written in one way only: the manifest first, then the RPMs as given, every header
//! field fixed. A reader therefore needs no list of what could be wrong with a header: it writes the
//! archive again from what it found in it and compares, so that no byte goes unverified. Arista's
//! `swix-signature` appends one member and leaves the others as they are; up to there a signed archive
//! has to be the same too, and behind it the signature says for itself whether it is right.

mod manifest;
mod read;

use std::{
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::files;
use zip::{CompressionMethod, ZipWriter, result::ZipResult, write::SimpleFileOptions};

pub use self::{
    manifest::{Manifest, Sha1, SyntaxError},
    read::{Swix, SwixError, parse},
};

/// The member that says what the others are.
pub const MANIFEST: &str = "manifest.txt";

/// The member that Arista's signing tool appends.
pub const SIGNATURE: &str = "swix-signature";

/// Writes a SWIX of packages that EOS installs; the first is the primary one.
pub fn write(rpms: &[PathBuf], to: &Path) -> Result<()> {
    let mut members = Vec::new();
    for path in rpms {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .with_context(|| format!("{} has no name", path.display()))?;
        members.push((name.to_owned(), files::read(path)?));
    }
    let manifest = Manifest::of(&members)?.to_string();
    members.insert(0, (MANIFEST.to_owned(), manifest.into_bytes()));
    let archive = archive(&members).with_context(|| format!("cannot make the archive {}", to.display()))?;
    files::write_atomically(to, archive)
}

/// The one archive of these members.
pub(crate) fn archive(members: &[(String, Vec<u8>)]) -> ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::DEFAULT
        .compression_method(CompressionMethod::Stored)
        .system(zip::System::Unix)
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(name.as_str(), options)?;
        writer.write_all(bytes)?;
    }
    Ok(writer.finish()?.into_inner())
}
