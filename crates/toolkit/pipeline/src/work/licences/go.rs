//! The licences of a Go program's parts: the component's own in its tree, those of vendored modules beside their source, those
//! of Debian's packages as Debian states them, and Go's own. The linker's table of functions says which directories count.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use common::files;
use sources::Form;

use super::{Collected, Found, dep5, files_of};
use crate::{
    modules::{self, Module},
    step::GoCode,
    work::{Job, fetch, go},
};

pub(super) fn collect(job: &Job, code: &GoCode, collected: &mut Collected) -> Result<()> {
    let program = &collected.work.of;
    let built = job.need(&program.step)?;
    let binary = files::read(&built.join(&program.name))?;
    let packages = swix::elf::go::packages(&program.name, &binary)?.context("it is no Go program")?;
    let source = job.need(&format!("tree-{}", program.component))?.join("src");
    let tree = source.join(&code.import_path);
    let modules = modules::read(&built)?;
    let vendored = Vendored::of(&source, &packages, &modules);

    let own = vendored.of_none.iter().map(|package| source.join(package));
    let found =
        Found { licence: Some(program.license.clone()), ..Found::beside_its_source(files_of::up_to(&tree, own)?) };
    collected.add(&program.itself(), found)?;
    let mut own = modules::of_component(&tree)?;
    own.extend(code.aliases.iter().chain([&code.import_path]).map(ToString::to_string));
    collected.known.own_packages.insert(program.name.clone(), own.into_iter().collect());

    let debian = Debian::of(job, code)?;
    for module in &modules {
        // The linker leaves out what nothing calls, now and then all of a module.
        if module.path != go::STANDARD_LIBRARY && !swix::elf::go::shows(&binary, &packages, &module.path) {
            continue;
        }
        let found = if module.path == go::STANDARD_LIBRARY {
            of_toolchain(&job.need(&format!("unpack-{}", code.toolchain))?)?
        } else if let Some(package) = modules::debian_package(module) {
            debian.copyright(package)?
        } else {
            vendored.found(module)?
        };
        collected.add(module, found)?;
    }
    Ok(())
}

/// Where the vendored modules' code is.
struct Vendored<'a> {
    source: &'a Path,
    /// Directories that hold vendored code, from the top of GOPATH.
    places: BTreeSet<&'a str>,
    /// Path of a module -> its packages in the program.
    of: BTreeMap<&'a str, Vec<&'a str>>,
    /// The component's own packages.
    of_none: Vec<&'a str>,
}

impl<'a> Vendored<'a> {
    fn of(source: &'a Path, packages: &'a BTreeSet<String>, modules: &'a [Module]) -> Self {
        let mut sorted = Vendored { source, places: BTreeSet::new(), of: BTreeMap::new(), of_none: Vec::new() };
        for package in packages {
            let Some((place, path)) = package.rsplit_once("/vendor/") else {
                sorted.of_none.push(package);
                continue;
            };
            sorted.places.insert(place);
            match modules::longest(path, modules.iter().map(|module| module.path.as_str())) {
                Some(module) => sorted.of.entry(module).or_default().push(package),
                None => sorted.of_none.push(package),
            }
        }
        sorted
    }

    fn found(&self, module: &Module) -> Result<Found> {
        let mut files = Vec::new();
        for place in &self.places {
            let top = self.source.join(place).join("vendor").join(&module.path);
            if top.is_dir() {
                let packages = self.of.get(module.path.as_str()).into_iter().flatten();
                files.extend(files_of::up_to(&top, packages.map(|package| self.source.join(package)))?);
            }
        }
        Ok(Found::beside_its_source(files))
    }
}

/// Go's own archive has its licence at the top, Debian's packages have it where every package has it.
fn of_toolchain(unpacked: &Path) -> Result<Found> {
    let mut found = Found::beside_its_source(files_of::in_directory(&go::find_root(unpacked)?)?);
    let packages = unpacked.join("usr/share/doc").read_dir().into_iter().flatten().flatten();
    let mut stated: Vec<PathBuf> = packages.map(|package| package.path().join("copyright")).collect();
    stated.retain(|file| file.is_file());
    stated.sort();
    if let Some(file) = stated.first() {
        found.licence = dep5::stated(&files::read_text(file)?);
        found.remark = Some("Debian's packages of Go".to_owned());
    }
    found.files.extend(stated);
    Ok(found)
}

/// The documents of the Debian packages that a program's libraries are from.
struct Debian {
    roots: Vec<PathBuf>,
}

impl Debian {
    /// Libraries are unpacked without their documents: here they are unpacked with them.
    fn of(job: &Job, code: &GoCode) -> Result<Self> {
        let mut roots = Vec::new();
        for library in &code.libraries {
            let mut fetched = fetch::read(job.entry(&format!("fetch-{library}"))?)?;
            let Form::DebianPackages { root } = &mut fetched.form else { continue };
            *root = None;
            let to = job.workshop.scratch().join(&**library);
            if !to.is_dir() {
                sources::unpack(&fetched, job.engine.fetcher.store(), &to)?;
            }
            roots.push(to);
        }
        Ok(Debian { roots })
    }

    fn copyright(&self, package: &str) -> Result<Found> {
        let mut places = self.roots.iter().map(|root| root.join("usr/share/doc").join(package).join("copyright"));
        let Some(file) = places.find(|file| file.is_file()) else {
            bail!("Debian's package {package} has no copyright file")
        };
        let text = files::read_text(&file)?;
        Ok(Found { licence: dep5::stated(&text), ..Found::in_debian_package(package, file) })
    }
}
