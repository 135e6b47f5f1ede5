//! Files, links and directories on their way into an image or a package: paths inside it without a
//! leading slash, modes made plain, owner root.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it will be: `bin/etcd`.
    pub path: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    File { from: PathBuf, mode: u16 },
    Symlink { target: String },
    Directory { mode: u16 },
}

impl Entry {
    pub fn file(path: impl Into<String>, from: impl Into<PathBuf>) -> Self {
        Entry { path: path.into(), kind: Kind::File { from: from.into(), mode: 0o644 } }
    }

    pub fn program(path: impl Into<String>, from: impl Into<PathBuf>) -> Self {
        Entry { path: path.into(), kind: Kind::File { from: from.into(), mode: 0o755 } }
    }

    pub fn symlink(path: impl Into<String>, target: impl Into<String>) -> Self {
        Entry { path: path.into(), kind: Kind::Symlink { target: target.into() } }
    }

    pub fn directory(path: impl Into<String>) -> Self {
        Entry { path: path.into(), kind: Kind::Directory { mode: 0o755 } }
    }
}

/// The files and links below a directory, as they are to be below `prefix` (empty for the root). Modes
/// become 0755 for what its owner may execute and 0644 for the rest, whatever the umask of the
/// checkout was. Directories come by themselves with what is in them.
pub fn below(directory: &Path, prefix: &str) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for found in walkdir::WalkDir::new(directory).sort_by_file_name() {
        let found = found.with_context(|| format!("cannot read the directory {}", directory.display()))?;
        if found.file_type().is_dir() {
            continue;
        }
        let name = Path::new(prefix).join(found.path().strip_prefix(directory)?);
        let name = name.to_str().with_context(|| format!("the name {} is not UTF-8", name.display()))?;
        entries.push(if found.file_type().is_symlink() {
            let target = std::fs::read_link(found.path())?;
            let target = target.to_str().with_context(|| format!("{name} points to a name that is not UTF-8"))?;
            Entry::symlink(name, target)
        } else if found.file_type().is_file() {
            let executable = found.metadata()?.permissions().mode() & 0o100 != 0;
            if executable { Entry::program(name, found.path()) } else { Entry::file(name, found.path()) }
        } else {
            bail!("{} is neither a file nor a link nor a directory: take it out of the tree", found.path().display())
        });
    }
    Ok(entries)
}

/// The entries in the order of their paths, with the directories that they are in; each path plain and
/// named once.
pub fn complete(entries: &[Entry]) -> Result<Vec<Entry>> {
    let mut all: Vec<Entry> = entries.to_vec();
    for entry in entries {
        let path = Path::new(&entry.path);
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        if entry.path.is_empty() || !plain || path.components().collect::<PathBuf>().as_os_str() != path.as_os_str() {
            bail!("{:?} cannot be a path inside an image: write it like bin/etcd", entry.path);
        }
        let directories = path.ancestors().skip(1).filter(|directory| !directory.as_os_str().is_empty());
        for directory in directories.filter_map(Path::to_str) {
            match all.iter().find(|other| other.path == directory).map(|other| &other.kind) {
                None => all.push(Entry::directory(directory)),
                Some(Kind::Directory { .. }) => {}
                Some(_) => bail!("{directory} cannot be both a directory, for {}, and something else", entry.path),
            }
        }
    }
    all.sort_by(|a, b| Path::new(&a.path).cmp(Path::new(&b.path)));
    match all.windows(2).find(|pair| pair[0].path == pair[1].path) {
        Some(twice) => bail!("{} is named twice: {:?} and {:?}", twice[0].path, twice[0].kind, twice[1].kind),
        None => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_come_with_what_is_in_them_and_paths_in_order() {
        let all = complete(&[Entry::file("b/c", "x"), Entry::symlink("a", "b/c")]).unwrap();
        let paths: Vec<&str> = all.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["a", "b", "b/c"]);
    }

    #[test]
    fn a_path_that_leaves_the_image_or_comes_twice_is_refused() {
        for path in ["", "/bin/x", "../x", "a/../b", "./a", "a/", "a//b"] {
            let error = complete(&[Entry::file(path, "x")]).unwrap_err().to_string();
            assert!(error.contains("write it like bin/etcd"), "{path}: {error}");
        }
        let twice = [Entry::file("a", "x"), Entry::file("a", "y")];
        assert!(complete(&twice).unwrap_err().to_string().contains("a is named twice"));
        let file_and_directory = [Entry::file("a", "x"), Entry::file("a/b", "y")];
        assert!(complete(&file_and_directory).unwrap_err().to_string().contains("both a directory"));
    }
}
