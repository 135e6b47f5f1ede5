//! The RPM around the image and `rootfs/`, and the SWIX around the RPM.

use std::fs;

use anyhow::{Context, Result, bail};
use swix::{
    SourceDate, archive,
    extension::{self, ExtensionParts},
    inspect::{ProbeOutcome, Probes, inspect},
};

use crate::{
    step::{PackageBuild, SwixBuild},
    work::{Job, image::IMAGE},
};

pub(crate) fn rpm(job: &Job, work: &PackageBuild) -> Result<()> {
    let image = job.need("image")?.join(IMAGE);
    let parts = ExtensionParts {
        version: &work.version,
        revision: work.revision,
        arch: work.arch,
        image: &image,
        rootfs: &work.rootfs_directory,
        date: SourceDate(work.source_date),
    };
    let package = extension::package(&parts)?;
    package.write(&job.out().join(package.file_name()))
}

/// Writes the SWIX and reads it back: what does not pass `inspect` never reaches dist/.
pub(crate) fn swix(job: &Job, work: &SwixBuild) -> Result<()> {
    let rpm = fs::read_dir(job.need("rpm")?)?.next().context("the rpm step left no package")??.path();
    let file = job.out().join(&work.file_name);
    archive::write(&[rpm], &file)?;
    let report = inspect(&file, Probes::Run, job.engine.progress)?;
    let wrong = report.probes.iter().find(|probed| probed.outcome != ProbeOutcome::AsExpected);
    match wrong {
        None => Ok(()),
        Some(wrong) => bail!("the SWIX was built, but its {} does not work: {:?}", wrong.probe.program, wrong.outcome),
    }
}
