//! Several images out of one recipe: each is a stage of its Dockerfile, on the same Debian, so that what they have in common is
//! packed and loaded once.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::{Progress, Sha256, command::Program, files, progress::Unit};

use super::{
    Image, ImageRecipe, base_image,
    build::inputs,
    engine::{self, INPUTS_LABEL},
    unused,
};
use crate::lock;

impl ImageRecipe {
    /// Makes those of the stages that are not there. `given` are files and trees with the names under which the Dockerfile copies
    /// them, beside what is in the recipe's directory.
    ///
    /// Each image has one name, of its stage and of all that it could be made of.
    pub fn build_stages(
        &self,
        workspace: &Path,
        given: &[(PathBuf, String)],
        stages: &BTreeSet<&str>,
        log: &Path,
        progress: &dyn Progress,
    ) -> Result<BTreeMap<String, Image>> {
        let context = tempfile::tempdir().context("cannot make a directory for the build")?;
        let task = progress.start(&format!("images {}", self.tag), Unit::Items, None);
        self.collect(context.path(), workspace, log, &*task)?;
        for (from, name) in given {
            let to = context.path().join(name);
            if from.is_dir() { files::copy_tree(from, &to)? } else { files::copy_atomically(from, &to)? }
        }
        let _alone = lock::of_images(|holder| task.doing(&format!("waiting for {holder}")))?;
        let base = base_image::ensure(self, log, &*task)?;
        let inputs = inputs(&base, context.path())?;
        let mut made = BTreeMap::new();
        for stage in stages {
            let name = self.name_of(stage, &inputs);
            let is_ours = |found: &engine::Found| found.label(INPUTS_LABEL) == Some(inputs.to_string().as_str());
            match engine::find(&name)?.filter(is_ours) {
                // So that the engine knows when it was last of use.
                Some(_) => engine::tag(&name, &name)?,
                None => {
                    task.doing(&format!("building {stage}"));
                    let build = self.docker_build(&base, &inputs, &name)?;
                    build.args(["--target", stage]).arg(context.path()).run_logged(log)?;
                }
            }
            let found = engine::find(&name)?.with_context(|| format!("{name} was there, and is not any more"))?;
            made.insert((*stage).to_owned(), Image { name, id: found.id });
        }
        if let Err(error) = unused::remove() {
            progress.note(&format!("remark: images that nobody uses are still there: {error:#}"));
        }
        Ok(made)
    }

    fn name_of(&self, stage: &str, inputs: &Sha256) -> String {
        let name = self.tag.rsplit_once(':').map_or(self.tag.as_str(), |(name, _)| name);
        format!("{name}-{stage}:{}", inputs.short())
    }
}

/// Writes images with their names to one archive, for another engine's `docker load`.
pub fn save(names: &BTreeSet<&str>, archive: &Path) -> Result<()> {
    let docker = Program::new("docker", "save the images")?.args(["save", "--output"]).arg(archive);
    docker.args(names).read().map(drop).with_context(|| format!("cannot write {}", archive.display()))
}
