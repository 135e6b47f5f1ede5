//! A recipe file's text kept beside what was read from it, for errors that need a line.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{Spanned, de::DeTable};

use crate::{error::RecipeError, placeholders};

pub(crate) struct Parsed<T> {
    pub(crate) path: PathBuf,
    text: String,
    pub(crate) value: T,
}

impl<T: DeserializeOwned> Parsed<T> {
    pub(crate) fn read(path: PathBuf) -> Result<Self, RecipeError> {
        let text = fs::read_to_string(&path)
            .map_err(|error| RecipeError::about(&path, format!("cannot read this recipe file: {error}")))?;
        let wrong = |error: toml::de::Error| RecipeError::from_toml(&path, &text, &error);
        let mut table = DeTable::parse(&text).map_err(wrong)?;
        placeholders::fill(table.get_mut())
            .map_err(|(place, problem)| RecipeError::at(&path, &text, place, problem))?;
        let value = T::deserialize(toml::Deserializer::from(table)).map_err(wrong)?;
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

    /// The same, where the last part of the path may have a `*` for any characters: all such files, by name.
    pub(crate) fn all_beside(&self, path: &Spanned<String>, what: &str) -> Result<Vec<PathBuf>, RecipeError> {
        let (above, name) = path.get_ref().rsplit_once('/').unwrap_or((".", path.get_ref()));
        let Some((start, end)) = name.split_once('*') else { return Ok(vec![self.beside(path, what)?]) };
        let directory = self.path.parent().unwrap_or(Path::new("")).join(above);
        let fits = |file: &Path| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            // What an editor leaves beside a file is none of them.
            let is_left = name.starts_with('.') || name.ends_with('~');
            !is_left && name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)) && file.is_file()
        };
        let found = fs::read_dir(&directory).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> =
            found.filter(|file| fits(file)).filter_map(|file| file.canonicalize().ok()).collect();
        if files.is_empty() {
            let message = format!("no {what} is called {:?}: expected some in {}", path.get_ref(), directory.display());
            return Err(self.error(path.span(), message));
        }
        files.sort();
        Ok(files)
    }
}
