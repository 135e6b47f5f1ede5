//! Which crates a Rust program is made of, by its own account: the list that `cargo auditable`'s readers find in it, and the
//! places in source that its panics name.
//!
//! The list is what was given to the linker. A panic's place proves that a crate's code was linked, but a crate whose code
//! cannot panic has none.

use std::collections::{BTreeMap, BTreeSet};

use auditable_info::{Error, Limits};

use super::ElfError;

/// Name and version.
pub type Crate = (String, String);

/// Crate -> what it needs.
pub type Needs = BTreeMap<Crate, BTreeSet<Crate>>;

/// What the build calls the directory of each crate's source, in what it leaves in programs: the lock file's crates, and those
/// that the standard library comes with.
const PLACES: [&[u8]; 2] = [b"/crates/", b"/rustc/library/vendor/"];

/// The crates of registries that are in a program's list, and which of them each needs; `name` is for errors. None for a program
/// without a list.
pub fn listed(name: &str, program: &[u8]) -> Result<Option<Needs>, ElfError> {
    let info = match auditable_info::audit_info_from_slice(program, Limits::default().decompressed_json_size) {
        Ok(info) => info,
        Err(Error::NoAuditData) => return Ok(None),
        Err(error) => return Err(ElfError::Crates { name: name.to_owned(), error }),
    };
    let of_registry = |index: usize| {
        let package = info.packages.get(index)?;
        let is_local = String::from(package.source.clone()) == "local";
        (!is_local).then(|| (package.name.clone(), package.version.to_string()))
    };
    let with_needs = info.packages.iter().enumerate().filter_map(|(index, package)| {
        let needs = package.dependencies.iter().filter_map(|need| of_registry(*need));
        Some((of_registry(index)?, needs.collect()))
    });
    Ok(Some(with_needs.collect()))
}

/// The crates in whose source something can panic.
pub fn panicking(program: &[u8]) -> BTreeSet<Crate> {
    let mut found = BTreeSet::new();
    for place in PLACES {
        let after = memchr::memmem::find_iter(program, place).map(|at| &program[at + place.len()..]);
        found.extend(after.filter_map(|rest| crate_of(rest.split(|byte| *byte == b'/').next()?)));
    }
    found
}

/// `serde-1.0.228`: the version begins at the first hyphen with three numbers behind it.
fn crate_of(directory: &[u8]) -> Option<Crate> {
    let text = std::str::from_utf8(directory).ok()?;
    let is_version =
        |rest: &str| rest.splitn(3, '.').filter(|part| part.starts_with(|c: char| c.is_ascii_digit())).count() == 3;
    let (at, _) = text.match_indices('-').find(|(at, _)| is_version(&text[at + 1..]))?;
    let name = &text[..at];
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    is_name.then(|| (name.to_owned(), text[at + 1..].to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_of_panics_name_crates_and_versions() {
        let program = b"x/crates/sha2-0.10.9/src/lib.rs\0/crates/wasi-0.14.4+wasi-0.2.4/src/a.rs/crates/x509-cert-0.3.0-rc.1/src/b.rs\
                        /rustc/library/vendor/hashbrown-0.16.1/src/raw.rs/crates/readme/crates/-1.0.0/";
        let found: Vec<String> =
            panicking(program).into_iter().map(|(name, version)| format!("{name} {version}")).collect();
        assert_eq!(found, ["hashbrown 0.16.1", "sha2 0.10.9", "wasi 0.14.4+wasi-0.2.4", "x509-cert 0.3.0-rc.1"]);
    }
}
