//! A package read back: its header, its files with their digests verified, its scriptlets.

use std::collections::BTreeMap;

use ::rpm::{DigestAlgorithm, DigestStatus, FileType, PackageMetadata};
use common::{Arch, Sha256};
use serde::Serialize;

/// A package whose digests have all been found right.
#[derive(Debug, Clone)]
pub struct Rpm {
    pub contents: Contents,
    /// The bytes of each regular file, by its path on the switch.
    pub data: BTreeMap<String, Vec<u8>>,
}

/// What a report shows of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contents {
    pub header: Header,
    pub scriptlets: Scriptlets,
    pub files: Vec<File>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Header {
    pub name: String,
    pub version: String,
    pub release: String,
    pub arch: String,
    pub summary: String,
    pub license: String,
    pub url: String,
    pub vendor: String,
    pub build_host: String,
    pub build_time: u64,
    pub requires: Vec<String>,
}

impl Header {
    /// The architecture, where EOS has one of that name.
    pub fn known_arch(&self) -> Option<Arch> {
        Arch::ALL.into_iter().find(|known| known.rpm() == self.arch)
    }
}

/// What rpm runs, as text for /bin/sh.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Scriptlets {
    /// After installation; `$1` is how many versions are there then.
    pub post: Option<String>,
    /// Before removal; `$1` is how many versions stay.
    pub preun: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    pub path: String,
    pub mode: u16,
    pub owner: String,
    pub group: String,
    #[serde(flatten)]
    pub kind: FileKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum FileKind {
    Regular { size: u64, sha256: Sha256 },
    Symlink { target: String },
    Directory,
}

#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    #[error("it is not an RPM package, or a damaged one: {0}")]
    Package(#[from] ::rpm::Error),
    #[error("the {part}'s digest does not match: the header says {expected}, found {found}")]
    Digest { part: &'static str, expected: String, found: String },
    #[error("the {part} has no SHA-256 digest, so nothing says that it is whole")]
    NoDigest { part: &'static str },
    #[error("{path} does not match its digest: the header says {expected}, found {found}")]
    FileDigest { path: String, expected: String, found: Sha256 },
    #[error("{path} {what}")]
    File { path: String, what: String },
}

/// Reads a whole package and verifies the digests of header, payload and every file.
pub fn parse(bytes: &[u8]) -> Result<Rpm, RpmError> {
    let package = ::rpm::Package::parse(&mut &bytes[..])?;
    let digests = package.check_digests()?;
    verified("header", digests.header_sha256)?;
    verified("payload", digests.payload_sha256)?;
    let mut files = Vec::new();
    let mut data = BTreeMap::new();
    for found in package.files()? {
        let found = found?;
        let entry = &found.metadata;
        let path = entry.path().display().to_string();
        let kind = match entry.file_type() {
            FileType::Dir => FileKind::Directory,
            FileType::SymbolicLink => FileKind::Symlink { target: entry.linkto().unwrap_or_default().to_owned() },
            FileType::Regular => {
                let content = found.content().unwrap_or_default();
                let sha256 = Sha256::of_bytes(content);
                let digest = entry.digest().filter(|digest| digest.algorithm() == DigestAlgorithm::Sha2_256);
                let expected = digest.map(|digest| digest.as_hex().to_owned());
                let expected = expected.ok_or_else(|| unexpected(&path, "has no SHA-256 digest"))?;
                if expected != sha256.to_string() {
                    return Err(RpmError::FileDigest { path, expected, found: sha256 });
                }
                data.insert(path.clone(), content.to_vec());
                FileKind::Regular { size: content.len() as u64, sha256 }
            }
            _ => return Err(unexpected(&path, "is a device, a pipe or a socket: such are never packaged")),
        };
        let (owner, group) = (entry.user().to_owned(), entry.group().to_owned());
        files.push(File { path, mode: entry.permissions(), owner, group, kind });
    }
    let metadata = &package.metadata;
    let scriptlets = Scriptlets {
        post: metadata.get_post_install_script().ok().map(|found| found.script),
        preun: metadata.get_pre_uninstall_script().ok().map(|found| found.script),
    };
    Ok(Rpm { contents: Contents { header: header(metadata)?, scriptlets, files }, data })
}

fn header(metadata: &PackageMetadata) -> Result<Header, RpmError> {
    let mut requires: Vec<String> = metadata.get_requires()?.into_iter().map(|needed| needed.name).collect();
    requires.dedup();
    Ok(Header {
        name: metadata.get_name()?.to_owned(),
        version: metadata.get_version()?.to_owned(),
        release: metadata.get_release()?.to_owned(),
        arch: metadata.get_arch()?.to_owned(),
        summary: metadata.get_summary()?.to_owned(),
        license: metadata.get_license()?.to_owned(),
        url: metadata.get_url()?.to_owned(),
        vendor: metadata.get_vendor()?.to_owned(),
        build_host: metadata.get_build_host()?.to_owned(),
        build_time: metadata.get_build_time()?,
        requires,
    })
}

fn verified(part: &'static str, status: DigestStatus) -> Result<(), RpmError> {
    match status {
        DigestStatus::Verified => Ok(()),
        DigestStatus::Mismatch { expected, actual } => Err(RpmError::Digest { part, expected, found: actual }),
        DigestStatus::NotPresent | DigestStatus::NotChecked => Err(RpmError::NoDigest { part }),
    }
}

fn unexpected(path: &str, what: &str) -> RpmError {
    RpmError::File { path: path.to_owned(), what: what.to_owned() }
}
