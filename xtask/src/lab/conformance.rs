//! `conformance`: upstream's own suite, built out of the tree that the SWIX's programs are of, on a cluster of stand-ins.

use std::{
    env,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use cluster::Cluster;
use cluster_test::{cluster_file, logs};
use common::{Progress, command::quoted, errors, files};
use conformance::{Circumstances, Programs, Report, Request, Suite, images::StandIns};
use contract::Build;
use devices::{Flash, Lab, LabGuard, Options};
use pipeline::{known::entry_of, origin::BuildOrigin};
use swix::extension;
use topology::Topology;

use super::{
    device, image,
    lab_flags::{self, LabFlags},
    topo_test::duration,
};
use crate::{
    build::{Selection, session::Session},
    interrupt, progress,
    workspace::workspace,
};

/// What of the suite is run on this machine; the rest is for its images.
const HERE: [&str; 2] = ["e2e.test", "ginkgo"];

/// Under which name the Dockerfile of the images finds the tree's directory for them.
const IMAGES: &str = "images";

#[derive(Args)]
pub struct Conformance {
    /// Only specs whose names match, an expression of Go's
    #[arg(long, value_name = "RE", default_value = r"\[Conformance\]")]
    pub focus: String,
    /// No specs whose names match
    #[arg(long, value_name = "RE")]
    pub skip: Option<String>,
    /// How many specs to run side by side; those that are [Serial] are run one by one after them
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=25))]
    pub nodes: u32,
    /// How long all specs together may take, e.g. 90m
    #[arg(long, value_name = "DURATION", default_value = "3h", value_parser = duration)]
    pub limit: Duration,
    #[command(flatten)]
    pub lab: LabFlags,
    #[command(flatten)]
    pub selection: Selection,
    /// Where e2e.log, junit_01.xml and table.md go [default: dist/conformance]
    #[arg(long, value_name = "DIR", default_value_os_t = workspace().join("dist/conformance"), hide_default_value = true)]
    pub report: PathBuf,
    /// List the specs and do nothing else than build the suite
    #[arg(long)]
    pub list: bool,
    /// Leave the topology up
    #[arg(long)]
    pub keep: bool,
    /// Leave the topology up where a spec has failed
    #[arg(long)]
    pub keep_on_failure: bool,
    /// Take away what an earlier run left, and do nothing else
    #[arg(long, conflicts_with_all = ["list", "keep"])]
    pub down: bool,
}

/// What the pipeline has made of the suite.
struct Built {
    e2e_test: PathBuf,
    ginkgo: PathBuf,
    /// For the images, each with the name under which their Dockerfile copies it.
    for_images: Vec<(PathBuf, String)>,
}

impl Conformance {
    pub fn run(self) -> Result<()> {
        let topology = self.lab.topology()?;
        if self.down {
            return lab_flags::down(&topology);
        }
        let cluster = self.lab.cluster(&topology)?;
        self.lab.swix.iter().try_for_each(|file| lab_flags::check_swix(file))?;
        let driver = device::driver_of(self.lab.driver, self.lab.docker_topo.clone())?;
        if !self.list {
            // Before anything is built, which takes minutes.
            Lab::check_engine()?;
        }
        let built = build(&self.selection)?;
        let progress = progress::for_stderr();
        let work = tempfile::Builder::new().prefix("conformance-").tempdir().context("cannot make a directory")?;
        let request =
            Request { focus: self.focus.clone(), skip: self.skip.clone(), nodes: self.nodes, limit: self.limit };
        let mut programs =
            Programs { e2e_test: built.e2e_test.clone(), ginkgo: built.ginkgo.clone(), kubectl: PathBuf::new() };
        let list = |programs: &Programs| {
            let suite = Suite { programs, work: work.path(), progress: &*progress };
            Ok::<_, anyhow::Error>((suite.specs(&request)?, suite.images()?))
        };
        let (specs, wanted) = list(&programs)?;
        if self.list {
            specs.iter().for_each(|spec| println!("{spec}"));
            return Ok(());
        }
        println!("{} specs are asked for", specs.len());
        let swix = self.lab.swix()?;
        programs.kubectl = kubectl(&swix)?;
        files::create_dir(&self.report)?;
        let stand_ins = image::make_all()?;
        let images = make_images(&built, &wanted, &*progress)?;
        if self.lab.prefix.is_some() {
            Lab::ensure_down(&topology)?;
        }
        interrupt::watch();
        let options = Options {
            driver,
            stand_ins,
            traits: self.lab.traits.iter().cloned().collect(),
            interrupted: interrupt::came,
            ..Options::default()
        };
        let flash = Flash::new()
            .with_boot_extension(&swix)?
            .with_bytes("cluster.toml", cluster_file::for_lab(&self.lab.cluster)?);
        let tried = of_swix(&swix)?;
        let suite_of = BuildOrigin::of(&workspace())?;
        if tried.commit != suite_of.commit || !tried.besides.is_empty() || !suite_of.besides.is_empty() {
            eprintln!(
                "remark: the SWIX is {}, and the suite is built {}: the table says both",
                tried.origin(),
                told(&suite_of)
            );
        }
        let date = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let lab = Lab::up_guarded(&topology, &flash, &options, &*progress)?;
        let suite = Suite { programs: &programs, work: work.path(), progress: &*progress };
        let ran = self.on_lab(&suite, &request, &specs, &lab, &cluster, &images);
        let written = ran.and_then(|report| {
            report.write(&self.report, &self.circumstances(date, &swix, &tried, &suite_of), &images)?;
            Ok(report)
        });
        self.end(written, lab, &topology)
    }

    fn on_lab(
        &self,
        suite: &Suite<'_>,
        request: &Request,
        specs: &[String],
        lab: &Lab,
        cluster: &Cluster,
        images: &StandIns,
    ) -> Result<Report> {
        let kubeconfig = conformance::nodes::ready(lab, cluster, suite.progress)?;
        images.load(lab, suite.work, suite.progress)?;
        let master = &cluster.master().name;
        let host = cluster_test::neighbours::host_of(lab.topology(), master);
        let host = lab.device(host.with_context(|| format!("the topology has no host beside {master}"))?)?;
        suite.run(request, specs, &host, &kubeconfig, &self.report)
    }

    /// Says what came of it, and takes the lab away.
    fn end(&self, ran: Result<Report>, lab: LabGuard, topology: &Topology) -> Result<()> {
        let passed = ran.as_ref().is_ok_and(Report::has_passed);
        if !passed && !interrupt::came() {
            let logs = self.report.join("logs");
            files::create_dir(&logs)?;
            let missing = logs::write_all(&lab, &logs).into_iter().filter_map(|(name, log)| Some((name, log.err()?)));
            missing.for_each(|(name, error)| eprintln!("remark: no logs of {name}: {error:#}"));
        }
        let keeps = self.keep || (self.keep_on_failure && !passed);
        let gone = if keeps {
            let (file, prefix) = (self.lab.topology.display(), &topology.prefix);
            println!(
                "the topology stays up; `cargo xtask conformance --topology {file} --prefix {prefix} --down` takes it away"
            );
            lab.keep();
            Ok(())
        } else {
            lab.down()
        };
        let report = errors::both(ran, gone)?;
        println!("{}; what came of each is in {}", report.summary(), self.report.display());
        if interrupt::came() {
            bail!("interrupted");
        }
        if let Some(why) = &report.cut_short {
            bail!("not all specs were run: {why}");
        }
        ensure!(report.has_passed(), "not every spec passed");
        Ok(())
    }

    fn circumstances(&self, date: String, swix: &Path, tried: &Build, suite_of: &BuildOrigin) -> Circumstances {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let words = env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
        Circumstances {
            date,
            suite: told(suite_of),
            swix: format!("{}, {}", name(swix), tried.origin()),
            command: quoted(&["cargo", "xtask"].map(str::to_owned).into_iter().chain(words).collect::<Vec<_>>()),
            lab: format!("{} with {}", name(&self.lab.topology), name(&self.lab.cluster)),
        }
    }
}

/// What a SWIX says of where it comes from.
fn of_swix(swix: &Path) -> Result<Build> {
    let release = extension::release(swix).with_context(|| format!("cannot tell what {} is", swix.display()))?;
    release.build.with_context(|| format!("{} does not say which build it is: build it anew", swix.display()))
}

fn told(origin: &BuildOrigin) -> String {
    let commit = origin.commit.as_deref().map_or("of no commit".to_owned(), |commit| format!("of commit {commit}"));
    std::iter::once(commit).chain(origin.besides.iter().cloned()).collect::<Vec<_>>().join(", with ")
}

/// Builds what is not in the cache of the release's suite.
fn build(selection: &Selection) -> Result<Built> {
    let mut session = Session::open(selection.clone())?;
    session.plan = session.plan.of_suite(&session.release, session.selection.arch)?;
    let goals = session.plan.goals();
    let _in_use = session.cache.use_now()?;
    let summary = session.with_engine(1, |engine| {
        session.require_sources(engine, &goals)?;
        engine.run(&session.plan.steps, &goals)
    })?;
    session.remember("conformance", &summary)?;
    let mut made = Vec::new();
    for artifact in &session.plan.artifacts {
        let entry = entry_of(&session.cache, &session.plan.steps, &artifact.step);
        let entry = entry.map_err(|miss| anyhow::anyhow!("{} is not there any more: {miss}", artifact.step))?;
        made.push((entry.out().join(&artifact.file), artifact.name.clone()));
    }
    let here = |name: &str| {
        let found = made.iter().find(|(_, made)| made == name).map(|(path, _)| path.clone());
        found.with_context(|| format!("the recipe's suite has no program {name}"))
    };
    let (e2e_test, ginkgo) = (here(HERE[0])?, here(HERE[1])?);
    let others = made.into_iter().filter(|(_, name)| !HERE.contains(&name.as_str()));
    // What is no program is the tree's directory for images.
    let named = others.map(|(path, name)| if path.is_dir() { (path, IMAGES.to_owned()) } else { (path, name) });
    Ok(Built { e2e_test, ginkgo, for_images: named.collect() })
}

fn make_images(built: &Built, wanted: &[String], progress: &dyn Progress) -> Result<StandIns> {
    let logs = pipeline::cache::default_directory()?.join("logs");
    files::create_dir(&logs)?;
    let log = logs.join("image-conformance.log");
    let directory = workspace().join("docker/conformance");
    let made = conformance::images::make(&directory, wanted, &built.for_images, &workspace(), &log, progress)?;
    println!("the suite's images are stand-ins for upstream's, not the real ones:");
    made.told().for_each(|(of, by)| println!("  {of}: {by}"));
    println!("nothing stands in for {}", made.missing.join(", "));
    Ok(made)
}

/// The one that the build leaves beside the SWIX: some specs compare its version with the cluster's.
fn kubectl(swix: &Path) -> Result<PathBuf> {
    let directory = swix.parent().with_context(|| format!("{} is in no directory", swix.display()))?;
    swix::dist::program(directory, "kubectl", "linux-amd64").with_context(|| {
        let directory = directory.display();
        format!("there is no kubectl-…-linux-amd64 beside the SWIX in {directory}: `cargo xtask build-swix` makes both")
    })
}
