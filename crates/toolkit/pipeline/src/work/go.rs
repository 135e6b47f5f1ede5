//! Cross-compiles one Go program in GOPATH mode: static, stripped, with no path of this machine in it.
//!
//! The output is `<program>` and `modules.json`: the modules whose packages the program is made of.

pub(crate) mod commands;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use common::files;
use recipes::Name;

use self::commands::FIRST_WITH_TRIMPATH;
use crate::{
    modules::{self, Module},
    step::{GoBuild, Places},
    work::Job,
};

/// What vulnerability databases call it.
pub(crate) const STANDARD_LIBRARY: &str = "stdlib";

/// Where `unpack-<name>` and `tree-<name>` steps put what a Go build uses.
pub(crate) struct Toolchain {
    root: PathBuf,
    cache: PathBuf,
}

impl Toolchain {
    pub(crate) fn of(job: &Job, name: &Name) -> Result<Self> {
        let entry = job.entry(&format!("unpack-{name}"))?;
        // One compiler's results never meet another's.
        let cache = job.engine.cache.helpful("go-build", &entry.meta.output)?;
        Ok(Toolchain { root: find_root(&entry.out())?, cache })
    }

    /// Where the toolchain's own things are.
    pub(crate) fn places(&self, job: &Job) -> Result<Places> {
        let scratch = job.workshop.scratch();
        Places::default().with("go", &self.root)?.with("go-cache", &self.cache)?.with("scratch", scratch)
    }

    /// `1.19.8`: what the toolchain is, whatever the recipe asked for first.
    fn version(&self) -> Result<String> {
        let file = self.root.join("VERSION");
        let text = files::read_text(&file)?;
        let version = text.lines().next().and_then(|line| line.trim().strip_prefix("go"));
        version.map(str::to_owned).with_context(|| format!("{} does not name a version of Go", file.display()))
    }

    /// 19 of `1.19.8`.
    fn minor_version(&self) -> Result<u32> {
        let version = self.version()?;
        let minor =
            version.strip_prefix("1.").and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        minor.with_context(|| format!("Go {version} is not a version of Go 1"))
    }

    /// What every Go program is made of besides its packages.
    fn standard_library(&self) -> Result<Module> {
        let version = self.version()?;
        Ok(Module {
            path: STANDARD_LIBRARY.to_owned(),
            purl: format!("pkg:golang/stdlib@{version}"),
            version: Some(version),
        })
    }
}

/// GOROOT in an unpacked toolchain: at its top in Go's own archive, below usr/lib in Debian's packages.
pub fn find_root(unpacked: &Path) -> Result<PathBuf> {
    let debian = std::fs::read_dir(unpacked.join("usr/lib")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut places = std::iter::once(unpacked.to_owned()).chain(debian);
    places
        .find(|place| place.join("bin/go").is_file())
        .with_context(|| format!("there is no bin/go in the toolchain {}", unpacked.display()))
}

/// GOPATH of a component: its own tree, then the libraries' trees.
fn gopath(job: &Job, component: &str, libraries: &[Name]) -> Result<Vec<PathBuf>> {
    let mut directories = vec![job.need(&format!("tree-{component}"))?];
    for library in libraries {
        directories.push(job.need(&format!("unpack-{library}"))?);
    }
    let with_colon = directories.iter().find(|directory| directory.to_string_lossy().contains(':'));
    ensure!(with_colon.is_none(), "a directory's name has a colon in it, which parts GOPATH: set KOE_CACHE to another");
    Ok(directories)
}

pub(crate) fn run(job: &Job, work: &GoBuild) -> Result<()> {
    let task = job.busy();
    let toolchain = Toolchain::of(job, &work.go.toolchain)?;
    let gopath = gopath(job, &work.component, &work.go.libraries)?;
    let directory = gopath[0].join("src").join(&work.import_path);
    let mut places = toolchain.places(job)?.with("out", job.out())?.with("tree", &gopath[0])?;
    for (library, directory) in work.go.libraries.iter().zip(&gopath[1..]) {
        places = places.with(&format!("library-{library}"), directory)?;
    }

    task.doing("compiling");
    let has_trimpath = toolchain.minor_version()? >= FIRST_WITH_TRIMPATH;
    let compile = if has_trimpath { &work.commands.compile } else { &work.commands.compile_before_1_13 };
    compile.program(&places, &format!("compile {}", work.name))?.run_logged(job.log)?;
    swix::elf::require(&job.out().join(&work.name), work.arch)?;

    task.doing("listing its modules");
    let listed = work.commands.list.program(&places, &format!("list the packages in {}", work.name))?.read()?;
    let mut found = modules::of_packages(listed.lines(), &directory, &work.import_path, &gopath[1..])?;
    found.push(toolchain.standard_library()?);
    files::write_atomically(&job.out().join(modules::LIST), serde_json::to_vec_pretty(&found)?)
}
