//! What every Rust program is made of besides the crates of its lock file: the standard library, the crates
//! that it comes with as far as they were compiled for the switch, and musl.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::{Context, Result};
use common::files;
use serde::Deserialize;
use sources::Fetched;

use super::{Part, debian_package, expression, part};
use crate::work::{Job, fetch};

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    /// Only what comes from a registry has one.
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

pub(super) fn linked(job: &Job, toolchain: &str) -> Result<Vec<Part>> {
    let fetched = fetch::read(job.entry(&format!("fetch-{toolchain}"))?)?;
    let mut parts = vec![
        of_debian(&fetched, "rust-web-src", "rust-std", "MIT OR Apache-2.0")?,
        of_debian(&fetched, "musl-dev", "musl", "MIT")?,
    ];
    let lock = job.need(&format!("unpack-{toolchain}"))?.join("usr/lib/rustlib/src/rust/library/Cargo.lock");
    let lock = files::read_text(&lock)?;
    parts.extend(crates(&lock, &compiled(&job.need(&format!("sysroot-{toolchain}"))?)?)?);
    Ok(parts)
}

/// What the toolchain's Debian packages have the source or the library of.
fn of_debian(fetched: &Fetched, package: &str, name: &str, licence: &str) -> Result<Part> {
    let mut packages = fetched.files.iter().filter_map(|file| file.package.as_ref());
    let found = packages.find(|found| found.name == package);
    let version =
        &found.with_context(|| format!("the Rust toolchain has no {package}: name it in the recipe"))?.version;
    described(package, version, name, licence)
}

fn described(package: &str, version: &str, name: &str, licence: &str) -> Result<Part> {
    let upstream = version.split(['+', '-']).next().unwrap_or(version);
    let mut part = part("library", name, Some(upstream), &format!("pkg:generic/{name}@{upstream}"))?;
    part.licenses.push(expression(licence));
    let escaped = version.replace('+', "%2B");
    part.properties.push(debian_package(&format!("pkg:deb/debian/{package}@{escaped}")));
    Ok(part)
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
fn crates(lock: &str, compiled: &BTreeSet<String>) -> Result<Vec<Part>> {
    let lock: Lock = toml::from_str(lock).context("the lock file of Rust's standard library cannot be understood")?;
    let by_name: BTreeMap<&str, &Locked> = lock.package.iter().map(|found| (found.name.as_str(), found)).collect();
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
            let purl = format!("pkg:cargo/{}@{}", locked.name, locked.version);
            let mut part = part("library", &locked.name, Some(&locked.version), &purl)?;
            part.hashes.push(serde_json::json!({ "alg": "SHA-256", "content": checksum }));
            parts.push(part);
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
        let mut found: Vec<String> = crates(lock, &compiled).unwrap().into_iter().map(|part| part.bom_ref).collect();
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
        let std = described("rust-web-src", "1.96.0+dfsg1-1~deb12u2", "rust-std", "MIT OR Apache-2.0").unwrap();
        assert_eq!(std.bom_ref, "pkg:generic/rust-std@1.96.0");
        assert_eq!(std.properties, [debian_package("pkg:deb/debian/rust-web-src@1.96.0%2Bdfsg1-1~deb12u2")]);
        let musl = described("musl-dev", "1.2.3-1", "musl", "MIT").unwrap();
        assert_eq!(musl.bom_ref, "pkg:generic/musl@1.2.3");
    }
}
