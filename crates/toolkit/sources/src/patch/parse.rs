//! A patch file taken apart: the message, the files that it changes, the hunks with their lines.

use std::path::{Path, PathBuf};

use anyhow::Result;
use common::files;

use super::PatchError;

#[derive(Debug)]
pub(super) struct Patch {
    pub(super) path: PathBuf,
    /// Everything before the first change: who, what and why.
    pub(super) message: String,
    pub(super) files: Vec<FileDiff>,
    /// What follows the last change: Git's signature.
    pub(super) signature: String,
}

#[derive(Debug, Default)]
pub(super) struct FileDiff {
    /// None for a file that is new.
    pub(super) old: Option<String>,
    /// None for a file that goes away.
    pub(super) new: Option<String>,
    pub(super) hunks: Vec<Hunk>,
}

#[derive(Debug)]
pub(super) struct Hunk {
    pub(super) old_start: usize,
    /// The `@@` line and those below it.
    pub(super) text: String,
}

impl FileDiff {
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.old.iter().chain(self.new.iter()).map(String::as_str)
    }
}

impl Patch {
    /// The paths that it touches, each once.
    pub(super) fn paths(&self) -> Vec<&str> {
        let mut paths: Vec<&str> = self.files.iter().flat_map(FileDiff::paths).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    pub(super) fn hunk(&self, file: &str, old_start: usize) -> Option<&Hunk> {
        let diff = self.files.iter().find(|diff| diff.paths().any(|path| path == file))?;
        diff.hunks.iter().find(|hunk| hunk.old_start == old_start)
    }
}

pub(super) fn read(path: &Path) -> Result<Patch> {
    let text = String::from_utf8_lossy(&files::read(path)?).into_owned();
    let malformed = |line: usize, reason: &str| PatchError::Malformed {
        patch: path.to_owned(),
        line: line + 1,
        reason: reason.to_owned(),
    };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut patch =
        Patch { path: path.to_owned(), message: String::new(), files: Vec::new(), signature: String::new() };
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let next = lines.get(at + 1).copied().unwrap_or_default();
        if let Some(names) = line.strip_prefix("diff --git ") {
            let (old, new) = both_names(names.trim_end()).unzip();
            patch.files.push(FileDiff { old, new, hunks: Vec::new() });
        } else if line.starts_with("--- ") && next.starts_with("+++ ") {
            if patch.files.last().is_none_or(|file| !file.hunks.is_empty()) {
                patch.files.push(FileDiff::default());
            }
            let last = patch.files.len() - 1;
            patch.files[last].old = name(&line[4..]);
            patch.files[last].new = name(&next[4..]);
            at += 1;
        } else if let (Some(file), Some(counts)) = (patch.files.last_mut(), line.strip_prefix("@@ -")) {
            let (old_start, old, new) = counts_of(counts).ok_or_else(|| malformed(at, "a bad @@ line"))?;
            let end = end_of_hunk(&lines, at + 1, old, new).map_err(|line| malformed(line, "a hunk breaks off"))?;
            file.hunks.push(Hunk { old_start, text: lines[at..end].concat() });
            at = end;
            continue;
        } else if let Some(file) = patch.files.last_mut() {
            if line.starts_with("new file mode ") {
                file.old = None;
            } else if line.starts_with("deleted file mode ") {
                file.new = None;
            } else if line.trim_end() == "--" {
                patch.signature = lines[at..].concat();
                break;
            }
        } else {
            patch.message.push_str(line);
        }
        at += 1;
    }
    if patch.files.is_empty() {
        return Err(malformed(lines.len().saturating_sub(1), "it changes no file").into());
    }
    Ok(patch)
}

/// `a/NAME b/NAME`, where both are the same or there are no blanks.
fn both_names(names: &str) -> Option<(String, String)> {
    let half = names.len() / 2;
    let (old, new) = match (names.get(..half), names.get(half + 1..)) {
        (Some(old), Some(new)) if old.get(2..) == new.get(2..) => (old, new),
        _ => names.split_once(' ')?,
    };
    Some((name(old)?, name(new)?))
}

/// A path without its first part and without a time after it; none for /dev/null.
fn name(text: &str) -> Option<String> {
    let path = text.split('\t').next().unwrap_or(text).trim_end();
    if path == "/dev/null" { None } else { path.split_once('/').map(|(_, path)| path.to_owned()) }
}

/// Old start, old and new number of lines in `12,3 +12,4 @@ …`.
fn counts_of(text: &str) -> Option<(usize, usize, usize)> {
    let (old, rest) = text.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let pair = |range: &str| match range.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((range.parse().ok()?, 1)),
    };
    let ((start, old), (_, new)): ((usize, usize), (usize, usize)) = (pair(old)?, pair(new)?);
    Some((start, old, new))
}

/// The index of the first line after a hunk, or of the line where it breaks off.
fn end_of_hunk(lines: &[&str], start: usize, mut old: usize, mut new: usize) -> Result<usize, usize> {
    let mut at = start;
    while old > 0 || new > 0 {
        match lines.get(at).and_then(|line| line.chars().next()) {
            Some(' ' | '\n') if old > 0 && new > 0 => (old, new) = (old - 1, new - 1),
            Some('-') if old > 0 => old -= 1,
            Some('+') if new > 0 => new -= 1,
            Some('\\') => {}
            _ => return Err(at),
        }
        at += 1;
    }
    Ok(if lines.get(at).is_some_and(|line| line.starts_with('\\')) { at + 1 } else { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Patch> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("0001.patch");
        std::fs::write(&path, text)?;
        read(&path)
    }

    #[test]
    fn message_files_hunks_and_signature_are_told_apart() {
        let text = "From: a\n\nWhy.\n---\n a | 1 +\n\ndiff --git a/x/a b/x/a\nindex 1..2 100644\n--- a/x/a\n+++ b/x/a\n\
                    @@ -3,2 +3,2 @@ func\n same\n--- minus\n+++ plus\ndiff --git a/n b/n\nnew file mode 100644\n\
                    --- /dev/null\n+++ b/n\n@@ -0,0 +1 @@\n+new\n\\ No newline at end of file\n-- \n2.39.2\n";
        let patch = parsed(text).unwrap();
        assert_eq!(patch.message, "From: a\n\nWhy.\n---\n a | 1 +\n\n");
        assert_eq!(patch.paths(), ["n", "x/a"]);
        assert_eq!(patch.hunk("x/a", 3).unwrap().text, "@@ -3,2 +3,2 @@ func\n same\n--- minus\n+++ plus\n");
        assert_eq!(patch.files[1].old, None);
        assert_eq!(patch.signature, "-- \n2.39.2\n");
    }

    #[test]
    fn a_hunk_that_breaks_off_is_named_with_its_line() {
        let error = parsed("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n").unwrap_err().to_string();
        assert!(error.contains("0001.patch:5: ") && error.contains("breaks off"), "{error}");
    }
}
