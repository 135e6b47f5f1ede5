//! What every Rust program is made of besides the crates of its lock file: the standard library, the crates
//! that it comes with as far as they were compiled for the switch, musl and GCC's start files.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result};
use common::files;
use sources::Fetched;

use crate::{
    cargo_lock::{self, Locked},
    modules::Module,
    work::{Job, fetch, licences},
};

/// A part of every Rust program besides its crates.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) module: Module,
    /// What of it is in a program, where that is not what its name says.
    pub(crate) description: Option<&'static str>,
    /// SPDX expression.
    pub(crate) licence: Option<String>,
    /// Package URL of the Debian package that it is from.
    pub(crate) debian: Option<String>,
    /// The Debian package that states what it is under.
    pub(crate) documents: String,
    /// Of the registry's archive.
    pub(crate) sha256: Option<String>,
    /// Package URLs of what it needs.
    pub(crate) needs: BTreeSet<String>,
}

const STD: &str = "rust-web-src";

pub(crate) fn linked(job: &Job, toolchain: &str) -> Result<Vec<Linked>> {
    let fetched = fetch::read(job.entry(&format!("fetch-{toolchain}"))?)?;
    let library = job.need(&format!("unpack-{toolchain}"))?.join("usr/lib/rustlib/src/rust/library");
    let lock = files::read_text(&library.join("Cargo.lock"))?;
    let mut crates = crates(&lock, &compiled(&job.need(&format!("sysroot-{toolchain}"))?)?)?;
    for linked in &mut crates {
        let (name, version) = (&linked.module.path, linked.module.version.as_deref().unwrap_or_default());
        linked.licence = licences::stated(&library.join(format!("vendor/{name}-{version}")))?;
    }
    let mut std = of_debian(&fetched, |name| name == STD, "rust-std", "MIT OR Apache-2.0")?;
    std.needs = crates.iter().map(|linked| linked.module.purl.clone()).collect();
    let mut musl = of_debian(&fetched, |name| name == "musl-dev", "musl", "MIT")?;
    musl.description = Some("crt1.o, crti.o and crtn.o, and what of libc.a is called");
    let is_gcc = |name: &str| name.starts_with("libgcc-") && name.ends_with("-dev");
    let mut gcc = of_debian(&fetched, is_gcc, "gcc", "GPL-3.0-or-later WITH GCC-exception-3.1")?;
    gcc.description = Some("crtbegin.o and crtend.o, with which programs begin and end");
    crates.extend([std, musl, gcc]);
    Ok(crates)
}

/// What the toolchain's Debian packages have the source or the library of.
fn of_debian(fetched: &Fetched, is_it: impl Fn(&str) -> bool, name: &str, licence: &str) -> Result<Linked> {
    let mut packages = fetched.files.iter().filter_map(|file| file.package.as_ref());
    let found = packages.find(|found| is_it(&found.name));
    let found =
        found.with_context(|| format!("the Rust toolchain has no Debian package of {name}: name it in the recipe"))?;
    Ok(described(&found.name, &found.version, name, licence))
}

fn described(package: &str, version: &str, name: &str, licence: &str) -> Linked {
    let upstream = version.split(['+', '-']).next().unwrap_or(version).to_owned();
    let purl = format!("pkg:generic/{name}@{upstream}");
    Linked {
        module: Module { path: name.to_owned(), version: Some(upstream), purl },
        description: None,
        licence: Some(licence.to_owned()),
        debian: Some(format!("pkg:deb/debian/{package}@{}", version.replace('+', "%2B"))),
        documents: package.to_owned(),
        sha256: None,
        needs: BTreeSet::new(),
    }
}

/// The names of the libraries that were laid out, as rustc writes them.
fn compiled(sysroot: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in walkdir::WalkDir::new(sysroot) {
        let entry = entry.with_context(|| format!("cannot read {}", sysroot.display()))?;
        let name = entry.file_name().to_string_lossy();
        if let Some((name, _)) = name.strip_suffix(".rlib").and_then(|name| name.strip_prefix("lib")?.rsplit_once('-'))
        {
            names.insert(name.to_owned());
        }
    }
    Ok(names)
}

/// The crates of registries that `std` needs and that were compiled.
fn crates(lock: &str, compiled: &BTreeSet<String>) -> Result<Vec<Linked>> {
    let lock = cargo_lock::read(lock).context("the lock file of Rust's standard library cannot be understood")?;
    let by_name: BTreeMap<&str, &Locked> = lock.iter().map(|found| (found.name.as_str(), found)).collect();
    let (mut open, mut reached, mut parts) = (vec!["std"], BTreeSet::new(), Vec::new());
    while let Some(name) = open.pop() {
        let locked = by_name
            .get(name)
            .with_context(|| format!("the lock file of Rust's standard library lacks {name}, which it needs"))?;
        if !reached.insert(name) {
            continue;
        }
        // A name that is there twice has its version behind it.
        open.extend(locked.dependencies.iter().filter_map(|dependency| dependency.split(' ').next()));
        if let (Some(checksum), true) = (&locked.checksum, compiled.contains(&locked.name.replace('-', "_"))) {
            let purl = format!("pkg:cargo/{}@{}", locked.name, locked.version.replace('+', "%2B"));
            let module = Module { path: locked.name.clone(), version: Some(locked.version.clone()), purl };
            let (documents, sha256) = (STD.to_owned(), Some(checksum.clone()));
            parts.push(Linked {
                module,
                description: None,
                licence: None,
                debian: None,
                documents,
                sha256,
                needs: BTreeSet::new(),
            });
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_that_std_is_linked_with_are_found() {
        let lock = r#"
            package = [
                { name = "std", version = "0.0.0", dependencies = ["hashbrown", "rustc-demangle", "windows", "panic"] },
                { name = "hashbrown", version = "0.16.1", checksum = "aa", dependencies = ["std"] },
                { name = "rustc-demangle", version = "0.1.27", checksum = "bb" },
                { name = "windows", version = "1.0.0", checksum = "cc" },
                { name = "panic", version = "0.0.0" },
                { name = "literal-escaper", version = "0.0.7", checksum = "dd" },
            ]"#;
        let compiled = ["std", "hashbrown", "rustc_demangle", "panic", "literal_escaper"].map(String::from).into();
        let mut found: Vec<String> =
            crates(lock, &compiled).unwrap().into_iter().map(|part| part.module.purl).collect();
        found.sort();
        assert_eq!(found, ["pkg:cargo/hashbrown@0.16.1", "pkg:cargo/rustc-demangle@0.1.27"]);
    }

    #[test]
    fn libraries_are_found_by_the_names_that_rustc_gives_them() {
        let sysroot = tempfile::tempdir().unwrap();
        for name in ["libhashbrown-0721e178.rlib", "librustc_demangle-8e11.rlib", "crt1.o"] {
            files::write_atomically(&sysroot.path().join("lib").join(name), "").unwrap();
        }
        assert_eq!(compiled(sysroot.path()).unwrap(), ["hashbrown", "rustc_demangle"].map(String::from).into());
    }

    #[test]
    fn debian_s_version_has_upstream_s_in_front() {
        let std = described("rust-web-src", "1.96.0+dfsg1-1~deb12u2", "rust-std", "MIT OR Apache-2.0");
        assert_eq!(std.module.purl, "pkg:generic/rust-std@1.96.0");
        assert_eq!(std.debian.as_deref(), Some("pkg:deb/debian/rust-web-src@1.96.0%2Bdfsg1-1~deb12u2"));
        let musl = described("musl-dev", "1.2.3-1", "musl", "MIT");
        assert_eq!(musl.module.purl, "pkg:generic/musl@1.2.3");
    }
}
