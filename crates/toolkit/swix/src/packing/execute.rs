//! Orders carried out.

use anyhow::{Result, bail};
use common::Progress;

use super::Order;
use crate::{
    archive,
    extension::{self, ExtensionParts},
    inspect::{ProbeOutcome, Probes, inspect},
    squashfs,
};

/// Packs what is ordered. What does not pass `inspect` counts as not packed.
pub fn execute(order: &Order, progress: &dyn Progress) -> Result<()> {
    match order {
        Order::Image { entries, to, date, kept } => {
            squashfs::write_keeping(entries, to, *date, kept.as_deref(), progress)
        }
        Order::Package { version, release, arch, license, image, rootfs, directory, date } => {
            let parts = ExtensionParts { version, release, arch: *arch, license, image, rootfs, date: *date };
            let package = extension::package(&parts)?;
            package.write(&directory.join(package.file_name()))
        }
        Order::Swix { rpm, to } => {
            archive::write(std::slice::from_ref(rpm), to)?;
            let report = inspect(to, Probes::Run, progress)?;
            let wrong = report.probes.iter().find(|probed| probed.outcome != ProbeOutcome::AsExpected);
            match wrong {
                None => Ok(()),
                Some(wrong) => {
                    bail!("the SWIX was built, but its {} does not work: {:?}", wrong.probe.program, wrong.outcome)
                }
            }
        }
    }
}
