//! Cross-compiles one Go program in GOPATH mode: static, stripped, with no path of this machine in it.
//!
//! The output is `<program>` and `modules.json`: the modules whose packages the program is made of.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use common::{Arch, command::Program, files};
use recipes::Name;

use crate::{
    modules::{self, Module},
    step::GoBuild,
    work::Job,
};

/// The first minor version of Go 1 that has `go build -trimpath`.
const FIRST_WITH_TRIMPATH: u32 = 13;

/// Where `unpack-<name>` and `tree-<name>` steps put what a Go build uses.
pub(crate) struct Toolchain {
    root: PathBuf,
    cache: PathBuf,
}

impl Toolchain {
    pub(crate) fn of(job: &Job, name: &Name) -> Result<Self> {
        let entry = job.entry(&format!("unpack-{name}"))?;
        // One compiler's results never meet another's.
        let cache = job.engine.cache.root().join("go-build").join(entry.meta.key.short());
        files::create_dir(&cache)?;
        Ok(Toolchain { root: find_root(&entry.out())?, cache })
    }

    /// The `go` command, for programs of `arch` in the packages below `gopath`.
    pub(crate) fn command(&self, gopath: &[PathBuf], arch: Arch, purpose: &str) -> Result<Program> {
        Ok(self
            .native(gopath, purpose)?
            .env("CGO_ENABLED", "0")
            .env("GOOS", "linux")
            .env("GOARCH", arch.goarch())
            // Debian's Go has another default, for processors that EOS never ran on.
            .env("GO386", "sse2")
            // Go before 1.13 writes where its own source is into every program; this is where its makers put it.
            .env("GOROOT_FINAL", "/usr/local/go"))
    }

    /// The `go` command for programs that run here, with the standard library that comes compiled.
    pub(crate) fn native(&self, gopath: &[PathBuf], purpose: &str) -> Result<Program> {
        self.around(&self.root.join("bin/go"), gopath, purpose)
    }

    /// The arguments that keep this machine's directories out of a program.
    fn without_paths(&self, gopath: &Path) -> Result<Vec<String>> {
        if self.minor_version()? >= FIRST_WITH_TRIMPATH {
            return Ok(vec!["-trimpath".to_owned()]);
        }
        let trim = format!("all=-trimpath={}", gopath.join("src").display());
        Ok(vec![format!("-gcflags={trim}"), format!("-asmflags={trim}")])
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

    /// What every Go program is made of besides its packages, by the name that vulnerability databases use.
    fn standard_library(&self) -> Result<Module> {
        let version = self.version()?;
        Ok(Module { path: "stdlib".to_owned(), purl: format!("pkg:golang/stdlib@{version}"), version: Some(version) })
    }

    /// A program that finds this toolchain and these packages around it.
    pub(crate) fn around(&self, program: &Path, gopath: &[PathBuf], purpose: &str) -> Result<Program> {
        let gopath =
            std::env::join_paths(gopath).context("a directory's name has a colon in it: set KOE_CACHE to another")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.root.join("bin")).chain(std::env::split_paths(&path));
        Ok(Program::new(program, purpose)?
            .clean_env()
            .env("PATH", std::env::join_paths(path).context("PATH cannot be used")?)
            .env("GOROOT", &self.root)
            .env("GOPATH", gopath)
            .env("GOCACHE", &self.cache)
            .env("GOENV", "off")
            .env("GO111MODULE", "off")
            .env("GOPROXY", "off")
            .env("GOFLAGS", ""))
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
    Ok(directories)
}

pub(crate) fn run(job: &Job, work: &GoBuild) -> Result<()> {
    let task = job.busy();
    let toolchain = Toolchain::of(job, &work.go.toolchain)?;
    let gopath = gopath(job, &work.component, &work.go.libraries)?;
    let directory = gopath[0].join("src").join(&work.import_path);
    // Go before 1.13 knows no commas, and later ones still take spaces.
    let tags = work.go.tags.join(" ");

    task.doing("compiling");
    let program = job.out().join(&work.name);
    toolchain
        .command(&gopath, work.arch, &format!("compile {}", work.name))?
        .arg("build")
        .args(toolchain.without_paths(&gopath[0])?)
        .args(["-tags", &tags, "-ldflags", &linker_flags(work), "-o"])
        .arg(&program)
        .arg(&work.go.package)
        .dir(&directory)
        .run_logged(job.log)?;
    swix::elf::require(&program, work.arch)?;

    task.doing("listing its modules");
    let listed = toolchain
        .command(&gopath, work.arch, &format!("list the packages in {}", work.name))?
        .args(["list", "-deps", "-tags", &tags, "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", &work.go.package])
        .dir(&directory)
        .read()?;
    let mut found = modules::of_packages(listed.lines(), &directory, &work.import_path, &gopath[1..])?;
    found.push(toolchain.standard_library()?);
    files::write_atomically(&job.out().join("modules.json"), serde_json::to_vec_pretty(&found)?)?;
    copy_licences(&directory, &job.out().join("licences"))
}

fn linker_flags(work: &GoBuild) -> String {
    let stamps = work.go.stamps.iter().map(|(variable, value)| format!(" -X {variable}={value}"));
    format!("-s -w -buildid={}", stamps.collect::<String>())
}

/// The project's own licence and notice go along with its programs.
fn copy_licences(tree: &Path, to: &Path) -> Result<()> {
    for name in ["LICENSE", "NOTICE"] {
        let file = tree.join(name);
        if file.is_file() {
            files::copy_atomically(&file, &to.join(name))?;
        }
    }
    Ok(())
}
