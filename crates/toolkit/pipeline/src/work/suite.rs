//! Upstream's own suite, out of a component's tree: its tests are held against the source's archive, the one file that they lack
//! is made beside the tree, and programs are compiled over both. The tree itself stays as the other programs have it.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use common::{Sha256, files};
use serde_json::json;

use crate::{
    step::{SuiteFiles, SuiteProgram},
    work::{Job, fetch, go::Toolchain},
};

/// What says which tests these are.
const DIGEST: &str = "tests.sha256";

pub(crate) fn files(job: &Job, work: &SuiteFiles) -> Result<()> {
    let task = job.busy();
    let gopath = job.need(&format!("tree-{}", work.component))?;
    let tree = gopath.join("src").join(&work.import_path);

    task.doing("comparing the tests with the archive's");
    let fetched = fetch::read(job.entry(&format!("fetch-{}", work.source.name))?)?;
    let original = job.workshop.scratch().join("original");
    sources::unpack(&fetched, job.engine.fetcher.store(), &original)?;
    let digest = unchanged(&tree.join(&work.tests), &original.join(&work.tests))?;
    files::write_atomically(&job.out().join(DIGEST), format!("{digest}\n"))?;

    task.doing(&format!("running {}", work.generator.package));
    let places = Toolchain::of(job, &work.toolchain)?.places(job)?.with("tree", &gopath)?;
    work.generator.build.program(&places, "build the generator of the suite's file")?.run_logged(job.log)?;
    work.generator.run.program(&places, "generate the suite's file")?.run_logged(job.log)?;
    let name = work.makes.rsplit('/').next().unwrap_or(&work.makes);
    let made = job.workshop.scratch().join(name);
    let size = made.metadata().map_or(0, |made| made.len());
    ensure!(
        size > 0,
        "{} ended well but did not make {name}; its log is {}",
        work.generator.package,
        job.log.display()
    );
    place(job, &work.makes, |to| files::copy_atomically(&made, to))?;
    place(job, &work.images, |to| files::copy_tree(&tree.join(&work.images), to))?;
    let now = Sha256::of_tree(&tree.join(&work.tests)).context("cannot read the tests")?;
    ensure!(now == digest, "{} wrote into the tree, which other programs are made of", work.generator.package);
    Ok(())
}

/// The digest of tests that are those of the source's archive.
fn unchanged(tests: &Path, original: &Path) -> Result<Sha256> {
    let digest =
        |path: &Path| Sha256::of_tree(path).with_context(|| format!("cannot read the tests in {}", path.display()));
    let (now, then) = (digest(tests)?, digest(original)?);
    ensure!(
        now == then,
        "the tests are not the archive's any more: a patch changes what is in {}. Those of the archive have the digest {then}, \
         these {now}",
        tests.display()
    );
    Ok(now)
}

fn place(job: &Job, path: &str, put: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let to = job.out().join(path);
    files::create_dir(to.parent().context("what is made has no directory")?)?;
    put(&to)
}

pub(crate) fn program(job: &Job, work: &SuiteProgram) -> Result<()> {
    let task = job.busy();
    task.doing("compiling");
    let gopath = job.need(&format!("tree-{}", work.component))?;
    let added = gopath.join("src").join(&work.import_path).join(&work.added);
    let file = job.need(&work.files)?.join(&work.added);
    let replaced = BTreeMap::from([(added.display().to_string(), file.display().to_string())]);
    let overlay = job.workshop.scratch().join("overlay.json");
    fs::write(&overlay, json!({ "Replace": replaced }).to_string())
        .context("cannot write what is laid over the tree")?;
    let places = Toolchain::of(job, &work.toolchain)?.places(job)?;
    let places = places.with("out", job.out())?.with("tree", &gopath)?.with("overlay", &overlay)?;
    work.compile.program(&places, &format!("compile {}", work.name))?.run_logged(job.log)?;
    swix::elf::require(&job.out().join(&work.name), work.arch)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_a_patch_has_changed_are_refused_with_both_digests() {
        let [tree, archive] = [0; 2].map(|_| {
            let directory = tempfile::tempdir().unwrap();
            fs::write(directory.path().join("a_test.go"), "package a\n").unwrap();
            directory
        });
        let same = unchanged(tree.path(), archive.path()).unwrap();
        fs::write(tree.path().join("a_test.go"), "package a // weaker\n").unwrap();
        let error = unchanged(tree.path(), archive.path()).unwrap_err().to_string();
        assert!(error.contains(&same.to_string()), "{error}");
        fs::write(tree.path().join("a_test.go"), "package a\n").unwrap();
        fs::write(tree.path().join("another_test.go"), "package a\n").unwrap();
        assert!(unchanged(tree.path(), archive.path()).is_err(), "a file is added");
    }
}
