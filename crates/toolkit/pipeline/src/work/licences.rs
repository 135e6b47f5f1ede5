//! The licences and notices of everything whose code is in the programs: MIT, BSD and ISC want their text beside the
//! binary, Apache its NOTICE. One file for each distinct text, and an index from program to part to text.
//!
//! The output is `image/`, which goes into the image, the same as one text for dist/, and `licences.json`, of which the
//! bill of materials is made. What has no text is an error with its name, unless a recipe says whose text it has and why.

mod dep5;
mod files_of;
mod go;
mod rust;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use common::{Sha256, files};
use serde::{Deserialize, Serialize};

use crate::{
    modules::Module,
    step::{Code, Licences, LicencesOf, ProgramLicences},
    work::Job,
};

/// The step that puts together what the steps `licences-<program>` have found.
pub(crate) const STEP: &str = "licences";

/// Below the step's output: what goes into the image.
pub(crate) const IMAGE: &str = "image";

/// Its place in the image.
pub(crate) const PLACE: &str = "share/kubernetes-on-eos/licences";

const KNOWN: &str = "licences.json";
const TEXTS: &str = "texts";

/// What a part of a program is under.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// The program that it is in.
    program: String,
    #[serde(flatten)]
    pub(crate) module: Module,
    /// SPDX expression, where its makers state one.
    pub(crate) licence: Option<String>,
    /// Where its text is from, if not from beside its source.
    remark: Option<String>,
    /// Names of files in `texts/`.
    texts: Vec<String>,
}

pub(crate) use rust::stated;

/// The step's output as the bill of materials uses it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    notices: Vec<Notice>,
    /// Program -> import paths of the component's own packages.
    pub(crate) own_packages: BTreeMap<String, Vec<String>>,
}

/// What is found for one part.
struct Found {
    licence: Option<String>,
    remark: Option<String>,
    files: Vec<PathBuf>,
}

impl Found {
    fn beside_its_source(files: Vec<PathBuf>) -> Self {
        Found { licence: None, remark: None, files }
    }

    fn in_debian_package(package: &str, file: PathBuf) -> Self {
        Found { licence: None, remark: Some(format!("Debian's package {package}")), files: vec![file] }
    }
}

impl Known {
    /// What is in a program, the component itself first.
    pub(crate) fn notices_of(&self, program: &str) -> impl Iterator<Item = &Notice> {
        self.notices.iter().filter(move |notice| notice.program == program)
    }
}

impl LicencesOf {
    /// The component, as a part of its program.
    fn itself(&self) -> Module {
        let (path, version) = (self.component.clone(), Some(self.version.clone()));
        Module { path, version, purl: self.purl.clone() }
    }
}

/// What has been collected for a program.
struct Collected<'a> {
    work: &'a ProgramLicences,
    known: Known,
    texts: Texts,
}

impl Collected<'_> {
    fn add(&mut self, module: &Module, mut found: Found) -> Result<()> {
        let program = &self.work.of;
        if found.files.iter().all(|file| files_of::is_remark(file)) {
            let mut given = self.work.given.iter();
            let Some(given) = given.find(|given| given.of.contains(&module.path)) else {
                bail!(
                    "{} in {} comes without a licence's text: find out what it is under, and name the text in a [[licence-text]] of {}'s recipe",
                    module.purl,
                    program.name,
                    program.component
                );
            };
            found.files.push(given.file.path.clone());
            found.remark = Some(given.reason.clone());
        }
        let mut texts = found.files.iter().map(|file| self.texts.keep(file)).collect::<Result<Vec<_>>>()?;
        texts.sort();
        texts.dedup();
        let (program, module) = (program.name.clone(), module.clone());
        let notice = Notice { program, module, licence: found.licence, remark: found.remark, texts };
        self.known.notices.push(notice);
        Ok(())
    }
}

/// Texts by the names of their files.
#[derive(Default)]
struct Texts(BTreeMap<String, String>);

impl Texts {
    /// Keeps a text, and says what its file is called.
    fn keep(&mut self, file: &Path) -> Result<String> {
        let text = normal(&String::from_utf8_lossy(&files::read(file)?));
        let name = format!("{}.txt", Sha256::of_bytes(&text).short());
        self.0.insert(name.clone(), text);
        Ok(name)
    }

    fn write(&self, to: &Path) -> Result<()> {
        self.0.iter().try_for_each(|(name, text)| files::write_atomically(&to.join(TEXTS).join(name), text))
    }
}

/// `index.txt`, with the text that we are under in the file `own`.
fn index(version: &str, own: &str, known: &Known) -> String {
    let mut index = format!(
        "Licences and notices of what is in the programs of kubernetes-on-eos {version}.\n\
         A line for each part: its name, its version, its licence where its makers state it as an SPDX expression, and\n\
         the texts that come with it. Where a text of Debian's names /usr/share/common-licenses/Apache-2.0, that is the\n\
         text that kubernetes-on-eos is under: {TEXTS}/{own}.\n"
    );
    let mut before = "";
    for notice in &known.notices {
        if notice.program != before {
            index += &format!("\n{}\n", notice.program);
            before = &notice.program;
        }
        let version = notice.module.version.iter().map(|version| format!(" {version}"));
        let licence = notice.licence.iter().map(|licence| format!(" ({licence})"));
        let remark = notice.remark.iter().map(|remark| format!(" [{remark}]"));
        let said: String = version.chain(licence).chain(remark).collect();
        let texts: String = notice.texts.iter().map(|name| format!(" {TEXTS}/{name}")).collect();
        index += &format!("  {}{said}:{texts}\n", notice.module.path);
    }
    index
}

/// The index and every text in one file.
fn in_one(index: &str, texts: &Texts) -> String {
    let line = "-".repeat(79);
    let texts = texts.0.iter().map(|(name, text)| format!("\n{line}\n{TEXTS}/{name}\n{line}\n\n{text}"));
    index.to_owned() + &texts.collect::<String>()
}

/// The same text however its lines end.
fn normal(text: &str) -> String {
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().map(str::trim_end).collect();
    lines.join("\n").trim_matches('\n').to_owned() + "\n"
}

pub(crate) fn of_program(job: &Job, work: &ProgramLicences) -> Result<()> {
    let _task = job.busy();
    let mut collected = Collected { work, known: Known::default(), texts: Texts::default() };
    let done = match &work.of.code {
        Code::Go(code) => go::collect(job, code, &mut collected),
        Code::Rust(code) => rust::collect(job, code, &mut collected),
    };
    done.with_context(|| format!("the licences of what is in {} cannot be put together", work.of.name))?;
    collected.texts.write(&job.out())?;
    files::write_atomically(&job.out().join(KNOWN), serde_json::to_vec_pretty(&collected.known)?)
}

pub(crate) fn together(job: &Job, work: &Licences) -> Result<()> {
    let (mut known, mut texts) = (Known::default(), Texts::default());
    let own = texts.keep(&work.own.path)?;
    for step in &work.steps {
        let of = of(job, step)?;
        for name in of.notices.iter().flat_map(|notice| &notice.texts) {
            texts.keep(&job.need(step)?.join(TEXTS).join(name))?;
        }
        known.notices.extend(of.notices);
        known.own_packages.extend(of.own_packages);
    }
    let (index, image) = (index(&work.version, &own, &known), job.out().join(IMAGE));
    texts.write(&image)?;
    files::write_atomically(&image.join("index.txt"), &index)?;
    files::write_atomically(&job.out().join(&work.file_name), in_one(&index, &texts))?;
    files::write_atomically(&job.out().join(KNOWN), serde_json::to_vec_pretty(&known)?)
}

fn of(job: &Job, step: &str) -> Result<Known> {
    let file = job.need(step)?.join(KNOWN);
    serde_json::from_slice(&files::read(&file)?).with_context(|| format!("{} cannot be understood", file.display()))
}

/// What was found out of all programs, for a step that needs it.
pub(crate) fn read(job: &Job) -> Result<Known> {
    of(job, STEP)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::step::{CommandLine, GivenLicence, InputFile, RustCode};

    const APACHE: &str = "Apache License\n";

    fn work(directory: &Path) -> ProgramLicences {
        fs::write(directory.join("LICENSE"), APACHE).unwrap();
        let own = InputFile::new("LICENSE", &directory.join("LICENSE")).unwrap();
        let given = GivenLicence { of: vec!["kube".into()], file: own.clone(), reason: "it has none".into() };
        let of = |text: &str| text.to_owned();
        let code = Code::Rust(RustCode { toolchain: of("rust"), fetch: CommandLine::new("/", ["cargo"]) });
        let (name, step, component) = (of("proxy"), of("rust-proxy"), of("kube-proxy"));
        let (version, license, purl) = (of("0.1.0"), of("MIT"), of("pkg:generic/p"));
        let of = LicencesOf { name, step, component, version, license, purl, code };
        ProgramLicences { of, own, given: vec![given], workspace: directory.to_owned() }
    }

    fn module(name: &str) -> Module {
        Module { path: name.into(), version: Some("1.0.0".into()), purl: format!("pkg:cargo/{name}@1.0.0") }
    }

    #[test]
    fn a_text_is_kept_once_whoever_it_is_of_and_however_its_lines_end() {
        let directory = tempfile::tempdir().unwrap();
        let work = work(directory.path());
        let mut collected = Collected { work: &work, known: Known::default(), texts: Texts::default() };
        let texts = [("one", "\u{feff}MIT, of A \r\n"), ("two", "MIT, of A\n\n"), ("three", "MIT, of B\n")];
        for (name, text) in texts {
            let file = directory.path().join(format!("LICENSE-{name}"));
            fs::write(&file, text).unwrap();
            let found = Found { licence: Some("MIT".into()), ..Found::beside_its_source(vec![file]) };
            collected.add(&module(name), found).unwrap();
        }
        assert_eq!(collected.texts.0.len(), 2);
        let index = index("1.20.2", "own.txt", &collected.known);
        let line =
            |name: &str| index.lines().find_map(|line| line.strip_prefix(&format!("  {name} 1.0.0 (MIT): texts/")));
        assert_eq!(line("one"), line("two"));
        assert_ne!(line("one"), line("three"));
        assert_eq!(collected.texts.0[line("one").unwrap()], "MIT, of A\n");
        assert!(in_one(&index, &collected.texts).contains("\nMIT, of B\n") && index.contains("under: texts/own.txt."));
    }

    #[test]
    fn what_comes_without_a_text_is_named_unless_a_recipe_says_whose_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let work = work(directory.path());
        let mut collected = Collected { work: &work, known: Known::default(), texts: Texts::default() };
        collected.add(&module("kube"), Found::beside_its_source(vec![])).unwrap();
        assert_eq!(collected.texts.0.values().collect::<Vec<_>>(), [APACHE]);
        let index = index("1.20.2", "own.txt", &collected.known);
        assert!(index.contains("  kube 1.0.0 [it has none]: texts/"), "{index}");
        fs::write(directory.path().join("NOTICE"), "of A").unwrap();
        let notice = Found::beside_its_source(vec![directory.path().join("NOTICE")]);
        let error = collected.add(&module("other"), notice).unwrap_err().to_string();
        let expected = "pkg:cargo/other@1.0.0 in proxy comes without a licence's text";
        assert!(error.starts_with(expected) && error.contains("[[licence-text]] of kube-proxy's recipe"), "{error}");
    }
}
