//! The user's directories, as the environment names them.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};

/// A directory that a variable names; one that is empty names none.
pub fn directory(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The same, or else its usual place in the user's home.
pub fn directory_or(variable: &str, in_home: &str) -> Result<PathBuf> {
    let named = directory(variable).or_else(|| directory("HOME").map(|home| home.join(in_home)));
    named.with_context(|| format!("neither {variable} nor HOME is set: set HOME"))
}
