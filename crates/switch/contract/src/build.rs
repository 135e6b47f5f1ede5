//! Which build a SWIX is of: written into `release.json` in its image and, shortened, into the release of its RPM.

use serde::{Deserialize, Serialize};

/// How many digits of a commit or a digest tell one from the others.
const DIGITS: usize = 12;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// Counts packagings of one version. It comes first, so that rpm takes a later one for newer.
    pub revision: u32,
    /// The commit of the repository, in full. None where it was built outside of git.
    pub commit: Option<String>,
    /// What the commit does not say: a work tree with changes, recipes or sources of somebody's own.
    pub besides: Vec<String>,
    /// SHA-256 of all that is packed and of what packs it: a commit alone does not say which compiler and linker a
    /// machine had.
    pub contents: String,
}

impl Build {
    /// The RPM's release, of characters that rpm takes: `1.g0123456789ab.d0123456789ab`, with `.dirty` after the commit
    /// where that is not all. Two builds with other bytes never have the same.
    pub fn release(&self) -> String {
        let commit = self.commit.as_ref().map(|commit| format!(".g{}", shortened(commit))).unwrap_or_default();
        let dirty = if self.commit.is_some() && !self.besides.is_empty() { ".dirty" } else { "" };
        format!("{}{commit}{dirty}.d{}", self.revision, shortened(&self.contents))
    }

    /// Where it comes from, for a person.
    pub fn origin(&self) -> String {
        let commit = self.commit.as_ref().map_or("no commit".to_owned(), |commit| format!("commit {commit}"));
        let besides: String = self.besides.iter().map(|what| format!(", with {what}")).collect();
        commit + &besides
    }
}

fn shortened(digits: &str) -> &str {
    digits.get(..DIGITS).unwrap_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(revision: u32, commit: Option<&str>, besides: &[&str], contents: &str) -> Build {
        let besides = besides.iter().map(|what| (*what).to_owned()).collect();
        Build { revision, commit: commit.map(str::to_owned), besides, contents: contents.to_owned() }
    }

    #[test]
    fn the_release_names_revision_commit_and_contents() {
        let (commit, contents) = ("0123456789abcdef".repeat(2), "fedcba9876543210".repeat(4));
        let clean = build(3, Some(&commit), &[], &contents);
        assert_eq!(clean.release(), "3.g0123456789ab.dfedcba987654");
        assert_eq!(clean.origin(), format!("commit {commit}"));
        let dirty = build(3, Some(&commit), &["changes in the work tree", "its own recipes"], &contents);
        assert_eq!(dirty.release(), "3.g0123456789ab.dirty.dfedcba987654");
        assert_eq!(dirty.origin(), format!("commit {commit}, with changes in the work tree, with its own recipes"));
        assert_eq!(build(3, None, &["its own recipes"], &contents).release(), "3.dfedcba987654");
    }

    #[test]
    fn other_contents_are_another_release_whatever_the_commit_says() {
        let of = |contents: &str| build(1, Some("abc"), &[], contents).release();
        assert_ne!(of("1".repeat(64).as_str()), of("2".repeat(64).as_str()));
    }
}
