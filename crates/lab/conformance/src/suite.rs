//! The suite's own program: what it lists, and its run by ginkgo from a host's network.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use cluster_test::limited;
use common::{Progress, command::Program, files, netns, progress::Unit, stop};
use devices::Device;

use crate::{
    junit, news,
    report::{Outcome, Report, Spec},
};

/// How long the suite may take to say something of itself.
const SAYING: Duration = Duration::from_secs(120);

/// What the name of a spec has in it that wants the cluster for itself.
const SERIAL: &str = "[Serial]";

/// What everything is written to that the suite says.
pub const LOG: &str = "e2e.log";

/// Of this machine's architecture; kubectl is of the cluster's release.
#[derive(Debug, Clone)]
pub struct Programs {
    pub e2e_test: PathBuf,
    pub ginkgo: PathBuf,
    pub kubectl: PathBuf,
}

/// Which specs, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// As ginkgo has it: a regular expression of Go's.
    pub focus: String,
    pub skip: Option<String>,
    /// How many are run side by side.
    pub nodes: u32,
    /// For all of them together.
    pub limit: Duration,
}

pub struct Suite<'a> {
    pub programs: &'a Programs,
    /// For what nobody wants afterwards.
    pub work: &'a Path,
    pub progress: &'a dyn Progress,
}

/// A part of the run: specs that may be run at the same time, or one after the other.
struct Part<'a> {
    name: &'a str,
    focus: String,
    skip: String,
    nodes: u32,
    specs: Vec<&'a str>,
}

impl Suite<'_> {
    /// The images that the suite may want to pull, as its own manifest has them.
    pub fn images(&self) -> Result<Vec<String>> {
        let e2e = Program::new(&self.programs.e2e_test, "list the suite's images")?.limit(SAYING);
        let mut images: Vec<String> = e2e.arg("--list-images").read()?.lines().map(str::to_owned).collect();
        images.sort();
        images.dedup();
        ensure!(!images.is_empty(), "{} lists no images", self.programs.e2e_test.display());
        Ok(images)
    }

    /// The names of the specs that are asked for; fails where there is none.
    pub fn specs(&self, request: &Request) -> Result<Vec<String>> {
        let directory = self.directory("specs")?;
        let mut e2e = Program::new(&self.programs.e2e_test, "list the specs")?.limit(SAYING);
        e2e = e2e.arg("--ginkgo.dryRun").arg(format!("--ginkgo.focus={}", request.focus));
        e2e = e2e.args(request.skip.iter().map(|skip| format!("--ginkgo.skip={skip}")));
        e2e.args(["--provider=local", "--kubeconfig=/dev/null"])
            .arg(format!("--report-dir={}", directory.display()))
            .run_logged(&directory.join("log"))?;
        let specs: Vec<String> = junit::read(&directory)?.into_keys().collect();
        ensure!(!specs.is_empty(), "no spec is called so: --focus {:?}, --skip {:?}", request.focus, request.skip);
        Ok(specs)
    }

    /// Runs these specs, of that request, against the cluster of a kubeconfig, and leaves the log in `results`.
    pub fn run(
        &self,
        request: &Request,
        specs: &[String],
        from: &Device<'_>,
        kubeconfig: &str,
        results: &Path,
    ) -> Result<Report> {
        let config = self.work.join("kubeconfig");
        files::write_for_owner(&config, kubeconfig.as_bytes())?;
        let log = results.join(LOG);
        File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let process = from.process()?.with_context(|| format!("{} is off", from.name()))?;
        let network = netns::of(Some(process))?;
        let began = Instant::now();
        let mut ended = BTreeMap::new();
        let ran = limited::limited(request.limit, || {
            let mut missing = Ok(());
            for part in parts(request, specs) {
                ensure!(stop::wanted().is_none(), "the specs that are run {} were not begun", part.name);
                let ran = netns::enter(&network, || self.run_part(&part, request.limit, &config, &log, &mut ended))?;
                // Of what has failed each spec tells; this is about what has not come to its end.
                let all_ended = part.specs.iter().all(|spec| ended.contains_key(*spec));
                if !all_ended && missing.is_ok() {
                    missing = ran;
                }
            }
            missing
        });
        let mut report = Report { specs: report(specs, ended), took: began.elapsed(), cut_short: None };
        report.cut_short = ran.err().map(|error| format!("{error:#}"));
        Ok(report)
    }

    fn run_part(
        &self,
        part: &Part<'_>,
        limit: Duration,
        kubeconfig: &Path,
        log: &Path,
        ended: &mut BTreeMap<String, Spec>,
    ) -> Result<()> {
        let directory = self.directory(part.name)?;
        let total = part.specs.len() as u64;
        let task = self.progress.start(&format!("{total} specs {}", part.name), Unit::Items, None);
        let mut out = OpenOptions::new().append(true).open(log).context("cannot write the log")?;
        let mut written = Ok(());
        let (mut done, mut failed) = (0, 0);
        let ran = self.ginkgo(part, kubeconfig, &directory)?.limit(limit).follow(log, |line| {
            if let Err(error) = writeln!(out, "{line}") {
                written = Err(error);
            }
            let Some(spec) = news::ended(line) else { return };
            done += 1;
            if !spec.passed {
                failed += 1;
                self.progress.note(&format!("FAILED {}", spec.name));
            }
            task.doing(&format!("{done} of {total} done, {failed} failed; the last was {}", spec.name));
            let outcome = if spec.passed { Outcome::Passed } else { Outcome::Failed(format!("{LOG} says why")) };
            ended.insert(spec.name.clone(), Spec { name: spec.name, took: Duration::ZERO, outcome });
        });
        // Written at the end, with times and reasons: it knows more.
        ended.extend(junit::read(&directory)?);
        written.with_context(|| format!("cannot write {}", log.display()))?;
        ran
    }

    fn ginkgo(&self, part: &Part<'_>, kubeconfig: &Path, reports: &Path) -> Result<Program> {
        // Some specs run `kubectl` as the shell finds it.
        let bin = self.directory("bin")?;
        let kubectl = bin.join("kubectl");
        if !kubectl.is_symlink() {
            let target = std::path::absolute(&self.programs.kubectl).context("kubectl has no place")?;
            symlink(target, &kubectl).context("cannot make a link to kubectl")?;
        }
        let home = self.directory("home")?;
        let ginkgo = Program::new(&self.programs.ginkgo, "run the suite")?.empty_env();
        let ginkgo = ginkgo
            .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()))
            .env("HOME", &home)
            .env("TMPDIR", self.work)
            .env("LC_ALL", "C.UTF-8")
            .dir(&home);
        let ginkgo = ginkgo
            .arg(format!("-nodes={}", part.nodes))
            .args(["-flakeAttempts=1", "-noColor", "-slowSpecThreshold=300"])
            .arg(format!("-focus={}", part.focus))
            .arg(format!("-skip={}", part.skip))
            .arg(&self.programs.e2e_test)
            .args(["--", "--provider=local", "--disable-log-dump", "--minStartupPods=0"])
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--kubectl-path={}", kubectl.display()))
            .arg(format!("--report-dir={}", reports.display()));
        Ok(ginkgo)
    }

    fn directory(&self, name: &str) -> Result<PathBuf> {
        let directory = self.work.join(name.replace(' ', "-"));
        files::create_dir(&directory)?;
        Ok(directory)
    }
}

/// Those that may be run side by side, then those that have to be alone. Parts of which there is nothing are left out.
fn parts<'a>(request: &Request, specs: &'a [String]) -> Vec<Part<'a>> {
    let (alone, together): (Vec<&str>, Vec<&str>) =
        specs.iter().map(String::as_str).partition(|spec| spec.contains(SERIAL));
    let skipped: Vec<String> = std::iter::once(regex::escape(SERIAL)).chain(request.skip.clone()).collect();
    let named: Vec<String> = alone.iter().map(|spec| format!("{}$", regex::escape(spec))).collect();
    let parts = [
        Part {
            name: "side by side",
            focus: request.focus.clone(),
            skip: skipped.join("|"),
            nodes: request.nodes,
            specs: together,
        },
        // By their whole names: no one expression is for what two others have in common.
        Part {
            name: "one by one",
            focus: named.join("|"),
            skip: request.skip.clone().unwrap_or_default(),
            nodes: 1,
            specs: alone,
        },
    ];
    parts.into_iter().filter(|part| !part.specs.is_empty()).collect()
}

/// All that was asked for, and what went wrong beside it, such as what is done before the first spec.
fn report(asked: &[String], mut ended: BTreeMap<String, Spec>) -> Vec<Spec> {
    let not_run = |name: &String| Spec { name: name.clone(), took: Duration::ZERO, outcome: Outcome::NotRun };
    let mut specs: Vec<Spec> = asked.iter().map(|name| ended.remove(name).unwrap_or_else(|| not_run(name))).collect();
    specs.extend(ended.into_values().filter(|spec| matches!(spec.outcome, Outcome::Failed(_))));
    specs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(skip: Option<&str>) -> Request {
        let skip = skip.map(str::to_owned);
        Request { focus: r"\[Conformance\]".into(), skip, nodes: 4, limit: Duration::from_secs(60) }
    }

    #[test]
    fn what_has_to_be_alone_comes_after_the_others_by_its_whole_name() {
        let specs = ["[sig-a] one [Conformance]", "[sig-a] two [Serial] (a+b) [Conformance]"].map(str::to_owned);
        let both = parts(&request(Some("slow")), &specs);
        let told: Vec<_> = both.iter().map(|part| (part.nodes, part.focus.as_str(), part.skip.as_str())).collect();
        assert_eq!(
            told,
            [
                (4, r"\[Conformance\]", r"\[Serial\]|slow"),
                (1, r"\[sig\-a\] two \[Serial\] \(a\+b\) \[Conformance\]$", "slow"),
            ]
        );
        assert_eq!(parts(&request(None), &specs[..1]).len(), 1);
        assert_eq!(parts(&request(None), &specs[..1])[0].skip, r"\[Serial\]");
        assert_eq!(parts(&request(None), &specs[1..])[0].nodes, 1);
    }

    #[test]
    fn what_was_asked_for_and_did_not_run_is_there_and_so_is_what_went_wrong_beside_it() {
        let spec = |name: &str, outcome| (name.to_owned(), Spec { name: name.into(), took: Duration::ZERO, outcome });
        let ended = BTreeMap::from([
            spec("one", Outcome::Passed),
            spec("BeforeSuite", Outcome::Failed("no nodes".into())),
            spec("another", Outcome::Passed),
        ]);
        let told: Vec<_> =
            report(&["one".into(), "two".into()], ended).into_iter().map(|s| (s.name, s.outcome)).collect();
        let expected =
            [("one", Outcome::Passed), ("two", Outcome::NotRun), ("BeforeSuite", Outcome::Failed("no nodes".into()))];
        assert_eq!(told, expected.map(|(name, outcome)| (name.to_owned(), outcome)));
    }
}
