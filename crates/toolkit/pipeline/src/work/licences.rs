//! The licences and notices of everything whose code is in the programs: MIT, BSD and ISC want their text beside the
//! binary, Apache its NOTICE. One file for each distinct text, and an index from program to part to text.
//!
//! The output is `image/`, which goes into the image, the same as one text for dist/, and `licences.json`, of which the
//! bill of materials is made. What has no text is an error with its name, unless a recipe says whose text it has and why.
//! Texts that only name one in Debian's /usr/share/common-licenses have that one with them.

mod common_licenses;
mod dep5;
mod expression;
mod files_of;
mod go;
mod rust;
mod spdx;
mod texts;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result, bail};
use common::files;
use serde::{Deserialize, Serialize};

use self::texts::{TEXTS, Texts};
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

/// What is of this repository is under it.
const OWN: &str = env!("CARGO_PKG_LICENSE");

/// Stands in an expression for what has none: what is meant is in [`PLACE`].
const WITHOUT_EXPRESSION: &str = "LicenseRef-kubernetes-on-eos-licences";

/// What a part of a program is under.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Notice {
    /// The program that it is in.
    program: String,
    #[serde(flatten)]
    pub(crate) module: Module,
    /// SPDX expression, where its makers state one, or its texts are known.
    pub(crate) licence: Option<String>,
    /// The expression is what its texts come to, and stated by nobody.
    pub(crate) by_texts: bool,
    /// Where its text is from, if not from beside its source.
    remark: Option<String>,
    /// Names of files in `texts/`.
    texts: Vec<String>,
}

pub(crate) use self::{expression::all_of, rust::stated};

/// The step's output as the bill of materials uses it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Known {
    notices: Vec<Notice>,
    /// Program -> import paths of the component's own packages.
    pub(crate) own_packages: BTreeMap<String, Vec<String>>,
    /// Name in Debian's /usr/share/common-licenses -> name of a file in `texts/`.
    common: BTreeMap<String, String>,
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

    /// What all of it is under, and what is around it, as one SPDX expression.
    pub(crate) fn expression(&self) -> String {
        let all = self.notices.iter().map(|notice| notice.licence.as_deref().unwrap_or(WITHOUT_EXPRESSION));
        expression::all_of(all.chain([OWN]))
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
    detector: spdx::Detector,
}

impl<'a> Collected<'a> {
    fn new(work: &'a ProgramLicences) -> Self {
        let (known, texts) = (Known::default(), Texts::default());
        Collected { work, known, texts, detector: spdx::Detector::new() }
    }

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
        let by_texts = found.licence.is_none();
        if by_texts {
            found.licence = self.by_texts(&found.files)?;
        }
        let mut names = Vec::new();
        for file in &found.files {
            let text = texts::read(file)?;
            for named in dep5::only_named(&text) {
                names.push(self.common(named).with_context(|| format!("the text of {} is not whole", module.purl))?);
            }
            names.push(self.texts.keep(&text));
        }
        names.sort();
        names.dedup();
        let (program, module, by_texts) = (program.name.clone(), module.clone(), by_texts && found.licence.is_some());
        let notice = Notice { program, module, licence: found.licence, by_texts, remark: found.remark, texts: names };
        self.known.notices.push(notice);
        Ok(())
    }

    /// What these texts come to, where all of them are known.
    fn by_texts(&self, files: &[PathBuf]) -> Result<Option<String>> {
        let licences = files.iter().filter(|file| !files_of::is_remark(file) && !files_of::is_of_documents(file));
        let texts = licences.map(|file| texts::read(file)).collect::<Result<Vec<_>>>()?;
        Ok(self.detector.of_all(texts.iter().map(String::as_str)))
    }

    /// Keeps the text of that name in Debian's /usr/share/common-licenses, and says what its file is called.
    fn common(&mut self, named: &str) -> Result<String> {
        let text = common_licenses::text(named);
        let text = text.with_context(|| {
            format!(
                "it names {}{named}, which is none of those that are known: put it among the texts of pipeline/src/work/licences/common_licenses",
                common_licenses::PLACE
            )
        })?;
        let name = self.texts.keep(text);
        self.known.common.insert(named.to_owned(), name.clone());
        Ok(name)
    }
}

/// `index.txt`.
fn index(version: &str, known: &Known) -> String {
    let mut index = format!(
        "Licences and notices of what is in the programs of kubernetes-on-eos {version}.\n\
         A line for each part: its name, its version, its licence as an SPDX expression where its makers state one or its\n\
         texts come to one, and the texts that come with it. Where a text of Debian's only names one of\n\
         {}, that one is among the texts of the same line:\n",
        common_licenses::PLACE
    );
    for (name, text) in &known.common {
        index += &format!("{name} is {TEXTS}/{text}.\n");
    }
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

pub(crate) fn of_program(job: &Job, work: &ProgramLicences) -> Result<()> {
    let _task = job.busy();
    let mut collected = Collected::new(work);
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
    for step in &work.steps {
        let of = of(job, step)?;
        for name in of.notices.iter().flat_map(|notice| &notice.texts) {
            texts.keep(&texts::read(&job.need(step)?.join(TEXTS).join(name))?);
        }
        known.common.extend(of.common);
        known.notices.extend(of.notices);
        known.own_packages.extend(of.own_packages);
    }
    let (index, image) = (index(&work.version, &known), job.out().join(IMAGE));
    texts.write(&image)?;
    files::write_atomically(&image.join("index.txt"), &index)?;
    files::write_atomically(&job.out().join(&work.file_name), texts.in_one(&index))?;
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
    use std::{fs, path::Path};

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
        let mut collected = Collected::new(&work);
        let texts = [("one", "\u{feff}MIT, of A \r\n"), ("two", "MIT, of A\n\n"), ("three", "MIT, of B\n")];
        for (name, text) in texts {
            let file = directory.path().join(format!("LICENSE-{name}"));
            fs::write(&file, text).unwrap();
            let found = Found { licence: Some("MIT".into()), ..Found::beside_its_source(vec![file]) };
            collected.add(&module(name), found).unwrap();
        }
        assert_eq!(collected.texts.names().count(), 2);
        let index = index("1.20.2", &collected.known);
        let line =
            |name: &str| index.lines().find_map(|line| line.strip_prefix(&format!("  {name} 1.0.0 (MIT): texts/")));
        assert_eq!(line("one"), line("two"));
        assert_ne!(line("one"), line("three"));
        let in_one = collected.texts.in_one(&index);
        assert!(in_one.starts_with(&index) && in_one.contains("\nMIT, of A\n") && in_one.contains("\nMIT, of B\n"));
    }

    #[test]
    fn what_comes_without_a_text_is_named_unless_a_recipe_says_whose_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let work = work(directory.path());
        let mut collected = Collected::new(&work);
        collected.add(&module("kube"), Found::beside_its_source(vec![])).unwrap();
        assert!(collected.texts.in_one("").ends_with(&format!("\n\n{APACHE}")));
        let index = index("1.20.2", &collected.known);
        assert!(index.contains("  kube 1.0.0 [it has none]: texts/"), "{index}");
        fs::write(directory.path().join("NOTICE"), "of A").unwrap();
        let notice = Found::beside_its_source(vec![directory.path().join("NOTICE")]);
        let error = collected.add(&module("other"), notice).unwrap_err().to_string();
        let expected = "pkg:cargo/other@1.0.0 in proxy comes without a licence's text";
        assert!(error.starts_with(expected) && error.contains("[[licence-text]] of kube-proxy's recipe"), "{error}");
    }
}
