//! `audit`: what is known of vulnerabilities in what a build published, and whether what the project says of them holds.

mod prove;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use ::audit::{
    bill::Bill, evidence::Evidence, judgement, judgement::Judgement, osv, statements, status, table::Table, vex,
};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use common::{Sha256, files};
use pipeline::plan::named_by_patches;
use provenance::statement::Statement;
use swix::{dist, elf, inspect};

use crate::{progress, workspace::workspace};

/// Where the table of vulnerabilities and the statements are.
const SECURITY: &str = "security";

/// What people read.
const STATUS: &str = "docs/security-status.md";

#[derive(Args)]
pub struct Audit {
    /// What a build published: the newest SWIX there, with its bill of materials and its provenance [default: dist/]
    #[arg(value_name = "DIR", default_value_os_t = workspace().join("dist"), hide_default_value = true)]
    pub dist: PathBuf,
    /// Vulnerabilities that came later than this repository's table: a file in OSV's format, or a directory of them
    #[arg(long, value_name = "FILE|DIR")]
    pub osv: Vec<PathBuf>,
    /// Write docs/security-status.md, in the place of comparing it
    #[arg(long, conflicts_with = "osv")]
    pub write: bool,
    /// Print each vulnerability that it has with what is said of it
    #[arg(long)]
    pub list: bool,
    /// In the place of all that, show of what is fixed that the tests of its patch fail without the patch and pass with it, into
    /// dist/prove/: a CVE, may be given again, or `all`
    #[arg(long, value_name = "CVE", conflicts_with_all = ["dist", "osv", "write", "list"])]
    pub prove: Vec<String>,
    /// With --prove: of this release [default: the one that the recipes say]
    #[arg(long, value_name = "NAME", requires = "prove")]
    pub release: Option<String>,
    /// With --prove: use what is in the cache and nothing else
    #[arg(long, requires = "prove")]
    pub offline: bool,
}

/// What is said of a release.
fn statements_of(release: &str) -> Result<Vec<statements::Statement>> {
    let directory = workspace().join(SECURITY).join("statements").join(release);
    ensure!(
        directory.is_dir(),
        "nothing is said of vulnerabilities in release {release}: {} is not there",
        directory.display()
    );
    statements::read(&directory)
}

/// What a build published, as far as it is audited.
struct Built {
    release: String,
    bill: Bill,
    evidence: Evidence,
    /// The patches that were applied, by component and file, with the digest of each.
    applied: BTreeMap<String, Sha256>,
    /// The statements as they were published.
    vex: Option<String>,
}

impl Audit {
    pub fn run(self) -> Result<()> {
        if !self.prove.is_empty() {
            return prove::run(&self.prove, self.release, self.offline);
        }
        let mut built = Built::read(&self.dist)?;
        let mut table = Table::read(&workspace().join(SECURITY).join("vulnerabilities"))?;
        for given in &self.osv {
            table.add_given(osv::read(given)?);
        }
        let said = statements_of(&built.release)?;
        built.evidence.patches = applied_as_they_are(&built)?;
        let judged = judgement::judge(&built.bill, &table, &said, &built.evidence);
        if self.list {
            print(&judged);
        }
        let mut problems = judged.problems.clone();
        if self.osv.is_empty() {
            problems.extend(published(&built, &table, &judged)?);
            problems.extend(status_of_docs(&built, &table, &judged, self.write)?);
        }
        summary(&table, &judged);
        for problem in &problems {
            eprintln!("  {problem}");
        }
        match problems.len() {
            0 => Ok(()),
            1 => bail!("one thing is wrong with what is said of vulnerabilities"),
            many => bail!("{many} things are wrong with what is said of vulnerabilities"),
        }
    }
}

impl Built {
    fn read(dist: &Path) -> Result<Self> {
        let swix = dist::newest_swix(dist)?;
        let beside = |ending: &str| swix.with_extension(ending);
        let provenance = beside(provenance::STATEMENT.trim_start_matches('.'));
        let statement = Statement::from_json(&files::read(&provenance)?)
            .map_err(|error| anyhow::anyhow!("{}: {error}", provenance.display()))?;
        for file in [swix.clone(), beside("cdx.json")] {
            of_this_build(&file, &statement)?;
        }
        let progress = progress::for_stderr();
        let (report, image) = inspect::with_image(&swix, &*progress)?;
        let mut evidence = Evidence { workspace: workspace(), ..Evidence::default() };
        let mut programs: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (path, bytes) in image {
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            if elf::is_elf(&bytes) {
                programs.insert(name, bytes);
            } else if path.starts_with("units/") {
                evidence.units.insert(name, String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        let bill_file = files::read(&beside("cdx.json"))?;
        let shown = swix::bill::Bill::read(&bill_file)?;
        // What is for operators is beside the SWIX. What runs in a container only is in an image of its own, and nothing is said of it.
        for name in shown.programs().filter(|name| !programs.contains_key(*name)).collect::<Vec<_>>() {
            if let Some(file) = dist::program(dist, name, "linux-amd64") {
                of_this_build(&file, &statement)?;
                programs.insert(name.to_owned(), files::read(&file)?);
            }
        }
        for (name, bytes) in &programs {
            if let Some(program) = ::audit::evidence::Program::read(name, bytes)? {
                evidence.programs.insert(name.clone(), program);
            }
        }
        let vex = beside(vex::ENDING);
        let vex = vex.is_file().then(|| files::read_text(&vex)).transpose()?;
        let (release, applied) = (report.release.name, applied(&statement));
        Ok(Built { release, bill: Bill::read(&bill_file)?, evidence, applied, vex })
    }
}

/// Holds a file against the digest that the provenance has of it.
fn of_this_build(file: &Path, statement: &Statement) -> Result<()> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let known = statement.subject.iter().find(|subject| subject.name == name).and_then(|subject| subject.sha256());
    let found = Sha256::of_file(file).with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(known == Some(found), "{} is of another build than the provenance beside it: build again", file.display());
    Ok(())
}

/// The patches that were applied, by component and file.
fn applied(statement: &Statement) -> BTreeMap<String, Sha256> {
    let steps = &statement.predicate.build_definition.internal_parameters.steps;
    let trees = steps
        .iter()
        .filter_map(|step| Some((step.name.strip_prefix("tree-")?, step.work["tree"]["patches"].as_array()?)));
    let names = trees.flat_map(|(component, patches)| {
        patches.iter().filter_map(move |patch| {
            Some((format!("{component}/{}", patch["name"].as_str()?), patch["sha256"].as_str()?.parse().ok()?))
        })
    });
    names.collect()
}

/// The patches of the recipes' series that the build has applied, as they are now, with what each names.
fn applied_as_they_are(built: &Built) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let release = recipes::load(&workspace().join("recipes"), Some(&built.release))?;
    let mut digests = BTreeMap::new();
    for component in &release.components {
        for path in &component.tree.patches {
            let name = format!("{}/{}", component.name, path.file_name().unwrap_or_default().to_string_lossy());
            let digest = Sha256::of_file(path).with_context(|| format!("cannot read {}", path.display()))?;
            digests.insert(name, digest);
        }
    }
    Ok(in_both(named_by_patches(&release)?, &digests, &built.applied))
}

/// One that is in the series no more, that the build is without, or that was another one then does not count.
fn in_both(
    mut named: BTreeMap<String, BTreeSet<String>>,
    series: &BTreeMap<String, Sha256>,
    applied: &BTreeMap<String, Sha256>,
) -> BTreeMap<String, BTreeSet<String>> {
    named.retain(|name, _| series.get(name).is_some_and(|digest| applied.get(name) == Some(digest)));
    named
}

/// Whether the build published what is said now.
fn published(built: &Built, table: &Table, judged: &Judgement) -> Result<Option<String>> {
    let text = vex::text(&built.bill.product, &table.known_until, judged)?;
    Ok(match &built.vex {
        Some(published) if *published == text => None,
        Some(_) => Some("what dist/ says of vulnerabilities is not what is said now: build again".to_owned()),
        None => Some(format!("dist/ has no statement of vulnerabilities (*.{}): build again", vex::ENDING)),
    })
}

fn status_of_docs(built: &Built, table: &Table, judged: &Judgement, write: bool) -> Result<Option<String>> {
    let file = workspace().join(STATUS);
    let text = status::text(&built.release, &table.known_until, judged);
    if write {
        files::write_atomically(&file, text)?;
        println!("{STATUS} is written");
        return Ok(None);
    }
    let is_same = files::read_text(&file).is_ok_and(|found| found == text);
    Ok((!is_same).then(|| format!("{STATUS} is not what the audit comes to: run `cargo xtask audit --write`")))
}

fn print(judged: &Judgement) {
    for finding in &judged.findings {
        println!("{:<19} {:<20} {}", finding.status(), finding.vulnerability.id, finding.part.purl);
    }
}

fn summary(table: &Table, judged: &Judgement) {
    let count = |status: &str| judged.findings.iter().filter(|finding| finding.status() == status).count();
    println!(
        "known until {}: {} fixed, {} not affected, {} affected, {} that nothing is said of",
        table.known_until,
        count("fixed"),
        count("not_affected"),
        count("affected"),
        count("under_investigation")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_counts_that_is_in_the_series_and_was_applied_as_it_is() {
        let named = ["kept", "dropped", "new", "changed"].map(|name| (name.to_owned(), BTreeSet::new()));
        let digests = |of: &[(&str, &str)]| -> BTreeMap<String, Sha256> {
            of.iter().map(|(name, text)| ((*name).to_owned(), Sha256::of_bytes(text))).collect()
        };
        let series = digests(&[("kept", "a"), ("new", "c"), ("changed", "d")]);
        let applied = digests(&[("kept", "a"), ("dropped", "b"), ("changed", "of before")]);
        let counted: Vec<String> = in_both(named.into(), &series, &applied).into_keys().collect();
        assert_eq!(counted, ["kept"]);
    }
}
