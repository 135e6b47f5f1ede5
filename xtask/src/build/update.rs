//! `update`: locks what the suites that move have now.

use anyhow::Result;
use clap::Args;
use common::files;

use super::locks::{Compared, Which, changes, compare, tell};

#[derive(Args)]
pub struct Update {
    #[command(flatten)]
    pub which: Which,
}

impl Update {
    pub fn run(self) -> Result<()> {
        // All suites have answered before a file is touched, and each file is replaced as a whole.
        for Compared { source, newest } in compare(&self.which)? {
            let name = &source.source.name;
            let locked = source.locked.as_deref().unwrap_or_default();
            if let Err(error) = &source.locked {
                println!("{name}: {error}");
            }
            let changes = changes(locked, &newest);
            let is_current = source.locked.is_ok() && changes.is_empty();
            if !is_current {
                files::write_atomically(&source.path(), source.text(&newest)?)?;
            }
            tell(name, &changes, if is_current { "is locked as its suites have it" } else { "is locked anew" });
        }
        Ok(())
    }
}
