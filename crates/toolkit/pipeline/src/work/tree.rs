//! Unpacks toolchains, and components with their patches and generated files.

use std::{fs, io::Read, os::unix::fs::symlink, path::Path};

use anyhow::{Context, Result, bail};
use common::files;
use recipes::Name;
use sources::PackageFiles;

use crate::{
    modules::{OWNERS, Owners},
    step::{TreeBuild, Unpack},
    work::{
        Job, fetch,
        go::{Toolchain, commands::Generator},
    },
};

pub(crate) fn unpack(job: &Job, work: &Unpack) -> Result<()> {
    let task = job.busy();
    task.doing("unpacking");
    let fetched = fetch::read(job.entry(&format!("fetch-{}", work.source.name))?)?;
    let owners = owners(&sources::unpack(&fetched, job.engine.fetcher.store(), &job.out())?);
    if !owners.is_empty() {
        files::write_atomically(&job.out().join(OWNERS), serde_json::to_vec(&owners)?)?;
    }
    Ok(())
}

/// Which of Debian's packages has which directory of Go code.
fn owners(unpacked: &[PackageFiles]) -> Owners {
    const GOCODE: &str = "usr/share/gocode";
    let mut owners = Owners::new();
    for (package, files) in unpacked.iter().filter(|(package, _)| package.name.starts_with("golang-")) {
        let code = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "go"));
        for directory in code.filter_map(|file| file.strip_prefix(GOCODE).ok()?.parent()?.to_str()) {
            owners.insert(directory.to_owned(), (package.name.clone(), package.version.clone()));
        }
    }
    owners
}

pub(crate) fn run(job: &Job, work: &TreeBuild) -> Result<()> {
    let task = job.busy();
    task.doing("unpacking");
    let fetched = fetch::read(job.entry(&format!("fetch-{}", work.source.name))?)?;
    let sources = job.out().join("src");
    let tree = sources.join(&work.import_path);
    files::create_dir(&tree)?;
    sources::unpack(&fetched, job.engine.fetcher.store(), &tree)?;
    require_markers(work, &tree)?;
    for alias in &work.aliases {
        link(&sources, &work.import_path, alias)?;
    }
    task.doing("patching");
    let patches: Vec<_> = work.patches.iter().map(|patch| patch.path.clone()).collect();
    sources::patch::apply(&tree, &patches)?;
    for (toolchain, generator) in &work.generators {
        task.doing(&format!("running {}", generator.package));
        generate(job, work, toolchain, generator, &tree)?;
    }
    Ok(())
}

fn require_markers(work: &TreeBuild, tree: &Path) -> Result<()> {
    match work.source.markers.iter().find(|marker| !tree.join(marker).exists()) {
        Some(marker) => bail!("the source is not {}: {marker} is not in it", work.source.name),
        None => Ok(()),
    }
}

/// A second import path of the same tree.
fn link(sources: &Path, import_path: &str, alias: &str) -> Result<()> {
    let place = sources.join(alias);
    files::create_dir(place.parent().unwrap_or(sources))?;
    let up = "../".repeat(alias.matches('/').count());
    symlink(format!("{up}{import_path}"), &place).with_context(|| format!("cannot make the link {}", place.display()))
}

/// Builds a generator out of the tree for this machine and runs it there.
fn generate(job: &Job, work: &TreeBuild, toolchain: &Name, generator: &Generator, tree: &Path) -> Result<()> {
    let places = Toolchain::of(job, toolchain)?.places(job)?.with("tree", job.out())?;
    let purpose = format!("build {}'s generator {}", work.source.name, generator.package);
    generator.build.program(&places, &purpose)?.run_logged(job.log)?;
    let purpose = format!("generate code in {}", work.source.name);
    generator.run.program(&places, &purpose)?.run_logged(job.log)?;
    for made in &generator.makes {
        let found = fs::File::open(tree.join(made)).and_then(|mut file| file.read(&mut [0]));
        if found.is_ok_and(|bytes| bytes > 0) {
            continue;
        }
        bail!("{} ended well but did not make {made}; its log is {}", generator.package, job.log.display());
    }
    Ok(())
}
