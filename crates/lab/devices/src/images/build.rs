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

use super::{ImageRecipe, base_image, program};

/// The label by which an image says that it stands in for another; its value says for which.
const STAND_IN_LABEL: &str = "org.kubernetes-on-eos.stands-in-for";
const INPUTS_LABEL: &str = "org.kubernetes-on-eos.inputs";

/// What a build came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// The image was made from the same inputs before.
    Unchanged,
    New,
}

impl ImageRecipe {
    /// Makes the image unless it is there. `workspace` is where the recipe's programs are built; what the
    /// tools say goes to `log`.
    pub fn build(&self, workspace: &Path, log: &Path, progress: &dyn Progress) -> Result<Built> {
        let context = tempfile::tempdir().context("cannot make a directory for the build")?;
        let task = progress.start(&format!("image {}", self.tag), Unit::Items, None);
        self.collect(context.path(), workspace, log, &*task)?;
        let base = base_image::ensure(self, log, &*task)?;
        let inputs = inputs(&base, context.path())?;
        if let Some(found) = labels_of(&self.tag)? {
            if found.stands_in_for.is_none() {
                bail!(
                    "{0} is the stand-in's name, and an image has it that is not ours: docker image rm {0}",
                    self.tag
                );
            }
            if found.inputs == Some(inputs.to_string()) {
                return Ok(Built::Unchanged);
            }
        }
        task.doing("building on it");
        Program::new("docker", "build the image")?
            .args(["build", "--network", "none", "--tag", &self.tag])
            .args(["--build-arg", &format!("BASE={base}")])
            .args(["--label", &format!("{STAND_IN_LABEL}={}", self.stands_in_for)])
            .args(["--label", &format!("{INPUTS_LABEL}={inputs}")])
            .arg(context.path())
            .run_logged(log)?;
        Ok(Built::New)
    }

    /// Fills the directory that Docker builds from.
    fn collect(&self, context: &Path, workspace: &Path, log: &Path, task: &dyn Task) -> Result<()> {
        files::copy_tree(&self.directory, context)?;
        for package in &self.programs {
            task.doing(&format!("compiling {package}"));
            let program = program::build(package, workspace, log)?;
            files::copy_atomically(&program, &context.join(package))?;
        }
        Ok(())
    }
}

/// The image whose place the one of that name takes; none for a real one.
pub fn stands_in_for(image: &str) -> Result<Option<String>> {
    Ok(labels_of(image)?.and_then(|labels| labels.stands_in_for))
}

/// What an image's labels say.
struct Labels {
    stands_in_for: Option<String>,
    inputs: Option<String>,
}

/// By name or digest; none where Docker has no such image.
fn labels_of(image: &str) -> Result<Option<Labels>> {
    let label = |name: &str| format!("{{{{with .Config.Labels}}}}{{{{index . \"{name}\"}}}}{{{{end}}}}");
    let format = format!("{}\n{}", label(STAND_IN_LABEL), label(INPUTS_LABEL));
    let mut docker =
        Program::new("docker", "look at the image")?.args(["image", "inspect", "--format", &format, image]);
    let output = docker.output()?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        if words.contains("No such image") {
            return Ok(None);
        }
        bail!("cannot look at the image {image}: {}", words.trim());
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut lines = printed.lines().map(|line| Some(line.trim().to_owned()).filter(|line| !line.is_empty()));
    Ok(Some(Labels { stands_in_for: lines.next().flatten(), inputs: lines.next().flatten() }))
}

fn inputs(base: &str, context: &Path) -> Result<Sha256> {
    let tree = Sha256::of_tree(context).with_context(|| format!("cannot read {}", context.display()))?;
    let mut hasher = Hasher::default();
    hasher.field(base.as_bytes());
    hasher.field(tree.to_string().as_bytes());
    Ok(hasher.finish())
}

/// Whether Docker has an image of that name.
pub(crate) fn exists(name: &str) -> Result<bool> {
    let found = Program::new("docker", "look for an image")?.args(["image", "ls", "--quiet", name]).read()?;
    Ok(!found.trim().is_empty())
}
