//! The crates that a program is made of, and which of them needs which: what `cargo tree` says of it for its target. Those that
//! only build it, and macros, are not among them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use auditable_serde::{DependencyKind, Package, Source, VersionInfo};

use crate::modules::Module;

/// Name and version.
type Crate = (String, String);

/// The first one that was listed is the program's.
#[derive(Debug, Default)]
pub(super) struct Crates {
    root: Option<Crate>,
    /// In this workspace, not from a registry.
    local: BTreeSet<Crate>,
    needs: BTreeMap<Crate, BTreeSet<Crate>>,
}

impl Crates {
    /// Lines are `2serde v1.0.228`, with the depth in front; a crate of this workspace has its directory behind it, and one
    /// that was listed before, whose needs are not said again, a star.
    pub(super) fn read(listed: &str) -> Result<Self> {
        let mut crates = Crates::default();
        let mut above: Vec<Crate> = Vec::new();
        for line in listed.lines().filter(|line| !line.is_empty()) {
            let (depth, found, is_local) = parsed(line).with_context(|| format!("cargo tree printed {line:?}"))?;
            above.truncate(depth);
            match above.last() {
                Some(needing) => crates.needs.entry(needing.clone()).or_default().insert(found.clone()),
                None => crates.root.replace(found.clone()).is_none(),
            };
            crates.needs.entry(found.clone()).or_default();
            if is_local {
                crates.local.insert(found.clone());
            }
            above.push(found);
        }
        Ok(crates)
    }

    /// Those of registries.
    pub(super) fn modules(&self) -> Vec<Module> {
        let of_registries = self.needs.keys().filter(|known| !self.local.contains(*known));
        let module = |(name, version): &Crate| Module {
            path: name.clone(),
            version: Some(version.clone()),
            purl: format!("pkg:cargo/{name}@{}", version.replace('+', "%2B")),
        };
        of_registries.map(module).collect()
    }

    /// As `cargo auditable` writes it into programs.
    pub(super) fn version_info(&self) -> Result<VersionInfo> {
        let index: BTreeMap<&Crate, usize> =
            self.needs.keys().enumerate().map(|(index, known)| (known, index)).collect();
        let package = |(known, needs): (&Crate, &BTreeSet<Crate>)| {
            let (name, version) = known;
            let version = version.parse().with_context(|| format!("{name} has a version that is none: {version}"))?;
            Ok(Package {
                name: name.clone(),
                version,
                source: if self.local.contains(known) { Source::Local } else { Source::CratesIo },
                kind: DependencyKind::Runtime,
                dependencies: needs.iter().map(|need| index[need]).collect(),
                root: self.root.as_ref() == Some(known),
            })
        };
        // Of the known forms the one in which macros are no part of the program.
        Ok(VersionInfo { packages: self.needs.iter().map(package).collect::<Result<_>>()?, format: 1 })
    }
}

fn parsed(line: &str) -> Option<(usize, Crate, bool)> {
    let name = line.find(|c: char| !c.is_ascii_digit())?;
    let mut words = line[name..].split(' ');
    let (name_, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let is_local = words.any(|word| word.starts_with("(/"));
    Some((line[..name].parse().ok()?, (name_.to_owned(), version.to_owned()), is_local))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "\
        0node v0.1.0 (/w/node)\n1common v0.1.0 (/w/common)\n2hex v0.4.3\n2sha2 v0.10.9\n3digest v0.10.7\n\
        1digest v0.10.7 (*)\n1common v0.1.0 (/w/common) (*)\n1hex v0.4.3\n";

    #[test]
    fn a_program_is_made_of_what_it_needs_and_what_that_needs() {
        let crates = Crates::read(LISTED).unwrap();
        let purls: Vec<String> = crates.modules().into_iter().map(|module| module.purl).collect();
        assert_eq!(purls, ["pkg:cargo/digest@0.10.7", "pkg:cargo/hex@0.4.3", "pkg:cargo/sha2@0.10.9"]);
        let info = crates.version_info().unwrap();
        let names = |indices: &[usize]| -> Vec<&str> { indices.iter().map(|i| &*info.packages[*i].name).collect() };
        let of = |name: &str| info.packages.iter().find(|package| package.name == name).unwrap();
        assert_eq!(names(&of("node").dependencies), ["common", "digest", "hex"]);
        assert_eq!(names(&of("common").dependencies), ["hex", "sha2"]);
        assert_eq!(names(&of("sha2").dependencies), ["digest"]);
        assert!(of("node").root && of("node").source == Source::Local && of("hex").source == Source::CratesIo);
        assert_eq!(info.packages.iter().filter(|package| package.root).count(), 1);
    }

    #[test]
    fn what_cargo_does_not_print_is_refused_with_its_line() {
        let error = Crates::read("0node\n").unwrap_err().to_string();
        assert!(error.contains("cargo tree printed \"0node\""), "{error}");
    }
}
