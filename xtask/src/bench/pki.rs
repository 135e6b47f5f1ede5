//! `bench pki`: the whole PKI of a three-node cluster by a 386 program of ours against cfssl and openssl for linux/386,
//! in turns on this machine, with both types of key.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use cluster::Cluster;
use common::{Sha256, command::Program, files};
use pipeline::{
    known::entry_of,
    step::{Fetch, RustBuild, Step, Unpack, Work},
};

use super::{
    BenchFlags,
    cfssl::Cfssl,
    figures::{Spread, in_turns, machine},
};
use crate::{
    build::session::{Session, default_jobs},
    dev::runs_linux_386,
    workspace::workspace,
};

/// The example of a package that makes a whole PKI and nothing else.
const OURS: &str = "whole-pki";
const PACKAGE: &str = "cluster";

/// How often each way makes a PKI unless `--rounds` says it.
const ROUNDS: usize = 9;

/// The types of key, and how many times as fast as cfssl's ours is to be.
const KEYS: [(&str, f64); 2] = [("ecdsa-p256", 5.0), ("rsa-2048", 1.0)];

pub fn run(flags: &BenchFlags) -> Result<()> {
    ensure!(runs_linux_386(), "this machine's kernel does not run linux/386 programs: take one that does");
    let programs = Programs::get(&Session::open(flags.selection.clone())?)?;
    flags.wait_for_quiet()?;
    let rounds = flags.rounds.map_or(ROUNDS, usize::from);
    let template = files::read_text(&workspace().join("topo/cluster.toml"))?;
    let mut text = format!(include_str!("pki.txt"), rounds = rounds, machine = machine());
    for (key, desired) in KEYS {
        println!("{key}");
        let (ours, theirs) = compare(&programs, &template, key, rounds)?;
        let faster = theirs.ratio_to(&ours);
        text += &format!("| {key} | ours | {ours} | {faster:.2} times | {desired} times |\n");
        text += &format!("| {key} | cfssl, openssl | {theirs} | | |\n");
    }
    text += "\nA search for primes takes as long as it takes: RSA's times spread widely, for both.\n";
    super::publish("pki-figures.md", &text)
}

fn compare(programs: &Programs, template: &str, key: &str, rounds: usize) -> Result<(Spread, Spread)> {
    let scratch = tempfile::tempdir().context("cannot make a temporary directory")?;
    let file = scratch.path().join("cluster.toml");
    let with_key = template.replacen("[cluster]\n", &format!("[cluster]\nkey = \"{key}\"\n"), 1);
    files::write_atomically(&file, &with_key)?;
    let cluster = Cluster::parse(&with_key, "topo/cluster.toml with another type of key")?;
    let timed = |make: &dyn Fn(&Path) -> Result<()>| {
        let out = tempfile::tempdir_in(scratch.path()).context("cannot make a temporary directory")?;
        let began = Instant::now();
        make(out.path())?;
        let took = began.elapsed();
        Ok((took, made(out.path())?))
    };
    let ours = || timed(&|out| programs.ours(&file, out));
    let theirs = || timed(&|out| programs.cfssl.make(&cluster, key, out));
    let (ours, theirs) = in_turns(rounds, ours, theirs)?;
    let counts: Vec<Made> = ours.iter().chain(&theirs).map(|(_, made)| *made).collect();
    ensure!(counts.windows(2).all(|pair| pair[0] == pair[1]), "the two did not make the same number: {counts:?}");
    let spread = |timed: Vec<(Duration, Made)>| {
        let times: Vec<Duration> = timed.into_iter().map(|(time, _)| time).collect();
        Spread::of(&times).context("no rounds were asked for")
    };
    Ok((spread(ours)?, spread(theirs)?))
}

/// How many keys and how many different certificates are below a directory.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Made {
    keys: usize,
    certificates: usize,
}

fn made(directory: &Path) -> Result<Made> {
    let (mut keys, mut certificates) = (0, std::collections::BTreeSet::new());
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with("-key.pem") {
                keys += 1;
            } else if name.ends_with(".pem") {
                certificates.insert(Sha256::of_file(&path)?);
            }
        }
    }
    Ok(Made { keys, certificates: certificates.len() })
}

struct Programs {
    ours: PathBuf,
    cfssl: Cfssl,
}

impl Programs {
    /// Compiled and fetched as the steps of a build are, and kept in its cache.
    fn get(session: &Session) -> Result<Self> {
        let mut steps = session.plan.steps.clone();
        let source = recipes::load_toolchain(&session.selection.recipes.join("toolchains/cfssl.toml"))?.source;
        let only = session.selection.origin;
        let fetch =
            Step::new("fetch-cfssl", Work::Fetch(Fetch { source: source.clone(), only, source_override: None }), &[]);
        let unpack = Step::new("unpack-cfssl", Work::Unpack(Unpack { source }), &[&fetch]);
        let ours = ours(session)?;
        steps.extend([fetch, unpack.clone(), ours.clone()]);
        session.with_engine(default_jobs(), |engine| engine.run(&steps, &[&unpack.name, &ours.name]))?;
        let out = |step: &Step| -> Result<PathBuf> {
            let entry = entry_of(&session.cache, &steps, &step.name);
            Ok(entry.map_err(|miss| anyhow::anyhow!("{}: {miss}", step.name))?.out())
        };
        Ok(Programs { ours: out(&ours)?.join(OURS), cfssl: Cfssl::in_root(out(&unpack)?) })
    }

    fn ours(&self, cluster: &Path, out: &Path) -> Result<()> {
        Program::new(&self.ours, "make the PKI")?.arg(cluster).arg(out).read().map(drop)
    }
}

/// The step that compiles our program, as those of the release compile the switch's.
fn ours(session: &Session) -> Result<Step> {
    let steps = &session.plan.steps;
    let like = steps.iter().find_map(|step| match &step.work {
        Work::Rust(rust) => Some((step, rust)),
        _ => None,
    });
    let (like, rust) = like.context("the release has no program in Rust to take the toolchain of")?;
    let (toolchain, host_tools, workspace) = (rust.toolchain.clone(), rust.host_tools.clone(), rust.workspace.clone());
    let work = RustBuild::new(OURS, PACKAGE, true, toolchain, rust.arch, host_tools, workspace)?;
    let needs: Vec<&Step> = steps.iter().filter(|step| like.needs.contains(&step.name)).collect();
    Ok(Step::new(format!("rust-{OURS}"), Work::Rust(work), &needs))
}
