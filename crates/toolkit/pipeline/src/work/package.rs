//! The RPM around the image and `rootfs/`, and the SWIX around the RPM.

use std::fs;

use anyhow::{Context, Result};
use swix::{SourceDate, packing::Order};

use crate::{
    step::{PackageBuild, SwixBuild},
    work::{
        Job,
        image::{self, IMAGE},
        licences,
        packer::pack,
    },
};

pub(crate) fn rpm(job: &Job, work: &PackageBuild) -> Result<()> {
    let image = job.need("image")?;
    let build = image::build(&image)?;
    let order = Order::Package {
        version: work.version.clone(),
        release: build.release(),
        arch: work.arch,
        license: licences::read(job)?.expression(),
        image: image.join(IMAGE),
        rootfs: work.rootfs_directory.clone(),
        directory: job.out(),
        date: SourceDate(work.source_date),
    };
    pack(job, &order)
}

/// Writes the SWIX and reads it back: what does not pass `inspect` never reaches dist/.
pub(crate) fn swix(job: &Job, work: &SwixBuild) -> Result<()> {
    let rpm = fs::read_dir(job.need("rpm")?)?.next().context("the rpm step left no package")??.path();
    pack(job, &Order::Swix { rpm, to: job.out().join(&work.file_name) })
}
