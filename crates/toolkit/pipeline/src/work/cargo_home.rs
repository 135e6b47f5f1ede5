//! Cargo's home for a build. Crates are downloaded to it, and of the user's settings it has those that say where crates come
//! from and how the network is reached: mirrors, registries, proxies, certificates. What else a user sets for Cargo is not for
//! a build.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use common::{Sha256, files, user};
use toml::{Table, Value};

use crate::cache::Cache;

/// The tables of Cargo's settings that are taken over.
const TAKEN: [&str; 5] = ["http", "net", "registries", "registry", "source"];
/// The start of the variables by which the same is said.
pub(crate) const VARIABLES: [&str; 4] = ["CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_"];
/// Keys in `source` tables, and of `http`, that are paths.
const PATHS: [&str; 3] = ["cainfo", "directory", "local-registry"];

/// Makes it. Each kind of settings and each toolchain has one of its own, and so there is one registry in it.
pub(crate) fn prepare(cache: &Cache, workspace: &Path, toolchain: &Sha256) -> Result<PathBuf> {
    let users = user::directory_or("CARGO_HOME", ".cargo")?;
    nothing_else_in(Path::new("/.cargo"))?;
    let text = taken_over(&users, workspace)?.to_string();
    let variables: BTreeSet<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| VARIABLES.iter().any(|beginning| name.starts_with(beginning)))
        .collect();
    let home = cache.helpful("cargo-home", &Sha256::of_bytes(format!("{toolchain}{variables:?}{text}")))?;
    files::write_atomically(&home.join("config.toml"), text)?;
    // Tokens are read where they are, and never copied.
    let (from, link) = (users.join("credentials.toml"), home.join("credentials.toml"));
    if std::fs::read_link(&link).ok().as_ref() != Some(&from) {
        files::remove_tree(&link)?;
    }
    if from.is_file() && !link.is_symlink() {
        std::os::unix::fs::symlink(&from, &link).with_context(|| format!("cannot make the link {}", link.display()))?;
    }
    Ok(home)
}

/// Where the crates' sources are, in a home that they have been fetched to.
pub(crate) fn registry(home: &Path) -> Result<PathBuf> {
    let sources = home.join("registry/src");
    let found: Vec<_> = std::fs::read_dir(&sources)
        .context("no crate came from a registry: a build takes its crates from one, and not from a `directory` or `local-registry`")?
        .collect::<Result<_, _>>()
        .with_context(|| format!("cannot read {}", sources.display()))?;
    ensure!(
        found.len() == 1,
        "{} is to have the crates of one registry, and has {}: remove it and run again",
        sources.display(),
        found.len()
    );
    Ok(found[0].path())
}

/// Whether crates were downloaded to whichever home.
pub(crate) fn has_crates(root: &Path) -> bool {
    let below = |directory: PathBuf| {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let registries = below(root.join("cargo-home")).into_iter().flat_map(|home| below(home.join("registry/cache")));
    registries.flat_map(below).next().is_some()
}

/// For a build in a container: the user's settings that are taken over, and the files and directories that they name.
pub fn for_a_container(workspace: &Path) -> Result<(String, Vec<PathBuf>)> {
    let settings = taken_over(&user::directory_or("CARGO_HOME", ".cargo")?, workspace)?;
    let mut places = Vec::new();
    collect_paths(&settings, &mut places);
    Ok((settings.to_string(), places))
}

fn collect_paths(table: &Table, places: &mut Vec<PathBuf>) {
    for (name, value) in table {
        match value {
            Value::String(path) if PATHS.contains(&name.as_str()) => places.push(path.into()),
            Value::Table(inner) => collect_paths(inner, places),
            _ => {}
        }
    }
}

/// What Cargo would read for this workspace: the home's settings, and over them those of the directories down to it.
fn taken_over(home: &Path, workspace: &Path) -> Result<Table> {
    let mut above: Vec<PathBuf> = workspace.ancestors().map(|directory| directory.join(".cargo")).collect();
    above.retain(|directory| directory != home);
    above.push(home.to_owned());
    let mut all = Table::new();
    for directory in above.iter().rev() {
        let Some((_, settings)) = settings_in(directory)? else { continue };
        let base = directory.parent().unwrap_or(directory);
        for (name, mut value) in settings.into_iter().filter(|(name, _)| TAKEN.contains(&name.as_str())) {
            make_absolute(&mut value, base);
            merge(all.entry(name).or_insert(Value::Table(Table::new())), value);
        }
    }
    Ok(all)
}

/// As Cargo does, the file without an extension before the other.
fn settings_in(directory: &Path) -> Result<Option<(PathBuf, Table)>> {
    let mut files = ["config", "config.toml"].map(|name| directory.join(name)).into_iter();
    let Some(file) = files.find(|file| file.is_file()) else { return Ok(None) };
    let settings = files::read_text(&file)?.parse();
    let settings = settings.with_context(|| format!("{} cannot be understood", file.display()))?;
    Ok(Some((file, settings)))
}

/// Cargo reads the settings in the root directory wherever it is run.
fn nothing_else_in(root: &Path) -> Result<()> {
    let Some((file, settings)) = settings_in(root)? else { return Ok(()) };
    let harmless = |name: &str| TAKEN.contains(&name) || ["alias", "term"].contains(&name);
    if let Some(name) = settings.keys().find(|name| !harmless(name)) {
        bail!("[{name}] in {} would change what is built, and no build can leave it out: remove it", file.display())
    }
    Ok(())
}

/// Cargo reads such a path from the directory above the one that the settings are in.
fn make_absolute(value: &mut Value, base: &Path) {
    let Value::Table(table) = value else { return };
    for (name, value) in table.iter_mut() {
        match value {
            Value::String(path) if PATHS.contains(&name.as_str()) => *path = base.join(&*path).display().to_string(),
            value => make_absolute(value, base),
        }
    }
}

fn merge(known: &mut Value, new: Value) {
    match (known, new) {
        (Value::Table(known), Value::Table(new)) => {
            for (name, value) in new {
                match known.get_mut(&name) {
                    Some(inner) => merge(inner, value),
                    None => drop(known.insert(name, value)),
                }
            }
        }
        (known, new) => *known = new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_and_certificates_are_taken_over_and_nothing_that_changes_what_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let (user, workspace) = (directory.path().join("user/.cargo"), directory.path().join("user/src/clone"));
        let near = directory.path().join("user/src/.cargo");
        for directory in [&user, &workspace, &near] {
            std::fs::create_dir_all(directory).unwrap();
        }
        std::fs::write(
            user.join("config.toml"),
            "[build]\nrustc-wrapper = \"sccache\"\n[profile.switch]\nopt-level = 0\n[env]\nX = \"1\"\n[patch.crates-io]\n\
             [http]\ncainfo = \"ca.pem\"\ntimeout = 5\n[source.crates-io]\nreplace-with = \"mirror\"\n\
             [source.mirror]\nregistry = \"sparse+https://mirror.invalid/\"\n",
        )
        .unwrap();
        std::fs::write(near.join("config"), "[http]\ntimeout = 9\n[source.local]\ndirectory = \"crates\"\n").unwrap();
        let taken = taken_over(&user, &workspace).unwrap();
        let at = directory.path().join("user");
        let expected = format!(
            "[http]\ncainfo = \"{0}/ca.pem\"\ntimeout = 9\n[source.crates-io]\nreplace-with = \"mirror\"\n[source.local]\n\
             directory = \"{0}/src/crates\"\n[source.mirror]\nregistry = \"sparse+https://mirror.invalid/\"\n",
            at.display()
        );
        assert_eq!(taken, expected.parse::<Table>().unwrap());
    }

    #[test]
    fn what_cargo_reads_everywhere_must_not_change_what_is_made() {
        let root = tempfile::tempdir().unwrap();
        nothing_else_in(root.path()).unwrap();
        let file = root.path().join("config.toml");
        std::fs::write(&file, "[http]\ntimeout = 5\n").unwrap();
        nothing_else_in(root.path()).unwrap();
        std::fs::write(&file, "[http]\ntimeout = 5\n[profile.switch]\nlto = false\n").unwrap();
        let error = nothing_else_in(root.path()).unwrap_err().to_string();
        assert!(error.starts_with("[profile] in ") && error.ends_with("remove it"), "{error}");
    }

    #[test]
    fn settings_that_cannot_be_understood_are_named() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.toml"), "[http").unwrap();
        let error = taken_over(directory.path(), Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().ends_with("config.toml cannot be understood"), "{error:#}");
    }
}
