//! Packages as a lock file has them: in the suite that had them, else in whichever suite of this machine's mirrors still has
//! those very bytes, else in the mirrors' files that no index names. Where none has them, the recipe may allow what the moving
//! suite has now; that is recorded, and taken until the lock changes or the store has what is locked.

use std::path::PathBuf;

use anyhow::{Context, Result};
use common::{Progress, Sha256, files};
use recipes::{DebianPackages, LockedPackage, Moving};

use super::{Debian, config::Index, machine, packages::NATIVE, suites::Offer};
use crate::{
    error::{PinMismatch, Trouble},
    fetched::{BlobFile, FetchedPackage},
};

/// What came of looking for locked packages.
pub(super) enum Search {
    Found(Vec<Offer>),
    /// Those that nobody has any more, each in words.
    Gone(Vec<String>),
}

impl Debian {
    /// What is taken of the suite that moves; none if nothing says so yet.
    pub(super) fn moving_files(&self, origin: &DebianPackages, moving: &Moving) -> Option<Vec<BlobFile>> {
        let of = |packages: &[LockedPackage]| packages.iter().map(file).collect();
        let is_there = moving.locked.iter().all(|package| self.store.has(&package.sha256));
        match (moving.locked.is_empty(), is_there) {
            (true, _) => Some(of(&self.stand_in(origin)?)),
            (false, true) => Some(of(&moving.locked)),
            (false, false) => Some(of(&self.stand_in(origin).unwrap_or_else(|| moving.locked.clone()))),
        }
    }

    /// Looks for the locked packages that are not in the store, and brings those that no index has.
    pub(super) fn find_locked(&self, moving: &Moving, name: &str, progress: &dyn Progress) -> Result<Search, Trouble> {
        if moving.locked.is_empty() {
            return Ok(Search::Gone(vec![format!("nothing is locked of {}", moving.suite)]));
        }
        let (mut found, mut gone) = (Vec::new(), Vec::new());
        for package in moving.locked.iter().filter(|package| !self.store.has(&package.sha256)) {
            match self.find(package)? {
                Ok(offer) => found.push(offer),
                Err(why) => gone.push((package, why)),
            }
        }
        if !gone.is_empty() {
            let packages: Vec<&LockedPackage> = gone.iter().map(|(package, _)| *package).collect();
            self.look_in_pools(moving, &packages, name, progress)?;
            gone.retain(|(package, _)| !self.store.has(&package.sha256));
        }
        let gone: Vec<String> = gone.into_iter().map(|(_, why)| why).collect();
        Ok(if gone.is_empty() { Search::Found(found) } else { Search::Gone(gone) })
    }

    /// A mirror that has the package, or the words that none has.
    fn find(&self, package: &LockedPackage) -> Result<Result<Offer, String>, Trouble> {
        let LockedPackage { name, version, arch, suite, sha256 } = package;
        let index = Index::Binary { arch: if arch == "all" { NATIVE } else { arch }.to_owned() };
        let offers = |suite: &str| {
            let mut offers = self.suites.offers(suite, &index, std::slice::from_ref(name))?;
            offers.retain(|offer| offer.field("Package") == name && offer.field("Architecture") == arch);
            Ok::<_, Trouble>(offers)
        };
        let is_it = |offer: &Offer| offer.field("SHA256") == sha256.to_string();
        let own = offers(suite);
        if let Some(offer) = own.iter().flatten().find(|offer| is_it(offer)) {
            return Ok(Ok(offer.clone()));
        }
        // The index is signed: it says that these bytes never were that version.
        if let Some(other) = own.iter().flatten().find(|offer| offer.field("Version") == version) {
            let what = format!("locked Debian package {name} {version} for {arch}");
            let (expected, found) = (format!("sha256 {sha256}"), format!("sha256 {}", other.field("SHA256")));
            return Err(Trouble::Stop(PinMismatch { what, expected, found }.into()));
        }
        let elsewhere = machine::suites(&machine::entries()?);
        for other in elsewhere.iter().filter(|other| *other != suite) {
            // One that does not answer is as good as one that has not got it.
            match offers(other) {
                Ok(offers) => {
                    if let Some(offer) = offers.into_iter().find(is_it) {
                        return Ok(Ok(offer));
                    }
                }
                Err(Trouble::PassOver(_) | Trouble::OutOfReach(_)) => {}
                Err(stop) => return Err(stop),
            }
        }
        // That a suite could not be asked does not say that the package is gone.
        let own = own?;
        let versions: Vec<&str> = own.iter().map(|offer| offer.field("Version")).collect();
        let offered = if versions.is_empty() { "no such package".to_owned() } else { versions.join(", ") };
        Ok(Err(format!("{name} {version} for {arch}, sha256 {sha256}; {suite} has {offered}")))
    }

    fn stand_in(&self, origin: &DebianPackages) -> Option<Vec<LockedPackage>> {
        serde_json::from_slice(&std::fs::read(self.stand_in_path(origin)?).ok()?).ok()
    }

    pub(super) fn record_stand_in(&self, origin: &DebianPackages, packages: &[LockedPackage]) -> Result<()> {
        let path = self.stand_in_path(origin).context("nothing to record")?;
        files::write_atomically(&path, serde_json::to_vec_pretty(packages)?)
    }

    /// One for each lock: what stood in for another is none of this one's business.
    fn stand_in_path(&self, origin: &DebianPackages) -> Option<PathBuf> {
        let asked = serde_json::to_vec(&(origin.moving.as_ref()?, &origin.suite)).ok()?;
        Some(self.store.directory("apt").join(format!("moving-{}.json", Sha256::of_bytes(asked).short())))
    }
}

/// Why there is no answer, and what to do.
pub(super) fn told(gone: &[String]) -> String {
    let gone = gone.join("\n");
    format!(
        "no mirror of this machine has any more what is locked:\n{gone}\nrun `cargo xtask update`, and commit the lock file"
    )
}

/// What is said where the recipe allows something else.
pub(super) fn noted(name: &str, gone: &[String], taken: Option<&LockedPackage>) -> String {
    let first = gone.first().map_or("", String::as_str);
    let more = if gone.len() > 1 { format!(" (and {} more)", gone.len() - 1) } else { String::new() };
    let taken = taken.map_or_else(String::new, |taken| format!("{} {}", taken.name, taken.version));
    format!(
        "{name}: no mirror of this machine has any more what is locked: {first}{more}. Taking {taken}, by the suite's \
         signature: this build is not locked. Run `cargo xtask update`, and commit the lock file"
    )
}

/// As Debian's archive has it: without the version's epoch.
pub(super) fn file_name(package: &LockedPackage) -> String {
    let LockedPackage { name, version, arch, .. } = package;
    let version = version.split_once(':').map_or(version.as_str(), |(_, version)| version);
    format!("{name}_{version}_{arch}.deb")
}

fn file(package: &LockedPackage) -> BlobFile {
    let LockedPackage { name, version, arch, sha256, .. } = package.clone();
    let package = FetchedPackage { name, version, arch };
    BlobFile { name: package.file_name(), sha256, size: 0, package: Some(package) }
}
