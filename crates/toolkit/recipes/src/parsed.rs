//! A recipe file's text kept beside what was read from it, for errors that need a line.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::Spanned;

use crate::error::RecipeError;

pub(crate) struct Parsed<T> {
    pub(crate) path: PathBuf,
    text: String,
    pub(crate) value: T,
}

impl<T: DeserializeOwned> Parsed<T> {
    pub(crate) fn read(path: PathBuf) -> Result<Self, RecipeError> {
        let text = fs::read_to_string(&path)
            .map_err(|error| RecipeError::about(&path, format!("cannot read this recipe file: {error}")))?;
        let value = toml::from_str(&text).map_err(|error| RecipeError::from_toml(&path, &text, &error))?;
        Ok(Parsed { path, text, value })
    }
}

impl<T> Parsed<T> {
    pub(crate) fn error(&self, place: Range<usize>, message: impl Into<String>) -> RecipeError {
        RecipeError::at(&self.path, &self.text, place, message)
    }

    /// A path that stands in this file, relative to it.
    pub(crate) fn beside(&self, path: &Spanned<String>, what: &str) -> Result<PathBuf, RecipeError> {
        let file = self.path.parent().unwrap_or(Path::new("")).join(path.get_ref());
        match file.canonicalize() {
            Ok(file) if file.is_file() => Ok(file),
            _ => Err(self.error(
                path.span(),
                format!("the {what} {:?} does not exist: expected a file at {}", path.get_ref(), file.display()),
            )),
        }
    }
}
