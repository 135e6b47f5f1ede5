//! Which files are licences and notices.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

const NAMES: [&str; 7] = ["COPYING", "COPYRIGHT", "LICENCE", "LICENSE", "NOTICE", "PATENTS", "UNLICENSE"];

/// Endings of what is code about licences, or a list for a tool.
const NO_TEXT: [&str; 11] = ["c", "css", "go", "h", "html", "json", "py", "rs", "sh", "toml", "yml"];

/// Directories of a crate whose code is in no program.
const NOT_LINKED: [&str; 5] = ["benches", "examples", "fuzz", "test", "tests"];

fn is_licence(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    let is_other = |ending: &std::ffi::OsStr| NO_TEXT.iter().any(|known| ending.eq_ignore_ascii_case(known));
    NAMES.iter().any(|begin| name.starts_with(begin)) && !file.extension().is_some_and(is_other) && file.is_file()
}

/// Whether a file only stands beside a licence: what it says is not what allows the use.
pub(super) fn is_remark(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
    name.starts_with("NOTICE") || name.starts_with("PATENTS")
}

/// Whether it is what documents are under, and no code.
pub(super) fn is_of_documents(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("docs"))
}

/// Those in a directory itself.
pub(super) fn in_directory(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(|file| is_licence(file)).collect();
    found.sort();
    Ok(found)
}

/// Those in a directory and everywhere below, where there may be code of others.
pub(super) fn below(directory: &Path) -> Result<Vec<PathBuf>> {
    let is_linked = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !NOT_LINKED.iter().any(|name| entry.file_name().eq_ignore_ascii_case(name))
    };
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(directory).sort_by_file_name().into_iter().filter_entry(is_linked) {
        let entry = entry.with_context(|| format!("cannot read {}", directory.display()))?;
        if is_licence(entry.path()) {
            found.push(entry.into_path());
        }
    }
    Ok(found)
}

/// Those in these directories and in all above them up to `top`, which is above all of them.
pub(super) fn up_to(top: &Path, directories: impl Iterator<Item = PathBuf>) -> Result<Vec<PathBuf>> {
    let mut open: BTreeSet<PathBuf> = [top.to_owned()].into();
    for directory in directories {
        open.extend(directory.ancestors().take_while(|above| above.starts_with(top)).map(Path::to_owned));
    }
    // A package that the linker names may be of a directory that another one stands in for.
    let found: Result<Vec<_>> = open.iter().filter(|directory| directory.is_dir()).map(|d| in_directory(d)).collect();
    Ok(found?.concat())
}

#[cfg(test)]
mod tests {
    use common::files;

    use super::*;

    #[test]
    fn licences_are_found_by_their_names_in_the_directories_of_linked_code_and_above() {
        let tree = tempfile::tempdir().unwrap();
        for name in [
            "LICENSE",
            "NOTICE.txt",
            "licenses.go",
            "main.go",
            "third/forked/LICENSE-MIT",
            "third/forked/a/copying.md",
            "third/other/LICENSE",
            "tests/LICENSE",
        ] {
            files::write_atomically(&tree.path().join(name), "text").unwrap();
        }
        let names = |found: Vec<PathBuf>| -> Vec<String> {
            let name = |path: PathBuf| path.strip_prefix(tree.path()).unwrap().to_str().unwrap().to_owned();
            found.into_iter().map(name).collect()
        };
        let linked = ["third/forked/a", "gone"].map(|name| tree.path().join(name));
        assert_eq!(
            names(up_to(tree.path(), linked.into_iter()).unwrap()),
            ["LICENSE", "NOTICE.txt", "third/forked/LICENSE-MIT", "third/forked/a/copying.md"]
        );
        assert_eq!(names(below(&tree.path().join("third/other")).unwrap()), ["third/other/LICENSE"]);
        assert_eq!(names(below(tree.path()).unwrap()).len(), 5, "not what tests are under");
    }
}
