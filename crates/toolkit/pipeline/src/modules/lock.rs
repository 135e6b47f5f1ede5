//! What a tree's lock file says about the code that is vendored in it. Go has had three kinds:
//! `vendor/modules.txt`, and before modules `Godeps/Godeps.json` and `glide.lock`.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result};
use common::files;
use serde::Deserialize;

/// Path of a module, or of a repository -> its version; none for one that a directory of the tree stands in for: that is
/// the component itself.
pub(super) type Locked = BTreeMap<String, Option<String>>;

/// A reader for a lock file's text.
type Reader = fn(&str) -> Result<Locked>;

const KINDS: [(&str, Reader); 3] =
    [("vendor/modules.txt", modules_txt), ("Godeps/Godeps.json", godeps), ("glide.lock", glide)];

/// Reads the lock file that the tree has.
pub(super) fn read(tree: &Path) -> Result<Locked> {
    for (name, reader) in KINDS {
        let file = tree.join(name);
        if file.is_file() {
            return reader(&files::read_text(&file)?).with_context(|| format!("cannot understand {}", file.display()));
        }
    }
    Ok(Locked::new())
}

/// Lines are `# path version`, perhaps with `=> replacement`; a line without a version is about a module that has no
/// code here.
fn modules_txt(text: &str) -> Result<Locked> {
    let modules = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.strip_prefix("# ")?.split(' ').collect();
        let (path, version) = match words.as_slice() {
            [_, "=>", ..] => return None,
            [path, _, "=>", directory] if directory.starts_with('.') => (path, None),
            [path, _, "=>", _, version] | [path, version, ..] => (path, Some((*version).to_owned())),
            _ => return None,
        };
        Some(((*path).to_owned(), version))
    });
    Ok(modules.collect())
}

/// An entry for each package: its import path, and the commit with the tag near it if there is one.
fn godeps(text: &str) -> Result<Locked> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Godeps {
        deps: Vec<Dep>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Dep {
        import_path: String,
        rev: String,
        comment: Option<String>,
    }
    let godeps: Godeps = serde_json::from_str(text)?;
    let version = |dep: &Dep| dep.comment.clone().unwrap_or_else(|| dep.rev.clone());
    Ok(godeps.deps.iter().map(|dep| (repository(&dep.import_path), Some(version(dep)))).collect())
}

/// An entry for each repository, with its commit.
fn glide(text: &str) -> Result<Locked> {
    #[derive(Deserialize)]
    struct Glide {
        imports: Vec<Import>,
    }
    #[derive(Deserialize)]
    struct Import {
        name: String,
        version: String,
    }
    let glide: Glide = serde_saphyr::from_str(text)?;
    Ok(glide.imports.into_iter().map(|import| (import.name, Some(import.version))).collect())
}

/// The repository that a package is in, by the form of the hosts that have three parts.
pub(super) fn repository(package: &str) -> String {
    let parts = match package.split('/').next() {
        Some("gopkg.in" | "go.uber.org" | "k8s.io" | "sigs.k8s.io" | "google.golang.org" | "cloud.google.com") => 2,
        _ => 3,
    };
    package.split('/').take(parts).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_lock_file_gives_versions() {
        let txt = "# a/b/c v1.2.3\n## explicit\na/b/c/d\n# k8s.io/api v0.0.0 => ./staging/src/k8s.io/api\n# x => y v1\n# z v1 => w v2\n";
        let locked = modules_txt(txt).unwrap();
        assert_eq!(locked["a/b/c"].as_deref(), Some("v1.2.3"));
        assert_eq!(locked["k8s.io/api"], None);
        assert_eq!(locked["z"].as_deref(), Some("v2"));
        assert!(!locked.contains_key("x"));

        let json = r#"{"Deps": [{"ImportPath": "github.com/a/b/c", "Comment": "v1.0", "Rev": "0123"}, {"ImportPath": "gopkg.in/inf.v0", "Rev": "4567"}]}"#;
        let locked = godeps(json).unwrap();
        assert_eq!(locked["github.com/a/b"].as_deref(), Some("v1.0"));
        assert_eq!(locked["gopkg.in/inf.v0"].as_deref(), Some("4567"));

        let yaml =
            "hash: 12\nimports:\n- name: github.com/a/b\n  version: 89ab\n  subpackages:\n  - c\ntestImports: []\n";
        assert_eq!(glide(yaml).unwrap()["github.com/a/b"].as_deref(), Some("89ab"));
        // A commit may look like a number.
        assert_eq!(glide(&yaml.replace("89ab", "0123456e7")).unwrap()["github.com/a/b"].as_deref(), Some("0123456e7"));
    }
}
