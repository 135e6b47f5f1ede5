//! Strings of recipes that are checked while they are read, so that an error has its line.

use std::{fmt, ops::Deref, path::Path};

use serde::{Deserialize, Serialize};

/// The name of a release, component, toolchain or program: lower-case letters, digits, `.` and `-`.
/// It is safe as a file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A path below some root: relative, `/`-separated, with no `.` or `..` in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

/// A full Git commit id: 40 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commit(String);

#[derive(Debug, thiserror::Error)]
pub enum BadText {
    #[error("{0:?} is not a name: expected lower-case letters, digits, '.' and '-', beginning with a letter or digit")]
    Name(String),
    #[error("{0:?} is not a path inside the tree: expected a relative path without '.' or '..' in it")]
    RelativePath(String),
    #[error("{0:?} is not a commit: expected 40 hexadecimal digits, found {1} characters")]
    Commit(String, usize),
}

impl TryFrom<String> for Name {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.' || c == '-';
        let begins_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if begins_well && text.chars().all(allowed) { Ok(Name(text)) } else { Err(BadText::Name(text)) }
    }
}

impl TryFrom<String> for RelativePath {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        let good = |part: &str| !part.is_empty() && part != "." && part != "..";
        if text.split('/').all(good) { Ok(RelativePath(text)) } else { Err(BadText::RelativePath(text)) }
    }
}

impl TryFrom<String> for Commit {
    type Error = BadText;

    fn try_from(text: String) -> Result<Self, BadText> {
        let good = text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let length = text.chars().count();
        if good { Ok(Commit(text)) } else { Err(BadText::Commit(text, length)) }
    }
}

macro_rules! text {
    ($($type:ident),*) => {$(
        impl Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<Path> for $type {
            fn as_ref(&self) -> &Path {
                Path::new(&self.0)
            }
        }

        impl From<$type> for String {
            fn from(text: $type) -> String {
                text.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text!(Name, RelativePath, Commit);
