//! The one error of recipes: which file, which line, what is wrong and what is expected.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use common::wording;

#[derive(Debug, thiserror::Error)]
#[error("{}{}: {message}", file.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct RecipeError {
    pub file: PathBuf,
    pub line: Option<usize>,
    pub message: String,
}

impl RecipeError {
    /// An error about a whole file or directory.
    pub(crate) fn about(file: &Path, message: impl Into<String>) -> Self {
        RecipeError { file: file.to_owned(), line: None, message: message.into() }
    }

    /// An error about a place in the text of a file.
    pub(crate) fn at(file: &Path, text: &str, place: Range<usize>, message: impl Into<String>) -> Self {
        let before = &text[..place.start.min(text.len())];
        RecipeError { file: file.to_owned(), line: Some(before.matches('\n').count() + 1), message: message.into() }
    }

    pub(crate) fn from_toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let message = wording::of_serde(error.message());
        match error.span() {
            Some(place) => Self::at(file, text, place, message),
            None => Self::about(file, message),
        }
    }
}
