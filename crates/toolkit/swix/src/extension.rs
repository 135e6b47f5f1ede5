//! Our own package: what it is called, where its parts go on the switch, and what rpm runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use common::{Arch, files};

use crate::{
    SourceDate, archive,
    release::{self, ReleaseInfo},
    rpm::{self, Header, Package, Scriptlets},
    squashfs::Image,
    tree::{self, Entry},
};

/// Its name, where it puts the image, and where that is mounted.
pub use contract::{
    places::{PROGRAMS as MOUNT_POINT, PROGRAMS_IMAGE as IMAGE},
    services::PACKAGE as NAME,
};

const DESCRIPTION: &str = "\
Turns an Arista switch into a Kubernetes node: the control plane, etcd, kubelet,
a kube-proxy made for EOS' kernel, and the script that brings them up at boot.
The programs are in a read-only image that is mounted at ";

const POST: &str = include_str!("../scriptlets/post.sh");
const PREUN: &str = include_str!("../scriptlets/preun.sh");

fn description() -> String {
    format!("{DESCRIPTION}{MOUNT_POINT}.")
}

/// What the package is made of.
#[derive(Debug, Clone, Copy)]
pub struct ExtensionParts<'a> {
    /// Kubernetes' version.
    pub version: &'a str,
    /// RPM's release: see [`contract::Build::release`].
    pub release: &'a str,
    pub arch: Arch,
    /// SPDX expression of everything in it.
    pub license: &'a str,
    /// The image of the programs.
    pub image: &'a Path,
    /// The files that go onto the switch as they are: the repository's rootfs/.
    pub rootfs: &'a Path,
    pub date: SourceDate,
}

/// The package of one version, ready to be written.
pub fn package(parts: &ExtensionParts<'_>) -> Result<Package> {
    let mut entries = tree::below(parts.rootfs, "")?;
    entries.push(Entry::file(IMAGE.trim_start_matches('/'), parts.image));
    entries.push(Entry::directory(MOUNT_POINT.trim_start_matches('/')));
    Ok(Package {
        name: NAME.into(),
        version: parts.version.into(),
        release: parts.release.into(),
        arch: parts.arch,
        summary: "Kubernetes for Arista EOS".into(),
        description: description(),
        license: parts.license.into(),
        url: env!("CARGO_PKG_REPOSITORY").into(),
        vendor: NAME.into(),
        date: parts.date,
        entries,
        scriptlets: Scriptlets { post: Some(POST.into()), preun: Some(PREUN.into()) },
    })
}

/// Makes the SWIX that would come after another one: the same files as a package of a higher release, so that an upgrade
/// can be tried where there is only one build. It is written into `directory`, under a name with the release in it.
pub fn next_release_of(swix: &Path, directory: &Path) -> Result<PathBuf> {
    let bytes = package_of(swix)?;
    let release = next_release(&header_of(swix, &bytes)?.release)
        .with_context(|| format!("{} has no release that begins with a number", swix.display()))?;
    let work = tempfile::tempdir().context("cannot make a directory")?;
    let next = Package::rereleased(&bytes, &release, work.path())?;
    let package = work.path().join(next.file_name());
    next.write(&package)?;
    let written = directory.join(file_name(&next.name, &next.version, &next.release, next.arch));
    archive::write(&[package], &written)?;
    Ok(written)
}

/// The same with the revision, which it begins with, raised by one.
fn next_release(release: &str) -> Option<String> {
    let end = release.find('.').unwrap_or(release.len());
    let revision: u32 = release[..end].parse().ok()?;
    Some(format!("{}{}", revision + 1, &release[end..]))
}

/// What a SWIX can be called beside another build of the same version: its file's name leaves the release out.
pub fn name_with_release(swix: &Path) -> Result<String> {
    let header = header_of(swix, &package_of(swix)?)?;
    let arch = header
        .known_arch()
        .with_context(|| format!("{} is for {}, which is no architecture of EOS", swix.display(), header.arch))?;
    Ok(file_name(&header.name, &header.version, &header.release, arch))
}

/// What the image in a SWIX says about itself.
pub fn release(swix: &Path) -> Result<ReleaseInfo> {
    let read = || -> Result<ReleaseInfo> {
        let mut package = rpm::parse(&package_of(swix)?)?;
        let image = package.data.remove(IMAGE).with_context(|| format!("its package has no {IMAGE}"))?;
        Ok(ReleaseInfo::from_json(&Image::parse(image)?.read(release::PATH)?)?)
    };
    read().with_context(|| format!("cannot read what release {} is of", swix.display()))
}

fn file_name(name: &str, version: &str, release: &str, arch: Arch) -> String {
    format!("{name}-{version}-{release}-{arch}.swix")
}

fn package_of(swix: &Path) -> Result<Vec<u8>> {
    let read = archive::parse(&files::read(swix)?).with_context(|| format!("{} cannot be taken", swix.display()))?;
    match <[_; 1]>::try_from(read.rpms) {
        Ok([(_, bytes)]) => Ok(bytes),
        Err(rpms) => bail!("{} has {} packages, and an extension of ours has one", swix.display(), rpms.len()),
    }
}

fn header_of(swix: &Path, package: &[u8]) -> Result<Header> {
    let read = rpm::parse(package).with_context(|| format!("the package in {} cannot be read", swix.display()))?;
    Ok(read.contents.header)
}
