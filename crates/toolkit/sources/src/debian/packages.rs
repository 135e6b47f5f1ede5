//! Binary packages that are pinned by version and digest in a recipe, and those that its lock file says.

use std::collections::BTreeMap;

use common::Progress;
use recipes::{DebianPackage, DebianPackages, LockedPackage, WhenGone};

use super::{
    Debian,
    config::Index,
    download::{Desired, download},
    locked::{self, Search},
    printed_uris,
    suites::Offer,
};
use crate::{
    error::{PinMismatch, Trouble},
    fetched::{BlobFile, FetchedPackage},
};

/// The architecture of the machine that builds; packages for all architectures are in its index.
pub(super) const NATIVE: &str = "amd64";

impl Debian {
    /// The packages of an origin; none if nothing says yet which are taken of the suite that moves.
    pub(crate) fn package_files(&self, origin: &DebianPackages) -> Option<Vec<BlobFile>> {
        let mut files: Vec<BlobFile> = origin.pinned.iter().map(pinned_file).collect();
        if let Some(moving) = &origin.moving {
            files.extend(self.moving_files(origin, moving)?);
        }
        Some(files)
    }

    /// Sees to it that the packages are in the store.
    pub(crate) fn fetch_packages(
        &self,
        origin: &DebianPackages,
        name: &str,
        progress: &dyn Progress,
    ) -> Result<(), Trouble> {
        let lacking: Vec<&DebianPackage> =
            origin.pinned.iter().filter(|package| !self.store.has(&package.sha256)).collect();
        let mut offers = self.find_pinned(origin, &lacking)?;
        let mut stand_in = None;
        if let Some(moving) = &origin.moving {
            match self.find_locked(moving, name, progress)? {
                Search::Found(found) => offers.extend(found),
                Search::Gone(gone) if moving.when_gone == WhenGone::Fail => {
                    return Err(Trouble::PassOver(locked::told(&gone)));
                }
                Search::Gone(gone) => {
                    let chosen = self.choose(origin)?;
                    progress.note(&locked::noted(name, &gone, chosen.first().map(|(package, _)| package)));
                    let (packages, found): (Vec<LockedPackage>, Vec<Offer>) = chosen.into_iter().unzip();
                    offers.extend(found);
                    stand_in = Some(packages);
                }
            }
        }
        if let Some(first) = offers.first() {
            let apt = first.apt.clone();
            download(&apt, desired(&offers)?, name, &self.store, progress)?;
        }
        stand_in.map_or(Ok(()), |packages| Ok(self.record_stand_in(origin, &packages)?))
    }

    fn find_pinned(&self, origin: &DebianPackages, pinned: &[&DebianPackage]) -> Result<Vec<Offer>, Trouble> {
        let mut by_arch: BTreeMap<&str, Vec<&DebianPackage>> = BTreeMap::new();
        for package in pinned {
            let arch = if package.arch == "all" { NATIVE } else { &package.arch };
            by_arch.entry(arch).or_default().push(package);
        }
        let (mut found, mut absent) = (Vec::new(), Vec::new());
        for (arch, packages) in by_arch {
            let names: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
            let offers = self.suites.offers(&origin.suite, &Index::Binary { arch: arch.to_owned() }, &names)?;
            for package in packages {
                let same = |offer: &&Offer| {
                    offer.field("Package") == package.name && offer.field("Architecture") == package.arch
                };
                match offers.iter().filter(same).find(|offer| offer.field("Version") == package.version) {
                    Some(offer) => found.push(checked(offer, package)?),
                    None => {
                        let versions: Vec<&str> = offers.iter().filter(same).map(|o| o.field("Version")).collect();
                        absent.push(not_there(&origin.suite, package, &versions));
                    }
                }
            }
        }
        if absent.is_empty() { Ok(found) } else { Err(Trouble::PassOver(absent.join("\n"))) }
    }
}

fn not_there(suite: &str, desired: &DebianPackage, versions: &[&str]) -> String {
    let offered = if versions.is_empty() { "no such package".to_owned() } else { versions.join(", ") };
    format!("{} {} for {} is needed, and {suite} has {offered}", desired.name, desired.version, desired.arch)
}

/// The index is signed: a digest of its that is not the pinned one ends it before a byte is downloaded.
fn checked(offer: &Offer, package: &DebianPackage) -> Result<Offer, Trouble> {
    if offer.field("SHA256") == package.sha256.to_string() {
        return Ok(offer.clone());
    }
    let what = format!("Debian package {} {} for {}", package.name, package.version, package.arch);
    let (expected, found) = (format!("sha256 {}", package.sha256), format!("sha256 {}", offer.field("SHA256")));
    Err(Trouble::Stop(PinMismatch { what, expected, found }.into()))
}

/// Where apt would download these from.
pub(super) fn desired(offers: &[Offer]) -> Result<Vec<Desired>, Trouble> {
    let mut desired = Vec::new();
    for apt in offers.iter().map(|offer| &offer.apt) {
        if desired.iter().any(|(known, _)| std::sync::Arc::ptr_eq(known, apt)) {
            continue;
        }
        let here = offers.iter().filter(|offer| std::sync::Arc::ptr_eq(&offer.apt, apt));
        let specs = here.map(|offer| format!("{}={}", offer.field("Package"), offer.field("Version")));
        let program = apt.get("find where Debian packages are")?.args(["download", "--print-uris"]).args(specs);
        desired.push((apt.clone(), printed_uris(&program.read()?)));
    }
    Ok(desired.into_iter().flat_map(|(_, files)| files).collect())
}

fn pinned_file(package: &DebianPackage) -> BlobFile {
    let DebianPackage { name, version, arch, sha256 } = package.clone();
    let package = FetchedPackage { name, version, arch };
    BlobFile { name: package.file_name(), sha256, size: 0, package: Some(package) }
}
