//! The lock file of a recipe file: `rust.lock.toml` beside `rust.toml` says which packages of a suite that moves are
//! taken. It has versions and digests and no place; `cargo xtask update` writes it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use common::Sha256;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{
    error::RecipeError,
    origin::{DebianPackages, Moving, Origin},
    parsed::Parsed,
};

/// The verb that makes a lock file right.
const REMEDY: &str = "run `cargo xtask update`";

/// One package as it is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    pub name: String,
    pub version: String,
    pub arch: String,
    /// Which suite had it when it was locked.
    pub suite: String,
    pub sha256: Sha256,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockFile<T> {
    package: Vec<T>,
}

/// Where the lock file of a recipe file is.
pub(crate) fn path(recipe: &Path) -> PathBuf {
    recipe.with_extension("lock.toml")
}

/// The text of the lock file for these packages.
pub(crate) fn text(recipe: &Path, packages: &[LockedPackage]) -> Result<String, toml::ser::Error> {
    let recipe = recipe.file_name().unwrap_or_default().to_string_lossy();
    let head = format!("# What is taken of the moving suites that {recipe} names. `cargo xtask update` writes it.\n\n");
    Ok(head + &toml::to_string(&LockFile { package: packages.to_vec() })?)
}

/// Puts what is locked into the origin that moves, if there is one.
pub(crate) fn fill(recipe: &Path, origins: &mut [Origin]) -> Result<(), RecipeError> {
    for origin in origins {
        if let Origin::DebianPackages(packages) = origin
            && packages.moving.is_some()
        {
            let locked = read(recipe, packages)?;
            if let Some(moving) = &mut packages.moving {
                moving.locked = locked;
            }
        }
    }
    Ok(())
}

/// What the lock file of a recipe file says, if it fits what the recipe asks for.
pub(crate) fn read(recipe: &Path, origin: &DebianPackages) -> Result<Vec<LockedPackage>, RecipeError> {
    let Some(moving) = &origin.moving else { return Ok(Vec::new()) };
    let (path, recipe) = (path(recipe), recipe.file_name().unwrap_or_default().to_string_lossy());
    if !path.exists() {
        let what = format!("no lock file for what {recipe} takes of {}, which moves: {REMEDY}", moving.suite);
        return Err(RecipeError::about(&path, what));
    }
    let file = Parsed::<LockFile<Spanned<LockedPackage>>>::read(path)?;
    let mut known = BTreeMap::new();
    for entry in &file.value.package {
        let package = entry.get_ref();
        let LockedPackage { name, arch, suite, .. } = package;
        if known.insert((name, arch), package).is_some() {
            return Err(file.error(entry.span(), format!("duplicate package {name} for {arch}: {REMEDY}")));
        }
        if !is_asked_for(moving, name) {
            let what = format!("nothing in {recipe} asks for the package {name}: {REMEDY}");
            return Err(file.error(entry.span(), what));
        }
        if ![&moving.suite, &origin.suite].contains(&suite) {
            let expected = format!("expected {} or {}, as in {recipe}", moving.suite, origin.suite);
            return Err(file.error(entry.span(), format!("{name} is of the suite {suite}: {expected}; {REMEDY}")));
        }
    }
    let mut first: Option<&LockedPackage> = None;
    for asked in &moving.packages {
        let (name, arch) = asked.split_once(':').map_or((asked.as_str(), None), |(name, arch)| (name, Some(arch)));
        let fits = |package: &&&LockedPackage| {
            package.name == name && arch.is_none_or(|arch| package.arch == arch || package.arch == "all")
        };
        let Some(found) = known.values().find(fits) else {
            let what = format!("no package {asked}, which {recipe} names: {REMEDY}");
            return Err(RecipeError::about(&file.path, what));
        };
        let first = first.get_or_insert(found);
        if first.version != found.version {
            let what = format!("{} is {} and {name} {}", first.name, first.version, found.version);
            return Err(RecipeError::about(&file.path, format!("{what}: expected one version; {REMEDY}")));
        }
    }
    Ok(file.value.package.into_iter().map(Spanned::into_inner).collect())
}

fn is_asked_for(moving: &Moving, name: &str) -> bool {
    let is_named = moving.packages.iter().any(|asked| asked.split(':').next() == Some(name));
    is_named || moving.with_dependencies.iter().any(|beginning| name.starts_with(beginning.as_str()))
}
