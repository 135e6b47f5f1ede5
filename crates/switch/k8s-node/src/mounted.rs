//! The image of the programs at its place.

use anyhow::Result;
use common::mounts;
use contract::places;

use crate::{desired::Desired, program};

/// Mounted by the script that mounts it at installation.
pub struct Mounted;

impl Desired for Mounted {
    fn wrong(&mut self) -> Result<Vec<String>> {
        let mounted = mounts::at_or_below(places::PROGRAMS.as_ref())?
            .iter()
            .any(|mount| mount.place.as_os_str() == places::PROGRAMS);
        Ok(if mounted { Vec::new() } else { vec![places::PROGRAMS.to_owned()] })
    }

    fn repair(&mut self, _: &[String]) -> Result<()> {
        program::new(places::PROGRAMS_SCRIPT, "mount the programs")?.arg("mount").read().map(drop)
    }
}
