//! From a recipe to the image: its context, the digest of everything in it, and `docker build`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use common::{
    Progress, Sha256,
    command::Program,
    digest::Hasher,
    files,
    progress::{Task, Unit},
};

use super::{
    Image, ImageRecipe, base_image,
    engine::{self, INPUTS_LABEL, STAND_IN_LABEL},
    program, unused,
};
use crate::lock;

/// What a build came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// To be used by its digest: its name may be another image's soon.
    pub image: Image,
    /// Whether there was none yet of the same inputs.
    pub is_new: bool,
}

impl ImageRecipe {
    /// Makes the image unless it is there. `workspace` is where the recipe's programs are built; what the
    /// tools say goes to `log`.
    ///
    /// Beside the recipe's name the image has one of its inputs, so that working trees that differ keep theirs.
    pub fn build(&self, workspace: &Path, log: &Path, progress: &dyn Progress) -> Result<Built> {
        let context = tempfile::tempdir().context("cannot make a directory for the build")?;
        let task = progress.start(&format!("image {}", self.tag), Unit::Items, None);
        self.collect(context.path(), workspace, log, &*task)?;
        let _alone = lock::of_images(|holder| task.doing(&format!("waiting for {holder}")))?;
        if engine::find(&self.tag)?.is_some_and(|found| found.stands_in_for().is_none()) {
            bail!("{0} is the stand-in's name, and an image has it that is not ours: docker image rm {0}", self.tag);
        }
        let base = base_image::ensure(self, log, &*task)?;
        let inputs = inputs(&base, context.path())?;
        let own =
            format!("{}:{}", self.tag.rsplit_once(':').map_or(self.tag.as_str(), |(name, _)| name), inputs.short());
        let is_ours = |found: &engine::Found| found.label(INPUTS_LABEL) == Some(inputs.to_string().as_str());
        let is_new = !engine::find(&own)?.is_some_and(|found| is_ours(&found));
        if is_new {
            task.doing("building on it");
            self.docker_build(&base, &inputs, &own)?.arg(context.path()).run_logged(log)?;
        }
        let found = engine::find(&own)?.with_context(|| format!("{own} was there, and is not any more"))?;
        engine::tag(&found.id, &self.tag)?;
        if let Err(error) = unused::remove() {
            progress.note(&format!("remark: images that nobody uses are still there: {error:#}"));
        }
        Ok(Built { image: Image { name: self.tag.clone(), id: found.id }, is_new })
    }

    /// Builds a Dockerfile on the image `base`, of the directory that is to come as the last argument; the image has the label of `inputs`, and
    /// that it is a stand-in.
    pub(super) fn docker_build(&self, base: &str, inputs: &Sha256, name: &str) -> Result<Program> {
        let build = Program::new("docker", "build the image")?.args(["build", "--network", "none", "--tag", name]);
        Ok(build
            .args(["--build-arg", &format!("BASE={base}")])
            .args(["--label", &format!("{STAND_IN_LABEL}={}", self.stands_in_for)])
            .args(["--label", &format!("{INPUTS_LABEL}={inputs}")]))
    }

    /// Fills the directory that Docker builds from.
    pub(super) fn collect(&self, context: &Path, workspace: &Path, log: &Path, task: &dyn Task) -> Result<()> {
        files::copy_tree(&self.directory, context)?;
        for package in &self.programs {
            task.doing(&format!("compiling {package}"));
            let program = program::build(package, workspace, log)?;
            files::copy_atomically(&program, &context.join(package))?;
        }
        Ok(())
    }
}

/// The image whose place the one of that name or digest takes; none for a real one.
pub(crate) fn stands_in_for(image: &str) -> Result<Option<String>> {
    Ok(engine::find(image)?.and_then(|found| found.stands_in_for().map(str::to_owned)))
}

pub(super) fn inputs(base: &str, context: &Path) -> Result<Sha256> {
    let tree = Sha256::of_tree(context).with_context(|| format!("cannot read {}", context.display()))?;
    let mut hasher = Hasher::default();
    hasher.field(base.as_bytes());
    hasher.field(tree.to_string().as_bytes());
    Ok(hasher.finish())
}
