//! What packs programs: container images, the squashfs, the RPM and the SWIX.

use std::path::PathBuf;

use common::{Arch, Sha256};
use recipes::RelativePath;
use serde::Serialize;

use super::InputFile;

/// An archive that `docker load` takes, of one static program.
#[derive(Debug, Clone, Serialize)]
pub struct ContainerImage {
    pub program: String,
    /// The step whose output has the program.
    pub built_by: String,
    pub tag: String,
    pub arch: Arch,
    pub source_date: u32,
}

/// The squashfs of everything that is read-only on the switch.
#[derive(Debug, Clone, Serialize)]
pub struct ImageBuild {
    pub source_date: u32,
    pub items: Vec<ImageItem>,
    pub files: Vec<(RelativePath, InputFile)>,
    /// What it says of itself, but for the build.
    pub info: swix::release::ReleaseInfo,
    pub build: PlannedBuild,
}

/// Which build it will be, but for its contents, which are known when all of them are there.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedBuild {
    pub revision: u32,
    pub commit: Option<String>,
    pub besides: Vec<String>,
    /// What the RPM puts beside the image, and the code that packs both.
    pub around: Sha256,
}

/// Something that another step made, and its place in the image.
#[derive(Debug, Clone, Serialize)]
pub struct ImageItem {
    pub step: String,
    /// Below that step's output.
    pub file: String,
    pub path: RelativePath,
    pub links: Vec<RelativePath>,
    pub mode: u16,
}

#[derive(Debug, Clone, Serialize)]
pub struct PackageBuild {
    pub version: String,
    pub arch: Arch,
    pub source_date: u32,
    /// What the package puts on the switch as it is; names are absolute paths there without the first slash.
    pub rootfs: Vec<InputFile>,
    #[serde(skip)]
    pub rootfs_directory: PathBuf,
}

#[derive(Debug, Clone, Serialize)]
pub struct SwixBuild {
    pub file_name: String,
}
