//! The sources that move, of all releases together: what `update` and `outdated` look at. They can be read where a lock file
//! is missing or wrong, since that is what `update` mends.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::{
    component::ComponentFile,
    error::RecipeError,
    lock::{self, LockedPackage},
    origin::{DebianPackages, Origin, Source},
    parsed::Parsed,
    release::{ReleaseFile, release_files, unlocked_toolchain},
};

/// A source with an origin that moves.
#[derive(Debug)]
pub struct MovingSource {
    pub source: Source,
    /// What its lock file says, or why that cannot be used.
    pub locked: Result<Vec<LockedPackage>, RecipeError>,
    recipe: PathBuf,
}

impl MovingSource {
    pub fn origin(&self) -> Option<&DebianPackages> {
        moving_origin(&self.source.origins)
    }

    /// The lock file's path.
    pub fn path(&self) -> PathBuf {
        lock::path(&self.recipe)
    }

    /// The lock file's text for these packages.
    pub fn text(&self, packages: &[LockedPackage]) -> Result<String, toml::ser::Error> {
        lock::text(&self.recipe, packages)
    }
}

/// Every source in a directory of recipes that moves, each once, in the order of their files.
pub fn moving_sources(recipes: &Path) -> Result<Vec<MovingSource>, RecipeError> {
    let mut sources = BTreeMap::new();
    for file in release_files(recipes)? {
        let release = Parsed::<ReleaseFile>::read(file)?;
        for entry in &release.value.toolchains {
            let file = release.beside(entry, "toolchain file")?;
            sources.insert(file.clone(), unlocked_toolchain(&file)?.source);
        }
        for entry in &release.value.components {
            let file = release.beside(entry, "component file")?;
            let ComponentFile { name, version, origin, markers, .. } = Parsed::read(file.clone())?.value;
            sources.insert(file, Source { name, version, origins: origin, markers });
        }
    }
    let moving = sources.into_iter().filter_map(|(recipe, source)| {
        let locked = lock::read(&recipe, moving_origin(&source.origins)?);
        Some(MovingSource { source, locked, recipe })
    });
    Ok(moving.collect())
}

fn moving_origin(origins: &[Origin]) -> Option<&DebianPackages> {
    origins.iter().find_map(|origin| match origin {
        Origin::DebianPackages(packages) => packages.moving.is_some().then_some(packages),
        _ => None,
    })
}
