//! A SWIX verified from the outside in, and a report of what is in it.
//!
//! 1. the archive, its manifest and each RPM's SHA-1 ([`archive::parse`]); not one byte may differ from
//!    what we write of the same members
//! 2. the RPM's header, its digests and each file's ([`rpm::parse`])
//! 3. the squashfs image, every file of it read
//! 4. what the image says about itself, against the RPM's header
//! 5. every executable: static, and for the package's architecture
//! 6. where it is asked for, the programs themselves, which are run and print their versions
//!
//! What fails is refused with the reason; a report is only ever about a file that is whole. Of a signature it is found
//! whether it is that of this file by the key of its certificate; whether EOS trusts that is EOS' to say.

mod probes;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use common::{Arch, Progress, Sha256};
use serde::Serialize;

pub use self::probes::{ProbeOutcome, Probed};
use crate::{
    archive::{self, Manifest},
    elf::{self, Elf},
    extension,
    release::{self, ReleaseInfo},
    rpm,
    signature::{self, Signature, SignatureError},
    squashfs::{self, Image, Item, Node},
};

/// Whether the programs are run for their versions. They run as who inspects, so run only what you trust.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probes {
    Run,
    Skip,
}

/// What is in a SWIX that has been found whole.
#[derive(Debug, Clone, Serialize)]
pub struct Inspection {
    pub file: PathBuf,
    pub size: u64,
    pub sha256: Sha256,
    pub signature: Signature,
    pub manifest: Manifest,
    pub rpm: rpm::Contents,
    pub release: ReleaseInfo,
    /// Size of the squashfs image; those of its files are before compression.
    pub image_size: u64,
    pub image: Vec<ImageEntry>,
    /// Empty where the programs were not run.
    pub probes: Vec<Probed>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ImageEntry {
    pub path: String,
    #[serde(flatten)]
    pub kind: ImageKind,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum ImageKind {
    Program { size: u64, mode: u16, sha256: Sha256, elf: Elf },
    File { size: u64, mode: u16, sha256: Sha256 },
    Symlink { target: PathBuf },
    Directory { mode: u16 },
}

#[derive(Debug, thiserror::Error)]
#[error("{} is refused: {reason}", path.display())]
pub struct InspectError {
    pub path: PathBuf,
    pub reason: Reason,
}

#[derive(Debug, thiserror::Error)]
pub enum Reason {
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Swix(#[from] archive::SwixError),
    #[error("its signature: {0}")]
    Signature(#[from] SignatureError),
    #[error("its primary RPM: {0}")]
    Rpm(#[from] rpm::RpmError),
    #[error("its primary RPM does not carry {image}: another tool made it", image = extension::IMAGE)]
    NoImage,
    #[error("its RPM is for {0}; this toolkit knows i686 and x86_64")]
    Arch(String),
    #[error("its image: {0}")]
    Squashfs(#[from] squashfs::SquashfsError),
    #[error("its image: {path} is not as expected: {0}", path = release::PATH)]
    Release(#[from] serde_json::Error),
    #[error("its image says {what} {image}, its RPM {rpm}")]
    Disagree { what: &'static str, image: String, rpm: String },
    #[error("its image: {0}")]
    Elf(#[from] elf::ElfError),
    #[error("its image: the link {path} points to {}, outside the image", target.display())]
    Link { path: String, target: PathBuf },
    #[error("its programs cannot be run: {0:#}")]
    Probe(anyhow::Error),
}

/// Verifies a SWIX of ours and reports what is in it.
pub fn inspect(path: &Path, probes: Probes, progress: &dyn Progress) -> Result<Inspection, InspectError> {
    open(path, probes, progress).map(|opened| opened.report)
}

/// The same, with the files of its image by their paths there.
pub fn with_image(
    path: &Path,
    progress: &dyn Progress,
) -> Result<(Inspection, BTreeMap<String, Vec<u8>>), InspectError> {
    let opened = open(path, Probes::Skip, progress)?;
    let files = opened
        .report
        .image
        .iter()
        .filter(|entry| matches!(entry.kind, ImageKind::Program { .. } | ImageKind::File { .. }));
    let read = files.map(|entry| Ok((entry.path.clone(), opened.image.read(&entry.path)?)));
    let read = read.collect::<Result<_, squashfs::SquashfsError>>();
    let files = read.map_err(|error| InspectError { path: path.to_owned(), reason: error.into() })?;
    Ok((opened.report, files))
}

/// A SWIX that has been found whole, with the bytes of its files.
pub(crate) struct Opened {
    pub(crate) report: Inspection,
    pub(crate) image: Image,
    /// The package's own files but for the image.
    pub(crate) data: BTreeMap<String, Vec<u8>>,
}

pub(crate) fn open(path: &Path, probes: Probes, progress: &dyn Progress) -> Result<Opened, InspectError> {
    examine(path, probes, progress).map_err(|reason| InspectError { path: path.to_owned(), reason })
}

fn examine(path: &Path, probes: Probes, progress: &dyn Progress) -> Result<Opened, Reason> {
    let bytes = std::fs::read(path)?;
    let swix = archive::parse(&bytes)?;
    let signature = signature::verify(&bytes, swix.signature.as_deref())?;
    let mut primary = None;
    for (name, bytes) in &swix.rpms {
        let rpm = rpm::parse(bytes)?;
        if *name == swix.manifest.primary_rpm {
            primary = Some(rpm);
        }
    }
    let mut rpm = primary.ok_or_else(|| archive::SwixError::Missing(swix.manifest.primary_rpm.clone()))?;
    let squashfs = rpm.data.remove(extension::IMAGE).ok_or(Reason::NoImage)?;
    let image_size = squashfs.len() as u64;
    let image = Image::parse(squashfs)?;
    let release = ReleaseInfo::from_json(&image.read(release::PATH)?)?;
    let arch = agreed(&release, &rpm.contents.header)?;
    let mut entries = Vec::new();
    for item in image.items()? {
        entries.push(entry(&image, item, arch)?);
    }
    let probes = match probes {
        Probes::Run => probes::run(&image, &release, progress).map_err(Reason::Probe)?,
        Probes::Skip => Vec::new(),
    };
    let report = Inspection {
        file: path.to_owned(),
        size: bytes.len() as u64,
        sha256: Sha256::of_bytes(&bytes),
        signature,
        manifest: swix.manifest,
        rpm: rpm.contents,
        release,
        image_size,
        image: entries,
        probes,
    };
    Ok(Opened { report, image, data: rpm.data })
}

/// The architecture, once image and RPM have been found to speak of the same thing.
fn agreed(release: &ReleaseInfo, header: &rpm::Header) -> Result<Arch, Reason> {
    let arch = header.known_arch().ok_or_else(|| Reason::Arch(header.arch.clone()))?;
    for (what, image, rpm) in
        [("architecture", release.arch.rpm(), arch.rpm()), ("version", &release.version, &header.version)]
    {
        if image != rpm {
            return Err(Reason::Disagree { what, image: image.to_owned(), rpm: rpm.to_owned() });
        }
    }
    if let Some(build) = &release.build
        && build.release() != header.release
    {
        return Err(Reason::Disagree { what: "release", image: build.release(), rpm: header.release.clone() });
    }
    Ok(arch)
}

fn entry(image: &Image, item: Item, arch: Arch) -> Result<ImageEntry, Reason> {
    let path = item.path;
    let kind = match item.node {
        Node::Directory { mode } => ImageKind::Directory { mode },
        Node::Symlink { target } if stays_inside(&path, &target) => ImageKind::Symlink { target },
        Node::Symlink { target } => return Err(Reason::Link { path, target }),
        Node::File { size, mode } => {
            let bytes = image.read(&path)?;
            let sha256 = Sha256::of_bytes(&bytes);
            match elf::is_elf(&bytes) {
                true => ImageKind::Program { size, mode, sha256, elf: elf::check(&path, &bytes, arch)? },
                false => ImageKind::File { size, mode, sha256 },
            }
        }
    };
    Ok(ImageEntry { path, kind })
}

/// Whether a link leads to another place of the same image.
fn stays_inside(path: &str, target: &Path) -> bool {
    let mut depth = Path::new(path).components().count() - 1;
    target.components().all(|part| match part {
        std::path::Component::Normal(_) => {
            depth += 1;
            true
        }
        std::path::Component::CurDir => true,
        std::path::Component::ParentDir if depth > 0 => {
            depth -= 1;
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_leave_the_image_are_told_from_those_that_stay() {
        for (path, target) in [("bin/kubelet", "hyperkube"), ("bin/x", "../share/x"), ("x", "./y")] {
            assert!(stays_inside(path, Path::new(target)), "{path} -> {target}");
        }
        for (path, target) in [("bin/x", "/etc/passwd"), ("bin/x", "../../x"), ("x", "a/../../y")] {
            assert!(!stays_inside(path, Path::new(target)), "{path} -> {target}");
        }
    }
}
