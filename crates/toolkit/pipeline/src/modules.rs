//! Which Go modules a program is made of: its packages' import paths, looked up in the tree's
//! lock file and, for libraries that are Debian packages, in the list of their owners.

mod lock;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::files;
use serde::{Deserialize, Serialize};

use self::lock::Locked;

/// The file at the root of an unpacked set of Debian packages that says which package owns which directory.
pub(crate) const OWNERS: &str = ".owners.json";

/// In the output of a step that builds a program: the modules or crates that the program is made of.
pub(crate) const LIST: &str = "modules.json";

/// Directory below the root -> Debian package and version.
pub(crate) type Owners = BTreeMap<String, (String, String)>;

/// A module whose code is in a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Module {
    pub path: String,
    /// As the lock file has it; none where the tree does not record one.
    pub version: Option<String>,
    /// Package URL.
    pub purl: String,
}

/// The modules of the packages `go list -deps` printed for a program in `tree`.
pub(crate) fn of_packages<'a>(
    packages: impl Iterator<Item = &'a str>,
    tree: &Path,
    import_path: &str,
    libraries: &[PathBuf],
) -> Result<Vec<Module>> {
    let locked = lock::read(tree)?;
    let mut owners = Vec::new();
    for library in libraries {
        let file = library.join(OWNERS);
        if file.is_file() {
            let known: Owners = serde_json::from_slice(&files::read(&file)?)
                .with_context(|| format!("cannot read {}", file.display()))?;
            owners.push(known);
        }
    }
    let mut found = BTreeSet::new();
    for package in packages {
        if let Some((_, path)) = package.split_once("/vendor/") {
            // A tree may vendor itself by a link.
            if !path.starts_with(import_path) {
                found.extend(vendored_module(path, &locked));
            }
        } else if let Some((owner, known)) =
            owners.iter().find_map(|known| Some((known.get(&format!("src/{package}"))?, known)))
        {
            found.insert(debian_module(owner, known));
        }
    }
    Ok(found.into_iter().collect())
}

/// The modules or crates of a program, as the step that built it listed them.
pub(crate) fn read(built: &Path) -> Result<Vec<Module>> {
    let list = built.join(LIST);
    serde_json::from_slice(&files::read(&list)?).with_context(|| format!("{} cannot be understood", list.display()))
}

/// Import paths that are vendored in a component's tree and are the component itself.
pub(crate) fn of_component(tree: &Path) -> Result<BTreeSet<String>> {
    let own = lock::read(tree)?.into_iter().filter(|(_, version)| version.is_none());
    Ok(own.map(|(path, _)| path).collect())
}

/// The Debian package that a module came in.
pub(crate) fn debian_package(module: &Module) -> Option<&str> {
    Some(module.purl.strip_prefix("pkg:deb/debian/")?.split_once('@')?.0)
}

/// Of these import paths the longest that a package is at or below.
pub(crate) fn longest<'a>(package: &str, paths: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let is_above =
        |path: &&str| package.strip_prefix(*path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    paths.filter(is_above).max_by_key(|path| path.len())
}

/// The module that a vendored package belongs to, unless it is part of the component.
fn vendored_module(package: &str, locked: &Locked) -> Option<Module> {
    let mut parents = std::iter::successors(Some(package), |path| path.rsplit_once('/').map(|(parent, _)| parent));
    match parents.find_map(|path| Some((path, locked.get(path)?))) {
        Some((_, None)) => None,
        Some((path, Some(version))) => Some(Module {
            path: path.to_owned(),
            version: Some(version.clone()),
            purl: format!("pkg:golang/{path}@{version}"),
        }),
        None => {
            let path = lock::repository(package);
            Some(Module { purl: format!("pkg:golang/{path}"), path, version: None })
        }
    }
}

fn debian_module((package, version): &(String, String), known: &Owners) -> Module {
    let mut directories =
        known.iter().filter(|(_, owner)| owner.0 == *package).map(|(directory, _)| directory.as_str());
    let first = directories.next().unwrap_or_default();
    let common = directories.fold(first, |common, directory| common_directory(common, directory));
    Module {
        path: common.strip_prefix("src/").unwrap_or(common).to_owned(),
        version: Some(version.clone()),
        purl: format!("pkg:deb/debian/{package}@{}?arch=all", version.replace('+', "%2B")),
    }
}

/// The deepest directory that holds both.
fn common_directory<'a>(a: &'a str, b: &str) -> &'a str {
    let mut end = 0;
    for (index, part) in a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b).map(|(part, _)| part).enumerate() {
        end += part.len() + usize::from(index > 0);
    }
    &a[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendored_package_belongs_to_the_module_that_modules_txt_names() {
        let tree = tempfile::tempdir().unwrap();
        let text = "# github.com/a/b v1.2.3\n## explicit\ngithub.com/a/b/c\n# k8s.io/api v0.0.0 => ./staging/src/k8s.io/api\nk8s.io/api/core/v1\n# x => y v1\n# z v1 => w v2\n";
        files::write_atomically(&tree.path().join("vendor/modules.txt"), text).unwrap();
        let packages = [
            "x/vendor/github.com/a/b/c",
            "x/vendor/github.com/a/b",
            "x/vendor/k8s.io/api/core/v1",
            "x/vendor/z",
            "x/cmd",
        ];
        let purls = |module: Module| module.purl;
        let found: Vec<String> =
            of_packages(packages.into_iter(), tree.path(), "x", &[]).unwrap().into_iter().map(purls).collect();
        assert_eq!(found, ["pkg:golang/github.com/a/b@v1.2.3", "pkg:golang/z@v2"]);
    }

    #[test]
    fn a_package_of_a_debian_library_belongs_to_the_debian_package() {
        let (tree, library) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let owner = ("golang-go.uber-zap-dev".to_owned(), "1.23.0-1".to_owned());
        let owners: Owners =
            [("src/go.uber.org/zap".into(), owner.clone()), ("src/go.uber.org/zap/zapcore".into(), owner)].into();
        let file = library.path().join(OWNERS);
        files::write_atomically(&file, serde_json::to_vec(&owners).unwrap()).unwrap();
        let found =
            of_packages(["go.uber.org/zap/zapcore"].into_iter(), tree.path(), "x", &[library.path().to_owned()])
                .unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].path, "go.uber.org/zap");
        assert_eq!(found[0].purl, "pkg:deb/debian/golang-go.uber-zap-dev@1.23.0-1?arch=all");
    }
}
