//! What `update` and `outdated` share: the lock files, and what the suites have now.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use pipeline::cache;
use recipes::{LockedPackage, MovingSource};
use sources::{Fetcher, Store};

use crate::{progress, workspace::workspace};

/// Which lock files. There is no `--offline`: the suites have to be asked.
#[derive(Args)]
pub struct Which {
    /// Only this source [default: all that move, of all releases]
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Directory of recipes
    #[arg(long, value_name = "DIR", default_value_os_t = workspace().join("recipes"), hide_default_value = true)]
    pub recipes: PathBuf,
}

/// A source, what is locked of it, and what its suites have.
pub struct Compared {
    pub source: MovingSource,
    pub newest: Vec<LockedPackage>,
}

/// Asks the suites. All of them answer, or nothing is told of any.
pub fn compare(which: &Which) -> Result<Vec<Compared>> {
    let mut sources = recipes::moving_sources(&which.recipes)?;
    if let Some(name) = &which.source {
        let known: Vec<String> = sources.iter().map(|moving| moving.source.name.to_string()).collect();
        sources.retain(|moving| *moving.source.name == **name);
        if sources.is_empty() {
            let known =
                if known.is_empty() { "none does".to_owned() } else { format!("there are {}", known.join(", ")) };
            bail!("--source {name}: no source of that name moves; {known}");
        }
    }
    let progress = progress::for_stderr();
    let fetcher = Fetcher::new(Store::open(&cache::default_directory()?)?, &*progress);
    let ask = |source: MovingSource| {
        let name = &source.source.name;
        let origin = source.origin().with_context(|| format!("{name} has no origin that moves"))?;
        let newest = fetcher.newest(origin).with_context(|| format!("cannot tell what there is of {name}"))?;
        Ok(Compared { source, newest })
    };
    sources.into_iter().map(ask).collect()
}

pub fn tell(name: &str, changes: &[String], how: &str) {
    println!("{name} {how}");
    for change in changes {
        println!("    {change}");
    }
}

/// What one has to know of two locks, a line a package.
pub fn changes(old: &[LockedPackage], new: &[LockedPackage]) -> Vec<String> {
    let key = |package: &LockedPackage| (package.name.clone(), package.arch.clone());
    let find = |packages: &[LockedPackage], of: &(String, String)| packages.iter().find(|one| key(one) == *of).cloned();
    let keys: BTreeSet<(String, String)> = old.iter().chain(new).map(key).collect();
    let change = |of: &(String, String)| {
        let (name, arch) = of;
        let place = |package: &LockedPackage| format!("{} of {}", package.version, package.suite);
        match (find(old, of), find(new, of)) {
            (Some(old), Some(new)) if old == new => None,
            (Some(old), Some(new)) if old.version == new.version && old.suite == new.suite => {
                Some(format!("{name} for {arch}: {}, sha256 {} -> {}", place(&old), old.sha256, new.sha256))
            }
            (Some(old), Some(new)) if old.suite == new.suite => {
                Some(format!("{name} for {arch}: {} -> {}", old.version, new.version))
            }
            (Some(old), Some(new)) => Some(format!("{name} for {arch}: {} -> {}", place(&old), place(&new))),
            (None, Some(new)) => Some(format!("{name} for {arch}: new, {}", place(&new))),
            (Some(old), None) => Some(format!("{name} for {arch}: gone, was {}", place(&old))),
            (None, None) => None,
        }
    };
    keys.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use common::Sha256;

    use super::*;

    fn package(name: &str, version: &str, suite: &str) -> LockedPackage {
        let (arch, sha256) = ("amd64".to_owned(), Sha256::of_bytes(version));
        LockedPackage { name: name.to_owned(), version: version.to_owned(), arch, suite: suite.to_owned(), sha256 }
    }

    #[test]
    fn what_changed_is_told_a_line_a_package() {
        let old = [package("a", "1", "s"), package("b", "1", "s"), package("c", "1", "s"), package("d", "1", "s")];
        let other = LockedPackage { sha256: Sha256::of_bytes("other"), ..package("e", "1", "s") };
        let new =
            [package("a", "2", "s"), package("b", "1", "s"), package("c", "2", "t"), package("f", "1", "t"), other];
        let old = [&old[..], &[package("e", "1", "s")]].concat();
        let (one, two) = (Sha256::of_bytes("1"), Sha256::of_bytes("other"));
        assert_eq!(
            changes(&old, &new),
            [
                "a for amd64: 1 -> 2".to_owned(),
                "c for amd64: 1 of s -> 2 of t".to_owned(),
                "d for amd64: gone, was 1 of s".to_owned(),
                format!("e for amd64: 1 of s, sha256 {one} -> {two}"),
                "f for amd64: new, 1 of t".to_owned(),
            ]
        );
        assert_eq!(changes(&new, &new), [""; 0]);
    }
}
