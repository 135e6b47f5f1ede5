//! Packages of a suite that moves, as it has them now: whatever one version it has of all of them, with those of their
//! dependencies that are asked for. It is what a lock file is written from.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use recipes::{DebianPackages, LockedPackage, Moving};

use super::{Debian, config::Index, packages::NATIVE, suites::Offer};
use crate::error::Trouble;

impl Debian {
    /// Chooses versions, by the indexes as they are now.
    pub(crate) fn choose(&self, origin: &DebianPackages) -> Result<Vec<(LockedPackage, Offer)>, Trouble> {
        let Some(moving) = &origin.moving else { return Ok(Vec::new()) };
        let mut chosen = self.same_version(moving)?;
        let mut known: BTreeSet<(String, String)> = chosen.iter().map(|(arch, offer)| key(arch, offer)).collect();
        let mut next = 0;
        while let Some((arch, offer)) = chosen.get(next).cloned() {
            next += 1;
            for (name, exact) in dependencies(&offer, &moving.with_dependencies) {
                if known.insert((arch.clone(), name.clone())) {
                    let found = self.dependency(origin, moving, &arch, &name, exact.as_deref())?;
                    chosen.push((arch.clone(), found));
                }
            }
        }
        chosen.into_iter().map(|(_, offer)| Ok((package(&offer)?, offer))).collect()
    }

    /// The newest version that the suite has of all the packages.
    fn same_version(&self, moving: &Moving) -> Result<Vec<(String, Offer)>, Trouble> {
        let mut all: Vec<(String, Vec<Offer>)> = Vec::new();
        for package in &moving.packages {
            let (name, arch) = package.split_once(':').unwrap_or((package, NATIVE));
            let index = Index::Binary { arch: arch.to_owned() };
            let mut offers = self.suites.offers(&moving.suite, &index, &[name.to_owned()])?;
            offers.retain(|offer| offer.field("Package") == name);
            if offers.is_empty() {
                return Err(Trouble::PassOver(format!("{} has no package {package}", moving.suite)));
            }
            all.push((arch.to_owned(), offers));
        }
        let candidates = all.first().map(|(_, offers)| offers.clone()).unwrap_or_default();
        for version in candidates.iter().map(|offer| offer.field("Version")) {
            let of = |(arch, offers): &(String, Vec<Offer>)| {
                let offer = offers.iter().find(|offer| offer.field("Version") == version);
                offer.map(|offer| (arch.clone(), offer.clone()))
            };
            if let Some(offers) = all.iter().map(of).collect() {
                return Ok(offers);
            }
        }
        let newest = moving.packages.iter().zip(&all).map(|(name, (_, offers))| {
            format!("{name} {}", offers.first().map_or("none", |offer| offer.field("Version")))
        });
        let newest = newest.collect::<Vec<_>>().join(", ");
        Err(Trouble::PassOver(format!("{} has no one version of all packages: {newest}", moving.suite)))
    }

    fn dependency(
        &self,
        origin: &DebianPackages,
        moving: &Moving,
        arch: &str,
        name: &str,
        exact: Option<&str>,
    ) -> Result<Offer, Trouble> {
        let index = Index::Binary { arch: arch.to_owned() };
        for suite in [&moving.suite, &origin.suite] {
            let offers = self.suites.offers(suite, &index, &[name.to_owned()])?;
            let fits = |offer: &Offer| {
                offer.field("Package") == name && exact.is_none_or(|version| offer.field("Version") == version)
            };
            if let Some(offer) = offers.into_iter().find(fits) {
                return Ok(offer);
            }
        }
        let version = exact.map(|version| format!(" {version}")).unwrap_or_default();
        Err(Trouble::PassOver(format!("neither {} nor {} has {name}{version} for {arch}", moving.suite, origin.suite)))
    }
}

fn key(arch: &str, offer: &Offer) -> (String, String) {
    (arch.to_owned(), offer.field("Package").to_owned())
}

/// What a package depends on, of the names that begin as asked, with the version where it must be one.
fn dependencies(offer: &Offer, beginnings: &[String]) -> Vec<(String, Option<String>)> {
    let lists = [offer.field("Depends"), offer.field("Pre-Depends")];
    lists.into_iter().flat_map(|list| asked_for(list, beginnings)).collect()
}

fn asked_for(depends: &str, beginnings: &[String]) -> Vec<(String, Option<String>)> {
    let asked = |alternative: &str| {
        let (name, constraint) = alternative.trim().split_once(' ').unwrap_or((alternative.trim(), ""));
        let name = name.split(':').next().unwrap_or(name);
        let exact = constraint.trim().strip_prefix("(= ").and_then(|version| version.strip_suffix(')'));
        let desired = beginnings.iter().any(|beginning| name.starts_with(beginning.as_str()));
        desired.then(|| (name.to_owned(), exact.map(str::to_owned)))
    };
    depends.split(',').filter_map(|group| group.split('|').find_map(asked)).collect()
}

fn package(offer: &Offer) -> Result<LockedPackage> {
    let field = |name: &str| offer.field(name).to_owned();
    let (name, version, arch) = (field("Package"), field("Version"), field("Architecture"));
    let sha256 = field("SHA256").parse().with_context(|| format!("the index says too little of {name}"))?;
    Ok(LockedPackage { name, version, arch, suite: offer.suite.clone(), sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_taken_by_the_beginning_of_their_names() {
        let depends =
            "libc6 (>= 2.36), libllvm19 (>= 1:19.1.0), libstd-rust-web-1.85 (= 1.85.0+dfsg3-1), x | libllvmy:any";
        let asked = asked_for(depends, &["libllvm".into(), "libstd-".into()]);
        let expected = [
            ("libllvm19".to_owned(), None),
            ("libstd-rust-web-1.85".to_owned(), Some("1.85.0+dfsg3-1".to_owned())),
            ("libllvmy".to_owned(), None),
        ];
        assert_eq!(asked, expected);
    }
}
