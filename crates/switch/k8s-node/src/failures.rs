//! Work of several parts that goes on where one of them fails.

use anyhow::{Result, anyhow};

/// Does every part, whatever came of those before, and fails with everything that did.
pub fn gathered(parts: impl IntoIterator<Item = Result<()>>) -> Result<()> {
    let failures: Vec<String> = parts.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    if failures.is_empty() { Ok(()) } else { Err(anyhow!("{}", failures.join("; "))) }
}
