//! The tests of one package, compiled for the switch's architecture over a tree and run on this machine.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use common::{
    command::{Failure, Program},
    files,
};

use super::{
    brought::Package,
    outcome::{self, Outcome},
};
use crate::{
    step::{CommandLine, Places, Proof},
    work::{Job, go::Toolchain},
};

/// How long the tests of a package may compile.
const COMPILE: Duration = Duration::from_secs(30 * 60);

/// How long they may run: what Go is told, so that it says which did not end, and when it is not asked any more.
const RUN: &str = "5m";
const LIMIT: Duration = Duration::from_secs(6 * 60);

/// No file of theirs may be larger, the log among them.
const FILE_SIZE: &str = "--fsize=268435456";

/// Makes a directory read-only in its mount namespace, and runs there what follows.
const READ_ONLY: &str = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@""#;

/// Runs `{test}`, of which only the tests that `{tests}` matches. What they mount, which root alone can, goes with them; they cannot
/// write into `{tree}`.
pub(crate) fn command() -> CommandLine {
    let timeout = format!("-test.timeout={RUN}");
    let apart: &[&str] = if is_root() { &["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", "{tree}"] } else { &[] };
    let argv =
        ["prlimit", FILE_SIZE, "--core=0", "{test}", "-test.v", "-test.count=1", &timeout, "-test.run", "{tests}"];
    CommandLine::new("{directory}", [apart, &argv].concat())
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "{scratch}")
        .env("TMPDIR", "{scratch}")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

pub(super) struct Trial<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) work: &'a Proof,
    pub(super) tree: &'a Path,
}

impl Trial<'_> {
    /// How the tests of a package ended with an overlay, or what the compiler said of them; `title` is for the log.
    pub(super) fn ran(
        &self,
        package: &Package,
        overlay: &Path,
        title: &str,
    ) -> Result<Result<BTreeMap<String, Outcome>, String>> {
        let scratch = self.job.workshop.scratch();
        let test = scratch.join("of-a-package.test");
        let entry = self.job.entry(&format!("tree-{}", self.work.component))?;
        let gopath = entry.out();
        let mut places = Toolchain::of(self.job, &self.work.toolchain)?.places(self.job)?;
        places = places.with("tree", &gopath)?.with("overlay", overlay)?.with("test", &test)?;
        places = places.with("package", &package.path)?;
        for library in &self.work.libraries {
            places = places.with(&format!("library-{library}"), self.job.need(&format!("unpack-{library}"))?)?;
        }
        // That of another package.
        let _ = fs::remove_file(&test);
        let compile = self.work.compile.program(&places, &format!("compile the tests of {}", package.path))?;
        let (compiles, said) = self.run(compile.limit(COMPILE), title)?;
        if !compiles {
            return Ok(Err(said));
        }
        if !test.is_file() {
            bail!("{} has no tests, says Go: {}", package.path, said.lines().last().unwrap_or("nothing"));
        }
        let names: Vec<&str> = package.tests.iter().map(String::as_str).collect();
        let home = tempfile::tempdir_in(scratch).context("cannot make a directory")?;
        let directory = self.directory(package, &home.path().join("tree"))?;
        let places =
            Places::default().with("test", &test)?.with("directory", directory)?.with("scratch", home.path())?;
        let places = places.with("tree", &gopath)?.with("tests", format!("^({})$", names.join("|")))?;
        let run = self.work.run.program(&places, &format!("run the tests of {}", package.path))?;
        let (passes, said) = self.run(run.limit(LIMIT), title)?;
        // Where nothing keeps them from it.
        if !is_root() && !entry.is_intact() {
            bail!(
                "the tests of {} write into the tree that programs are compiled of, {}: remove it, and prove as root, where they cannot",
                package.path,
                gopath.display()
            );
        }
        let ended = outcome::of_tests(&said);
        if !passes && ended.values().all(|outcome| matches!(outcome, Outcome::Passed | Outcome::Skipped)) {
            bail!(
                "the tests of {} end with an error, and none of them failed; the log is {}",
                package.path,
                self.job.log.display()
            );
        }
        Ok(Ok(ended))
    }

    /// Whether a program succeeded, and what it said; that goes into the log as well. One that was ended from outside has said nothing.
    fn run(&self, program: Program, title: &str) -> Result<(bool, String)> {
        let part = tempfile::NamedTempFile::new_in(self.job.workshop.scratch()).context("cannot write a log")?;
        let ran = program.run_logged(part.path());
        let said = String::from_utf8_lossy(&files::read(part.path())?).into_owned();
        let log = fs::OpenOptions::new().create(true).append(true).open(self.job.log);
        log.and_then(|mut log| std::io::Write::write_all(&mut log, format!("== {title}\n{said}\n").as_bytes()))
            .with_context(|| format!("cannot write {}", self.job.log.display()))?;
        let Err(error) = ran else { return Ok((true, said)) };
        match error.downcast_ref::<Failure>() {
            Some(Failure::Failed { status, .. }) if status.code().is_some() => Ok((false, said)),
            _ => Err(error),
        }
    }

    /// The package's directory as its tests may write into it: its files and their data are copies, all around them are links into
    /// the tree.
    fn directory(&self, package: &Package, into: &Path) -> Result<PathBuf> {
        let (mut from, mut to) = (self.tree.to_owned(), into.to_owned());
        for part in package.directory.split('/').filter(|part| !part.is_empty()) {
            mirror(&from, &to, Some(part), false)?;
            (from, to) = (from.join(part), to.join(part));
        }
        mirror(&from, &to, None, true)?;
        Ok(to)
    }
}

/// Makes a directory with links to all that another one has but for one entry; its files and `testdata/` are copied where that is
/// asked for.
fn mirror(from: &Path, to: &Path, but: Option<&str>, copies: bool) -> Result<()> {
    files::create_dir(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let target = to.join(entry.file_name());
        if but.is_some_and(|but| entry.file_name() == but) {
            continue;
        }
        let is_data = |kind: fs::FileType| kind.is_dir() && entry.file_name() == "testdata";
        let is_own = entry.file_type().is_ok_and(|kind| kind.is_file() || is_data(kind));
        if copies && is_own {
            files::copy_tree(&entry.path(), &target)?;
            continue;
        }
        symlink(entry.path(), &target).with_context(|| format!("cannot make {}", target.display()))?;
    }
    Ok(())
}
