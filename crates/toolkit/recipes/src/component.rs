//! A component: one upstream project, how its tree is made ready, and the programs built from it. Its strings may have
//! placeholders: see [`crate::placeholders`].

use std::{collections::BTreeMap, path::PathBuf};

use common::Arch;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::{
    origin::{Origin, Source},
    text::{Commit, Name, RelativePath},
};

/// A component whose file has been checked.
#[derive(Debug, Clone, Serialize)]
pub struct Component {
    pub source: Option<Source>,
    pub name: Name,
    pub version: String,
    /// SPDX expression.
    pub license: String,
    /// Package URL, for the bill of materials.
    pub purl: String,
    pub tree: TreeRecipe,
    pub programs: Vec<ProgramRecipe>,
    pub images: Vec<ImageRecipe>,
    pub licence_texts: Vec<LicenceText>,
    pub suite: Option<Suite>,
}

/// Upstream's own end-to-end suite, out of the same tree as the programs. Nothing of it goes into the image or into dist/, and it
/// is built only where somebody asks for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The directory of the tests: the patches leave it as it is in the source's archive.
    pub tests: RelativePath,
    /// The directory below it with what images for tests are made of.
    pub images: RelativePath,
    /// Writes the only file that is added to the tests, as `{scratch}/` and the file's own name.
    pub generate: Prepare,
    #[serde(rename = "program")]
    pub programs: Vec<ProgramRecipe>,
    /// Programs of the release that images for tests have, too.
    #[serde(default)]
    pub also: Vec<Name>,
}

/// The licence's text of crates or modules that come without one.
#[derive(Debug, Clone, Serialize)]
pub struct LicenceText {
    /// Their names.
    pub of: Vec<String>,
    pub file: PathBuf,
    /// Why it is theirs: it stands beside them in the list of licences.
    pub reason: String,
}

/// How the tree is made from the source.
#[derive(Debug, Clone, Default, Serialize)]
pub struct TreeRecipe {
    /// Patch files in the order in which they are applied.
    pub patches: Vec<PathBuf>,
    /// The import path that the tree stands for in GOPATH.
    pub import_path: Option<RelativePath>,
    /// Other import paths of the same tree: links to it.
    pub aliases: Vec<RelativePath>,
    pub prepare: Vec<Prepare>,
}

/// A Go generator to run in the patched tree before anything is compiled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Prepare {
    pub toolchain: Name,
    /// The package of the generator, an import path or a path below the tree.
    pub package: String,
    /// `{scratch}` stands for a directory for what is not kept.
    pub args: Vec<String>,
    /// Files that must be there afterwards.
    pub makes: Vec<RelativePath>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "ProgramFile")]
pub struct ProgramRecipe {
    pub name: Name,
    /// Where it is put in the image; a program without is made for something else (an image archive, dist/).
    pub install: Option<Install>,
    /// Built for this architecture instead of the switch's and put into dist/: for the operator's own machine.
    pub operator: Option<Arch>,
    pub build: Build,
    /// What is run once as part of the build.
    pub checks: Vec<Check>,
}

/// A program as it is written: `[program.go]` or `[program.rust]` says how it is built.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProgramFile {
    name: Name,
    install: Option<Install>,
    operator: Option<Arch>,
    go: Option<Go>,
    rust: Option<Rust>,
    #[serde(default)]
    check: Vec<Check>,
}

impl TryFrom<ProgramFile> for ProgramRecipe {
    type Error = String;

    fn try_from(file: ProgramFile) -> Result<Self, String> {
        let build = match (file.go, file.rust) {
            (Some(go), None) => Build::Go(go),
            (None, Some(rust)) => Build::Rust(rust),
            _ => return Err(format!("program {} needs exactly one of [program.go] and [program.rust]", file.name)),
        };
        if file.check.is_empty() {
            return Err(format!("program {} has no [[program.check]]: every program is run once", file.name));
        }
        if let Some(check) = file.check.iter().find(|check| check.version && check.prints.contains('\n')) {
            let message = "a check with `version = true` prints one line, and it is compared whole";
            return Err(format!("program {}: {message}; found {:?}", file.name, check.prints));
        }
        Ok(ProgramRecipe { name: file.name, install: file.install, operator: file.operator, build, checks: file.check })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    pub path: RelativePath,
    /// Names in the same image that are links to it.
    #[serde(default)]
    pub links: Vec<RelativePath>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Build {
    Go(Go),
    Rust(Rust),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Go {
    pub toolchain: Name,
    /// The import path of the main package.
    pub package: String,
    /// Toolchains (trees) whose directories come into GOPATH after the component's own.
    #[serde(default)]
    pub libraries: Vec<Name>,
    #[serde(default)]
    pub tags: Vec<String>,
    /// The version of the language that all but the standard library is read as, `1.19`: a newer compiler would give loops
    /// another meaning. Go before 1.13 is not told.
    pub language: Option<String>,
    /// Variables that the linker sets: `-X name=value`.
    #[serde(default)]
    pub stamps: BTreeMap<String, String>,
    /// The program is the package's tests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rust {
    pub toolchain: Name,
    /// The workspace's package, and the name of its program.
    pub package: Name,
}

/// A run of a program that proves it, with what it must print.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The name it is called by; the program's own if not given.
    pub called: Option<Name>,
    /// `{scratch}` stands for an empty directory.
    pub args: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub prints: String,
    /// Whether the installed program can be asked the same on the switch or by `inspect`: a version.
    #[serde(default)]
    pub version: bool,
}

/// A container image made of one static program, as an archive that `docker load` takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecipe {
    pub program: Name,
    /// Repository and tag.
    pub tag: String,
    pub install: RelativePath,
}

/// A component's file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ComponentFile {
    pub(crate) name: Name,
    pub(crate) version: String,
    /// What `{commit}` stands for.
    #[expect(dead_code, reason = "read before the rest of the file is")]
    pub(crate) commit: Option<Commit>,
    pub(crate) license: String,
    pub(crate) purl: String,
    #[serde(default)]
    pub(crate) markers: Vec<RelativePath>,
    pub(crate) patches: Option<PatchesFile>,
    pub(crate) import_path: Option<RelativePath>,
    #[serde(default)]
    pub(crate) aliases: Vec<RelativePath>,
    #[serde(default)]
    pub(crate) origin: Vec<Origin>,
    #[serde(default)]
    pub(crate) prepare: Vec<Prepare>,
    pub(crate) stamps: Option<StampsFile>,
    pub(crate) program: Vec<Spanned<ProgramRecipe>>,
    #[serde(default)]
    pub(crate) image: Vec<Spanned<ImageRecipe>>,
    #[serde(default)]
    pub(crate) licence_text: Vec<LicenceTextFile>,
    pub(crate) suite: Option<Spanned<Suite>>,
}

/// `file` is relative to the recipe file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LicenceTextFile {
    pub(crate) of: Vec<String>,
    pub(crate) file: Spanned<String>,
    pub(crate) reason: String,
}

/// Variables that the linker sets in every Go program of the component: each of these in each of the packages.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StampsFile {
    pub(crate) packages: Vec<String>,
    pub(crate) set: BTreeMap<String, String>,
}

impl StampsFile {
    /// What a program stamps itself stays.
    pub(crate) fn stamp(&self, program: &mut ProgramRecipe) {
        let Build::Go(go) = &mut program.build else { return };
        for package in &self.packages {
            for (name, value) in &self.set {
                go.stamps.entry(format!("{package}.{name}")).or_insert_with(|| value.clone());
            }
        }
    }
}

/// `directory` is relative to the recipe file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchesFile {
    pub(crate) directory: String,
    pub(crate) series: Vec<Spanned<String>>,
}
