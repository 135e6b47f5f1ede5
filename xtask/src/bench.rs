//! `bench`.

use anyhow::Result;

use crate::flags::Bench;

pub fn run(_: Bench) -> Result<()> {
    Ok(())
}
