//! A SWIX read back and verified: archive, names, manifest, digests, and that not one byte is other
//! than we would have written.

use std::io::{Cursor, Read};

use zip::{ZipArchive, result::ZipError};

use super::{MANIFEST, Manifest, SIGNATURE, Sha1, SyntaxError, archive};

/// A verified SWIX.
#[derive(Debug, Clone)]
pub struct Swix {
    pub manifest: Manifest,
    /// Names and bytes, in the manifest's order.
    pub rpms: Vec<(String, Vec<u8>)>,
    /// The signature as it is there: [`crate::signature`] judges it.
    pub signature: Option<Vec<u8>>,
}

#[derive(Debug, thiserror::Error)]
pub enum SwixError {
    #[error("it is not a zip archive, so it is no SWIX")]
    NotZip,
    #[error("it is cut off: the archive's directory, which is its end, is missing; copy or build it again")]
    Truncated,
    #[error("the archive is damaged: {0}")]
    Archive(ZipError),
    #[error("{name} cannot be read out of the archive: {error}")]
    Member { name: String, error: std::io::Error },
    #[error("the name {0:?} leads outside: a SWIX has plain file names, without a slash")]
    Name(String),
    #[error("{MANIFEST} is missing, so it is no SWIX")]
    NoManifest,
    #[error("{MANIFEST} is wrong: {0}")]
    Manifest(#[from] SyntaxError),
    #[error("{MANIFEST} names {0}, which is not in the archive")]
    Missing(String),
    #[error("{name} does not match {MANIFEST}: SHA-1 {expected} is expected, found {found}")]
    Sha1 { name: String, expected: Sha1, found: Sha1 },
    #[error("{0} is in the archive but not in {MANIFEST}")]
    Unlisted(String),
    #[error(
        "its RPMs are what {MANIFEST} says, but the archive around them is not as this toolkit writes it, from byte {offset} on: it \
         was made by another tool, or changed afterwards"
    )]
    Changed { offset: usize },
}

/// Reads a SWIX and verifies every byte of it; of a signed one, every byte up to the signature.
pub fn parse(bytes: &[u8]) -> Result<Swix, SwixError> {
    let mut members = members(bytes)?;
    let signed = members.last().is_some_and(|(name, _)| name == SIGNATURE);
    let signature = if signed { members.pop().map(|(_, bytes)| bytes) } else { None };
    let text = members.iter().find(|(name, _)| name == MANIFEST).ok_or(SwixError::NoManifest)?;
    let text = str::from_utf8(&text.1).map_err(|_| SyntaxError::NotText)?;
    let manifest: Manifest = text.parse()?;
    for (name, expected) in &manifest.rpms {
        plain(name)?;
        let (_, bytes) =
            members.iter().find(|(other, _)| other == name).ok_or_else(|| SwixError::Missing(name.clone()))?;
        let found = Sha1::of(bytes);
        if found != *expected {
            return Err(SwixError::Sha1 { name: name.clone(), expected: *expected, found });
        }
    }
    let listed = |name: &str| name == MANIFEST || manifest.rpms.iter().any(|(rpm, _)| rpm == name);
    if let Some((name, _)) = members.iter().find(|(name, _)| !listed(name)) {
        return Err(SwixError::Unlisted(name.clone()));
    }
    unchanged(bytes, &members, signed)?;
    let rpms = members.into_iter().filter(|(name, _)| name != MANIFEST).collect();
    Ok(Swix { manifest, rpms, signature })
}

/// Names and bytes of all members in the order of the archive.
fn members(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, SwixError> {
    if !bytes.starts_with(b"PK\x03\x04") {
        return Err(SwixError::NotZip);
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| match directory_ends(bytes) {
        true => SwixError::Archive(error),
        false => SwixError::Truncated,
    })?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(SwixError::Archive)?;
        let name = member.name().map_err(SwixError::Archive)?.into_owned();
        plain(&name)?;
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).map_err(|error| SwixError::Member { name: name.clone(), error })?;
        members.push((name, bytes));
    }
    Ok(members)
}

/// Whether the record that ends every archive is there.
fn directory_ends(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(22 + usize::from(u16::MAX))..];
    tail.windows(4).any(|window| window == b"PK\x05\x06")
}

fn plain(name: &str) -> Result<(), SwixError> {
    let outside = name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']);
    if outside { Err(SwixError::Name(name.to_owned())) } else { Ok(()) }
}

/// Compares the archive with the one that we write of the same members: all of it, or, where a
/// signature follows, the members that we wrote and their entries in the directory.
fn unchanged(bytes: &[u8], members: &[(String, Vec<u8>)], signed: bool) -> Result<(), SwixError> {
    let ours = archive(members).map_err(SwixError::Archive)?;
    let differs = |found: &[u8], ours: &[u8]| {
        let same = found.iter().zip(ours).take_while(|(found, ours)| found == ours).count();
        (same < found.len().max(ours.len())).then_some(same)
    };
    if !signed {
        return differs(bytes, &ours).map_or(Ok(()), |offset| Err(SwixError::Changed { offset }));
    }
    let (our_start, their_start) = (directory_start(&ours)?, directory_start(bytes)?);
    const END_RECORD: usize = 22;
    let directory = &ours[our_start..ours.len() - END_RECORD];
    for (at, ours) in [(0, &ours[..our_start]), (their_start, directory)] {
        let found = bytes.get(at..).unwrap_or_default();
        let found = &found[..found.len().min(ours.len())];
        if let Some(offset) = differs(found, ours) {
            return Err(SwixError::Changed { offset: at + offset });
        }
    }
    Ok(())
}

fn directory_start(bytes: &[u8]) -> Result<usize, SwixError> {
    let archive = ZipArchive::new(Cursor::new(bytes)).map_err(SwixError::Archive)?;
    Ok(archive.central_directory_start() as usize)
}
