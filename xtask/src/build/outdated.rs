//! `outdated`: what `update` would change.

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::locks::{Compared, Which, changes, compare, tell};

#[derive(Args)]
pub struct Outdated {
    #[command(flatten)]
    pub which: Which,
    /// Fail where something could be updated
    #[arg(long)]
    pub exit_code: bool,
}

impl Outdated {
    pub fn run(self) -> Result<()> {
        let mut is_outdated = false;
        for Compared { source, newest } in compare(&self.which)? {
            let name = &source.source.name;
            let locked = source.locked.as_deref().map_err(ToString::to_string).map_err(anyhow::Error::msg);
            let changes = changes(locked.with_context(|| format!("cannot tell what is locked of {name}"))?, &newest);
            is_outdated |= !changes.is_empty();
            tell(name, &changes, if changes.is_empty() { "is locked as its suites have it" } else { "is outdated" });
        }
        ensure!(!(is_outdated && self.exit_code), "something can be updated: run `cargo xtask update`");
        Ok(())
    }
}
