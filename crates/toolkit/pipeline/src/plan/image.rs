//! The step that packs the image, and what the image says of itself.

use std::path::Path;

use anyhow::{Context, Result};
use common::{Sha256, digest::Hasher};
use swix::release::{self, Probe, ReleaseInfo};

use super::{LICENCES, PACKER, Planner, archive_of, step_of};
use crate::{
    step::{ImageBuild, ImageItem, InputFile, Packer, PlannedBuild},
    work::container_image::ARCHIVE,
};

impl Planner<'_> {
    /// The image, and the steps that it takes its contents from. A program goes in only when its check has passed.
    pub(super) fn image(&self, around: &Sha256) -> Result<(ImageBuild, Vec<String>)> {
        let mut items = Vec::new();
        let mut needs = vec![PACKER.to_owned(), LICENCES.to_owned()];
        for (_, program) in self.release.programs() {
            let Some(install) = &program.install else { continue };
            items.push(ImageItem {
                step: step_of(program),
                file: program.name.to_string(),
                path: install.path.clone(),
                links: install.links.clone(),
                mode: 0o755,
            });
            needs.extend([step_of(program), format!("check-{}", program.name)]);
        }
        for image in self.release.components.iter().flat_map(|component| &component.images) {
            let step = archive_of(&image.program);
            needs.push(step.clone());
            items.push(ImageItem {
                step,
                file: ARCHIVE.into(),
                path: image.install.clone(),
                links: vec![],
                mode: 0o644,
            });
        }
        let files = self.release.files.iter().map(|(from, place)| Ok((place.clone(), InputFile::new(&**place, from)?)));
        let image = ImageBuild {
            source_date: self.release.source_date,
            items,
            files: files.collect::<Result<_>>()?,
            info: self.release_info(),
            build: PlannedBuild {
                revision: self.release.revision,
                commit: self.request.origin.commit.clone(),
                besides: self.request.origin.besides.clone(),
                around: *around,
            },
        };
        Ok((image, needs))
    }

    /// What the image says of itself, and how its programs are asked for their versions.
    fn release_info(&self) -> ReleaseInfo {
        let mut probes = Vec::new();
        for (_, program) in self.release.programs() {
            let Some(install) = &program.install else { continue };
            for check in program.checks.iter().filter(|check| check.version) {
                let is_called = |path: &&recipes::RelativePath| {
                    let name = path.rsplit('/').next();
                    check.called.as_ref().is_some_and(|called| name == Some(called))
                };
                let path = install.links.iter().find(is_called).unwrap_or(&install.path);
                probes.push(Probe {
                    program: path.to_string(),
                    args: check.args.clone(),
                    env: check.env.clone(),
                    expect: check.prints.clone(),
                });
            }
        }
        let components = self.release.components.iter();
        ReleaseInfo {
            name: self.release.name.to_string(),
            version: self.release.version.clone(),
            arch: self.request.arch,
            build: None,
            components: components
                .map(|c| release::ReleaseComponent { name: c.name.to_string(), version: c.version.clone() })
                .collect(),
            probes,
        }
    }
}

/// The digest of what is packed around the image, and of what packs it.
pub(super) fn around(packer: &Packer, rootfs: &Path) -> Result<Sha256> {
    let mut hasher = Hasher::default();
    hasher.field(serde_json::to_string(&packer.files)?.as_bytes());
    let rootfs = Sha256::of_tree(rootfs).with_context(|| format!("cannot read {}", rootfs.display()))?;
    hasher.field(rootfs.to_string().as_bytes());
    Ok(hasher.finish())
}
