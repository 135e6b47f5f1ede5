//! What is left of a run: a table for the terminal, and JSON for machines.

pub mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base::files;

use crate::record::Run;

/// Writes the whole record into a folder, and says where.
pub fn write_json(run: &Run, folder: &Path) -> Result<PathBuf> {
    files::create_dir(folder)?;
    let path = folder.join("report.json");
    let text = serde_json::to_string_pretty(run).context("the report cannot be written as JSON")?;
    files::write_atomically(&path, text + "\n")?;
    Ok(path)
}
