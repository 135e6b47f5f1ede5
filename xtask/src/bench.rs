//! `bench`: measures what docs/ claims, side by side where there is something to beat.

mod cfssl;
mod compile;
mod figures;
mod first_boot;
mod kube_proxy;
mod packing;
mod pki;
mod quiet;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use common::{command::Program, files};
use indicatif::HumanBytes;
use pipeline::{cache, known::entry_of};
use swix::{
    SourceDate, squashfs,
    tree::{Entry, Kind},
};

use self::figures::{Spread, machine};
use crate::{
    build::{
        Selection,
        reproduce::{as_child, child, copy_workspace},
        session::Session,
    },
    workspace::workspace,
};

#[derive(Args)]
pub struct BenchFlags {
    pub what: BenchSubject,
    /// build: also time all that a newcomer waits for, from a clone to the SWIX, with every cache empty
    #[arg(long)]
    pub cold: bool,
    /// build: also compile hyperkube through xtask and by hand, each with an empty Go cache
    #[arg(long)]
    pub by_hand: bool,
    /// first-boot, packing, pki, kube-proxy: how often each way is timed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: Option<u16>,
    /// Do not wait for a quiet machine; the page says that it was busy
    #[arg(long)]
    pub busy: bool,
    #[command(flatten)]
    pub selection: Selection,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum BenchSubject {
    /// The build: a second run, a changed rootfs/ file, sizes; if asked for, from a clone to the SWIX, and against `go build` by hand
    Build,
    /// From the start of first boot to a Ready node, against the same services started by hand; memory of our daemon
    FirstBoot,
    /// How the programs' image is packed, by compressor and block size: times of boots, memory, sizes; with two cores and half of one
    Packing,
    /// The whole PKI of a three-node cluster as a 386 program, against cfssl and openssl for linux/386
    Pki,
    /// Our kube-proxy against upstream's, both for linux/386 and of the SWIX in dist/ or $KOE_DIST: memory, times, traffic, size
    KubeProxy,
}

/// How often the second run is timed.
const RUNS: usize = 5;

impl BenchFlags {
    pub fn run(self) -> Result<()> {
        match self.what {
            BenchSubject::Build => build_figures(&self),
            BenchSubject::FirstBoot => first_boot::run(&self),
            BenchSubject::Packing => packing::run(&self),
            BenchSubject::Pki => pki::run(&self),
            BenchSubject::KubeProxy => kube_proxy::run(&self),
        }
    }
}

impl BenchFlags {
    /// Once all else that a benchmark needs is there.
    fn wait_for_quiet(&self) -> Result<()> {
        if self.busy { Ok(()) } else { quiet::wait() }
    }
}

fn build_figures(flags: &BenchFlags) -> Result<()> {
    let session = Session::open(flags.selection.clone())?;
    flags.wait_for_quiet()?;
    let release = &session.release;
    let mut text = format!(
        "# Figures of the build\n\nWritten by `cargo xtask bench build{}{}`; run it again to repeat them, every run replaces this \
         file. Release {}, linux/{}. {}.\n\n",
        if flags.cold { " --cold" } else { "" },
        if flags.by_hand { " --by-hand" } else { "" },
        release.name,
        flags.selection.arch,
        machine()
    );
    if flags.cold {
        text += &from_clone(&flags.selection)?;
    }
    println!("making sure that everything is built");
    let dist = tempfile::tempdir().context("cannot make a temporary directory")?;
    let root = cache::default_directory()?;
    second_run(&workspace(), &root, &flags.selection, dist.path())?;

    let times = (0..RUNS).map(|_| second_run(&workspace(), &root, &flags.selection, dist.path()));
    let spread = Spread::of(&times.collect::<Result<Vec<_>>>()?).context("there were no runs")?;
    text += &format!(
        "## A second run\n\nNothing changed, {RUNS} runs: {} to {}, median {}. At most 1 s is wanted.\n\n",
        seconds(spread.min),
        seconds(spread.max),
        seconds(spread.median)
    );
    text += &changed_rootfs(&root, &flags.selection)?;
    text += &changed_line(&root, &flags.selection)?;
    if flags.by_hand {
        text += &compile::compare(&session)?;
    }
    text += &sizes(&session, dist.path())?;
    publish("build-figures.md", &text)
}

/// Writes figures into docs/, and prints them.
fn publish(name: &str, text: &str) -> Result<()> {
    let file = workspace().join("docs").join(name);
    files::write_atomically(&file, text)?;
    println!("{text}\nwritten to {}", file.display());
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// What a newcomer waits for: a copy of the repository with nothing in it but its files, and cargo's and our caches empty.
fn from_clone(selection: &Selection) -> Result<String> {
    println!("building from a clone, with every cache empty");
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let copy = copy_workspace(scratch.path())?;
    let [cargo_home, target] = ["cargo-home", "target"].map(|name| scratch.path().join(name));
    let log = scratch.path().join("log");
    let (began, cpu) = (Instant::now(), cpu_of_children()?);
    Program::cargo("compile xtask as `cargo xtask` does")?
        .args(["build", "--quiet", "--package", "xtask", "--no-default-features"])
        .env("CARGO_HOME", &cargo_home)
        .env("CARGO_TARGET_DIR", &target)
        .dir(&copy)
        .run_logged(&log)?;
    let compiled = began.elapsed();
    let program = Program::new(target.join("debug/xtask"), "build in another directory")?;
    as_child(program, &copy, &scratch.path().join("cache"), "build-swix", selection)
        .env("CARGO_HOME", &cargo_home)
        .run_logged(&log)?;
    let (all, cpu) = (began.elapsed(), cpu_of_children()? - cpu);
    Ok(format!(
        "## From a clone to the SWIX\n\nWith every cache empty, downloads and all: {}, and {:.1} CPU minutes. {} of it is cargo compiling \
         xtask, the rest the steps of `build-swix`. At most 10 min and 16 CPU minutes are wanted.\n\n",
        humantime::format_duration(Duration::from_secs(all.as_secs())),
        cpu.as_secs_f64() / 60.0,
        humantime::format_duration(Duration::from_secs(compiled.as_secs())),
    ))
}

/// What the children of this process that have ended, and theirs, have had of the processors.
fn cpu_of_children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    // After the name, which may have spaces in it: cutime and cstime are the 14th and 15th field, in hundredths of a second.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).into_iter().flatten();
    let ticks: Vec<u64> = fields.skip(13).take(2).filter_map(|field| field.parse().ok()).collect();
    ensure!(ticks.len() == 2, "/proc/self/stat does not tell the time of children: {stat}");
    Ok(Duration::from_millis(10 * (ticks[0] + ticks[1])))
}

/// One `build-swix` as a process of its own.
fn second_run(repository: &Path, root: &Path, selection: &Selection, dist: &Path) -> Result<Duration> {
    let log = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    let began = Instant::now();
    child(repository, root, "build-swix", selection)?.arg("--dist").arg(dist).run_logged(log.path())?;
    Ok(began.elapsed())
}

/// What runs when a file of rootfs/ changes.
fn changed_rootfs(root: &Path, selection: &Selection) -> Result<String> {
    let (took, log) = after_changes(root, selection, 1, |copy, _| {
        let file = first_file(&copy.join("rootfs"))?;
        let mut changed = files::read(&file)?;
        changed.extend(b"\n# changed by the benchmark\n");
        fs::write(&file, changed).with_context(|| format!("cannot write {}", file.display()))
    })?;
    let compiled =
        log.lines().find(|line| line.contains(": begins") && (line.starts_with("go-") || line.starts_with("rust-")));
    ensure!(compiled.is_none(), "a compiler ran: {}", compiled.unwrap_or_default());
    Ok(format!("## A changed file in rootfs/\n\n{}; no compiler ran.\n\n", seconds(took)))
}

/// What runs when something that k8s-node says changes: its program is another one.
fn changed_line(root: &Path, selection: &Selection) -> Result<String> {
    // Whoever changes a line has compiled the packages of this workspace there before.
    let said = ["everything of Kubernetes", "Everything of Kubernetes", "all of Kubernetes"];
    let (took, log) = after_changes(root, selection, 2, |copy, change| {
        let file = copy.join("crates/switch/k8s-node/src/down.rs");
        let (text, from, to) = (files::read_text(&file)?, said[change], said[change + 1]);
        ensure!(text.contains(from), "{} does not say {from:?} any more", file.display());
        fs::write(&file, text.replacen(from, to, 1)).with_context(|| format!("cannot write {}", file.display()))
    })?;
    let ran = |step: &str| log.lines().any(|line| line == format!("{step}: begins"));
    ensure!(ran("rust-k8s-node") && !ran("rust-kube-proxy"), "k8s-node alone was to be compiled");
    Ok(format!("## A changed line in k8s-node\n\n{} until there is a new SWIX.\n\n", seconds(took)))
}

/// How long the last of some builds takes in a copy of the repository in which something is changed before each, and its log.
fn after_changes(
    root: &Path,
    selection: &Selection,
    changes: usize,
    change: impl Fn(&Path, usize) -> Result<()>,
) -> Result<(Duration, String)> {
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let copy = copy_workspace(scratch.path())?;
    let dist = scratch.path().join("dist");
    let mut last = (Duration::ZERO, String::new());
    for number in 0..changes {
        change(&copy, number)?;
        let log = scratch.path().join(format!("log-{number}"));
        let began = Instant::now();
        child(&copy, root, "build-swix", selection)?.arg("--dist").arg(&dist).run_logged(&log)?;
        last = (began.elapsed(), files::read_text(&log)?);
    }
    Ok(last)
}

fn first_file(directory: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?.flatten() {
        if entry.path().is_file() {
            return Ok(entry.path());
        }
        if let Ok(found) = first_file(&entry.path()) {
            return Ok(found);
        }
    }
    anyhow::bail!("there is no file in {}", directory.display())
}

/// The SWIX, and what each program weighs in an image of its own.
fn sizes(session: &Session, dist: &Path) -> Result<String> {
    let mut text = "## What it weighs\n\n| part | as it is | compressed |\n| --- | --- | --- |\n".to_owned();
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    for (_, program) in session.release.programs() {
        let Some(install) = &program.install else { continue };
        let name = &program.name;
        let step =
            session.plan.steps.iter().find(|step| step.name.ends_with(&format!("-{name}")) && is_compiled(&step.name));
        let step = step.with_context(|| format!("{name} is not in the plan"))?;
        let entry = entry_of(&session.cache, &session.plan.steps, &step.name);
        let entry = entry.map_err(|miss| anyhow::anyhow!("{name}: {miss}"))?;
        let from = entry.out().join(&**name);
        let size = from.metadata()?.len();
        let image = scratch.path().join("image");
        let entries = [Entry { path: install.path.to_string(), kind: Kind::File { from, mode: 0o755 } }];
        squashfs::write(&entries, &image, SourceDate(session.release.source_date), &*session.progress)?;
        text += &format!("| {name} | {} | {} |\n", HumanBytes(size), HumanBytes(image.metadata()?.len()));
    }
    for artifact in &session.plan.artifacts {
        let size = dist.join(&artifact.name).metadata()?.len();
        text += &format!("| dist/{} | {} | |\n", artifact.name, HumanBytes(size));
    }
    text += "\nThe SWIX is to be at most 30 MiB.\n";
    Ok(text)
}

fn is_compiled(step: &str) -> bool {
    step.starts_with("go-") || step.starts_with("rust-")
}
