//! Series of patches in Git's format: applied by the host's git, tried out, and rewritten for a new tree.
//!
//! - [`parse`]: a patch file taken apart, for what errors show and for what is left as it is
//! - [`git`]: one patch applied in one directory, and what git says about it
//! - this file: [`apply`] a series to a tree, strictly
//! - [`without`]: what files would be if one patch of the series had not been applied
//! - [`touched`]: where in its files a patch changes something
//! - [`trial`]: [`check`] and [`refresh`], on a copy of the files that the series touches

mod git;
mod parse;
mod touched;
mod trial;
mod without;

use std::path::{Path, PathBuf};

use anyhow::Result;

pub use touched::{Touched, touched};
pub use trial::{Checked, PatchOutcome, Refresh, Refreshed, Stopped, check, refresh};
pub use without::{Without, without};

/// A patch and a tree that do not go together.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PatchError {
    #[error("the patch {} does not apply{}: {reason}{}", patch.display(), of(file), shown(hunk))]
    DoesNotApply { patch: PathBuf, file: Option<String>, hunk: Option<String>, reason: String },
    #[error("the patch {} left {file} as it was, although git took it", patch.display())]
    ChangedNothing { patch: PathBuf, file: String },
    #[error("{}:{line}: not a patch that git can apply: {reason}", patch.display())]
    Malformed { patch: PathBuf, line: usize, reason: String },
}

fn of(file: &Option<String>) -> String {
    file.as_ref().map(|file| format!(" to {file}")).unwrap_or_default()
}

/// How many lines of a hunk an error shows.
const SHOWN_LINES: usize = 12;

fn shown(hunk: &Option<String>) -> String {
    let Some(hunk) = hunk else { return String::new() };
    let lines: String = hunk.lines().take(SHOWN_LINES).map(|line| format!("\n    {line}")).collect();
    let more = hunk.lines().count().saturating_sub(SHOWN_LINES);
    if more == 0 { lines } else { format!("{lines}\n    … {more} more lines") }
}

/// Applies the patches in order. Lines may have moved; nothing around them may have changed.
pub fn apply(tree: &Path, series: &[PathBuf]) -> Result<()> {
    for path in series {
        let patch = parse::read(path)?;
        git::apply(tree, &patch, git::Context::Whole)?;
    }
    Ok(())
}
