//! A release: the directory of recipes, read and cross-checked as a whole.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{
    check,
    component::{Component, ComponentFile, ProgramRecipe},
    error::RecipeError,
    lock,
    origin::{Origin, Source},
    parsed::Parsed,
    text::{Name, RelativePath},
};

/// Everything that is built and packed together.
#[derive(Debug, Clone, Serialize)]
pub struct Release {
    pub name: Name,
    /// Version of the package: that of Kubernetes.
    pub version: String,
    /// Counts packagings of one version; RPM's release begins with it.
    pub revision: u32,
    /// Seconds since 1970 that stand for every time inside the package.
    pub source_date: u32,
    pub toolchains: Vec<Toolchain>,
    pub components: Vec<Component>,
    /// Files of the release that go into the image as they are: (file, place in the image).
    pub files: Vec<(PathBuf, RelativePath)>,
}

/// A compiler, or a set of libraries to compile against.
#[derive(Debug, Clone, Serialize)]
pub struct Toolchain {
    pub source: Source,
}

impl Release {
    /// Every source that the release needs, toolchains first.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let toolchains = self.toolchains.iter().map(|toolchain| &toolchain.source);
        toolchains.chain(self.components.iter().filter_map(|component| component.source.as_ref()))
    }

    pub fn programs(&self) -> impl Iterator<Item = (&Component, &ProgramRecipe)> {
        self.components.iter().flat_map(|component| component.programs.iter().map(move |program| (component, program)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ReleaseFile {
    name: Name,
    #[serde(default)]
    default: bool,
    version: String,
    revision: u32,
    source_date: u32,
    /// Files, relative to this one.
    pub(crate) toolchains: Vec<Spanned<String>>,
    pub(crate) components: Vec<Spanned<String>>,
    #[serde(default)]
    file: Vec<ExtraFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExtraFile {
    /// With a `*` in its last part, all files that are called so.
    from: Spanned<String>,
    /// A directory where it ends with `/`: the files keep their names.
    install: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolchainFile {
    name: Name,
    version: String,
    #[serde(default)]
    markers: Vec<RelativePath>,
    origin: Vec<Origin>,
}

/// The names of the releases in a directory of recipes, the default one first.
pub fn names(recipes: &Path) -> Result<Vec<String>, RecipeError> {
    let mut found = Vec::new();
    for file in release_files(recipes)? {
        let release = Parsed::<ReleaseFile>::read(file)?.value;
        found.push((!release.default, release.name.to_string()));
    }
    found.sort();
    Ok(found.into_iter().map(|(_, name)| name).collect())
}

/// Reads and checks one release: the one of that name, else the default one (`default = true`, or the only one).
pub fn load(recipes: &Path, name: Option<&str>) -> Result<Release, RecipeError> {
    let files = release_files(recipes)?;
    let mut known = Vec::new();
    let mut chosen = Vec::new();
    for file in &files {
        // Another release's typo must not stop this one, so only its name is asked for here.
        let directory = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        match name {
            Some(name) if name == directory => chosen.push(Parsed::<ReleaseFile>::read(file.clone())?),
            Some(_) => {}
            None => {
                let parsed = Parsed::<ReleaseFile>::read(file.clone())?;
                if parsed.value.default || files.len() == 1 {
                    chosen.push(parsed);
                }
            }
        }
        known.push(directory);
    }
    known.sort();
    match (chosen.pop(), chosen.is_empty()) {
        (Some(parsed), true) => complete(parsed),
        (Some(_), false) => {
            Err(RecipeError::about(recipes, "more than one release says `default = true`: expected one"))
        }
        (None, _) => {
            let asked = name.map_or("no default release".into(), |name| format!("no release {name:?}"));
            Err(RecipeError::about(recipes, format!("{asked} here: there are {}", known.join(", "))))
        }
    }
}

pub(crate) fn release_files(recipes: &Path) -> Result<Vec<PathBuf>, RecipeError> {
    let directories = fs::read_dir(recipes)
        .map_err(|error| RecipeError::about(recipes, format!("cannot read the directory of recipes: {error}")))?;
    let mut files: Vec<PathBuf> = directories
        .flatten()
        .map(|directory| directory.path().join("release.toml"))
        .filter(|file| file.is_file())
        .collect();
    // The directory of one release is as good as the directory that holds it.
    if files.is_empty() && recipes.join("release.toml").is_file() {
        files.push(recipes.join("release.toml"));
    }
    files.sort();
    if files.is_empty() {
        return Err(RecipeError::about(recipes, "no release here: expected a directory with a release.toml in it"));
    }
    Ok(files)
}

/// Reads and checks one toolchain file, and its lock file.
pub fn load_toolchain(file: &Path) -> Result<Toolchain, RecipeError> {
    let mut toolchain = unlocked_toolchain(file)?;
    lock::fill(file, &mut toolchain.source.origins)?;
    Ok(toolchain)
}

/// A toolchain file alone.
pub(crate) fn unlocked_toolchain(file: &Path) -> Result<Toolchain, RecipeError> {
    let toolchain = Parsed::<ToolchainFile>::read(file.to_owned())?;
    check::origins(&toolchain.path, &toolchain.value.origin)?;
    let ToolchainFile { name, version, markers, origin } = toolchain.value;
    Ok(Toolchain { source: Source { name, version, origins: origin, markers } })
}

fn complete(file: Parsed<ReleaseFile>) -> Result<Release, RecipeError> {
    let mut toolchains: Vec<Toolchain> = Vec::new();
    for entry in &file.value.toolchains {
        let toolchain = load_toolchain(&file.beside(entry, "toolchain file")?)?;
        let name = &toolchain.source.name;
        if toolchains.iter().any(|known| known.source.name == *name) {
            return Err(file.error(entry.span(), format!("duplicate toolchain {name}: a release has each name once")));
        }
        toolchains.push(toolchain);
    }
    let mut components: Vec<Component> = Vec::new();
    let mut installed = BTreeMap::new();
    for entry in &file.value.components {
        let parsed = Parsed::<ComponentFile>::read(file.beside(entry, "component file")?)?;
        let name = &parsed.value.name;
        if components.iter().any(|known| known.name == *name) {
            return Err(file.error(entry.span(), format!("duplicate component {name}: a release has each name once")));
        }
        let component = check::component(parsed, &toolchains, &components, &mut installed)?;
        components.push(component);
    }
    let mut files: Vec<(PathBuf, RelativePath)> = Vec::new();
    for extra in &file.value.file {
        let install = extra.install.get_ref();
        for from in file.all_beside(&extra.from, "file")? {
            let name = from.file_name().unwrap_or_default().to_string_lossy();
            let place = if install.ends_with('/') { format!("{install}{name}") } else { install.clone() };
            let place =
                RelativePath::try_from(place).map_err(|bad| file.error(extra.install.span(), bad.to_string()))?;
            if files.iter().any(|(_, other)| *other == place) {
                let message = format!("two files at {place}: expected `install` to end with / where `from` has a *");
                return Err(file.error(extra.install.span(), message));
            }
            files.push((from, place));
        }
    }
    let ReleaseFile { name, version, revision, source_date, .. } = file.value;
    let directory = file.path.parent().and_then(Path::file_name).unwrap_or_default();
    if directory != name.as_ref() as &Path {
        let message = format!("the release is named {name}, its directory {directory:?}: expected the same name");
        return Err(RecipeError::about(&file.path, message));
    }
    Ok(Release { name, version, revision, source_date, toolchains, components, files })
}
