//! What an image is made of, as its directory in `docker/` says it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use common::{Arch, files};
use serde::Deserialize;

/// One image: `image.toml`, with the directory that it is in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageRecipe {
    /// The name that the image gets.
    pub tag: String,
    /// The image whose place it takes.
    pub stands_in_for: String,
    pub arch: Arch,
    /// Packages of this workspace whose programs the Dockerfile copies.
    pub programs: Vec<String>,
    /// Debian's packages beside the minimal system.
    pub packages: Vec<String>,
    #[serde(skip)]
    pub(crate) directory: PathBuf,
}

impl ImageRecipe {
    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join("image.toml");
        let text = files::read_text(&path)?;
        let mut recipe: ImageRecipe = toml::from_str(&text).with_context(|| format!("{} is wrong", path.display()))?;
        let plain = |name: &String| name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let odd = recipe.packages.iter().chain(&recipe.programs).find(|name| !plain(name));
        ensure!(odd.is_none(), "{}: {:?} is not the name of a package", path.display(), odd.map_or("", |name| name));
        ensure!(
            directory.join("Dockerfile").is_file(),
            "{} has no Dockerfile beside its image.toml",
            directory.display()
        );
        recipe.directory = directory.to_owned();
        Ok(recipe)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn load(text: &str) -> Result<ImageRecipe> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("image.toml"), text).unwrap();
        fs::write(dir.path().join("Dockerfile"), "ARG BASE\nFROM ${BASE}\n").unwrap();
        ImageRecipe::load(dir.path())
    }

    const GOOD: &str = "tag = 'a:b'\nstands-in-for = 'c'\narch = '386'\nprograms = []\npackages = ['rpm']\n";

    #[test]
    fn the_images_of_this_repository_can_be_read() {
        let docker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docker");
        let veos = ImageRecipe::load(&docker.join("veos")).unwrap();
        assert_eq!((veos.tag.as_str(), veos.arch), ("kubernetes-on-eos/veos-stand-in:latest", Arch::I386));
        assert_eq!(ImageRecipe::load(&docker.join("host")).unwrap().tag, "kubernetes-on-eos/host-stand-in:latest");
    }

    #[test]
    fn what_is_wrong_with_a_recipe_is_named() {
        assert!(load(GOOD).is_ok());
        let faults = [
            (GOOD.replace("packages", "pakages"), "pakages"),
            (GOOD.replace("386", "i387"), "i387"),
            (GOOD.replace("'rpm'", "'--foo'"), "\"--foo\" is not the name of a package"),
        ];
        for (text, expected) in faults {
            let error = format!("{:#}", load(&text).unwrap_err());
            assert!(error.contains(expected) && error.contains("image.toml"), "{error}");
        }
    }
}
