//! What is left of a run: tables for the terminal, JUnit's XML for CI, JSON for machines, a page for people.

mod drawing;
mod gantt;
pub mod history;
mod html;
mod junit;
mod layout;
#[cfg(test)]
mod samples;
pub mod table;
mod templates;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::files;

use crate::record::Run;

/// Where the log bundles are, beside the report.
pub const LOGS: &str = "logs";

/// Writes the report into a directory, each file whole or not at all, and says where the page is.
pub fn write(run: &Run, directory: &Path) -> Result<PathBuf> {
    files::create_dir(directory)?;
    let json = serde_json::to_string_pretty(run).context("the report cannot be written as JSON")?;
    // What machines read comes first: it has to be there even where the page fails.
    files::write_atomically(&directory.join("report.json"), json + "\n")?;
    files::write_atomically(&directory.join("junit.xml"), junit::xml(run)?)?;
    files::write_atomically(&directory.join("topology.svg"), drawing::topology(run)?)?;
    let page = directory.join("report.html");
    files::write_atomically(&page, html::page(run)?)?;
    Ok(page)
}

/// How a device's state is shown: as good, in between, bad, or off; a word that is not known, as none of these.
fn state_class(state: &str) -> &'static str {
    match state {
        "ready" | "on" => "good",
        "starting" => "wait",
        "failed" => "bad",
        "off" | "stopped" | "not raised" => "off",
        _ => "",
    }
}
