//! The Debian under an image: made by debootstrap from the machine's own mirror, without documentation.

use std::path::Path;

use anyhow::{Context, Result};
use common::{Arch, Sha256, command::Program, files, progress::Task};

use super::{ImageRecipe, engine};

/// What all base images are called, before the digest.
pub(crate) const NAME: &str = "kubernetes-on-eos/debian";

const SUITE: &str = "bookworm";

/// What nobody reads on a device, below the root.
const DROPPED: [&str; 6] =
    ["usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists"];

/// The name of the recipe's base image, which is made if it is not there.
pub(crate) fn ensure(recipe: &ImageRecipe, log: &Path, task: &dyn Task) -> Result<String> {
    let made_from = format!("{SUITE} {} {:?} {DROPPED:?}", recipe.arch, recipe.packages);
    let name = format!("{NAME}:{}", Sha256::of_bytes(made_from).short());
    if engine::find(&name)?.is_some() {
        // So that the engine knows when it was last of use.
        engine::tag(&name, &name)?;
        return Ok(name);
    }
    let work = tempfile::tempdir().context("cannot make a directory for debootstrap")?;
    let root = work.path().join("root");
    task.doing("installing Debian and its packages");
    Program::new("debootstrap", "make a Debian of packages alone")?
        .arg("--variant=minbase")
        .arg(format!("--arch={}", debian_name(recipe.arch)))
        .arg(format!("--include={}", recipe.packages.join(",")))
        .arg(SUITE)
        .arg(&root)
        .arg(mirror()?)
        .run_logged(log)?;
    for path in DROPPED {
        files::remove_tree(&root.join(path))?;
    }
    // apt and dpkg expect these directories.
    files::create_dir(&root.join("var/lib/apt/lists/partial"))?;
    files::create_dir(&root.join("var/cache/apt/archives/partial"))?;
    task.doing("giving it to Docker");
    let archive = work.path().join("root.tar");
    Program::new("tar", "pack the root")?
        .args(["--numeric-owner", "--create", "--file"])
        .arg(&archive)
        .arg("--directory")
        .arg(&root)
        .arg(".")
        .run_logged(log)?;
    Program::new("docker", "import the root as an image")?.arg("import").arg(&archive).arg(&name).run_logged(log)?;
    Ok(name)
}

fn debian_name(arch: Arch) -> &'static str {
    match arch {
        Arch::I386 => "i386",
        Arch::Amd64 => "amd64",
    }
}

/// Where this machine's apt takes Debian from.
fn mirror() -> Result<String> {
    let targets = Program::new("apt-get", "find this machine's Debian mirror")?
        .args(["indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT) $(CREATED_BY)"])
        .read()?;
    let end = format!(" {SUITE} main Packages");
    let site = targets.lines().find_map(|line| line.strip_suffix(&end));
    site.map(str::to_owned)
        .with_context(|| format!("apt has no source for {SUITE} main: add Debian's suite {SUITE} to apt's sources"))
}
