//! `topo-test`: checks what the user asks for, and plays it, once or several times.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use cluster::Cluster;
use common::{
    files,
    lock::{After, Lock, Tried},
};
use devices::Lab;
use swix::extension;
use topo_test::{Parts, report, scenario};
use topology::Topology;

use crate::{
    build_swix, device,
    flags::{BuildSwix, ImageName, TopoTest},
    image, interrupt,
    session::workspace,
    topo_test_run::Play,
};

pub fn run(flags: TopoTest) -> Result<()> {
    let scenarios = scenario::select(&flags.scenario)?;
    if flags.list {
        scenarios.iter().for_each(|scenario| println!("{:16} {}", scenario.name, scenario.purpose));
        return Ok(());
    }
    let topology = Topology::load(&flags.topology)?;
    if flags.destroy {
        let there = Lab::clear(&topology)?;
        let word = if there { "took away what was there" } else { "nothing was there" };
        println!("{word} of the topology {}", topology.prefix);
        return Ok(());
    }
    let cluster = Cluster::parse(&files::read_text(&flags.cluster)?, &flags.cluster.display().to_string())?;
    if let Some(node) = cluster.nodes.iter().find(|node| topology.switches().all(|switch| switch.name != node.name)) {
        bail!("{} names the node {}, and the topology has no such switch", flags.cluster.display(), node.name);
    }
    report::check_replaceable(&flags.report)?;
    for file in [&flags.swix, &flags.next_swix].into_iter().flatten() {
        let bytes = fs::read(file).with_context(|| format!("cannot read the SWIX {}", file.display()))?;
        swix::archive::parse(&bytes).with_context(|| format!("{} is no SWIX to install", file.display()))?;
    }
    if let Some(file) = flags.flanneld.as_ref().filter(|file| !file.is_file()) {
        bail!("there is no flanneld {}", file.display());
    }
    let flanneld = flags.flanneld.or_else(flanneld_of_dist);
    let driver = device::driver_of(flags.driver, flags.docker_topo)?;
    // Before a SWIX is built, which takes minutes.
    Lab::check_engine()?;
    let swix = match flags.swix {
        Some(swix) => swix,
        None => of_dist()?,
    };
    if let Some(next) = &flags.next_swix
        && extension::name_with_release(next)? == extension::name_with_release(&swix)?
    {
        bail!("{} is of the same release as {}: there is nothing to upgrade to", next.display(), swix.display());
    }
    [ImageName::Veos, ImageName::Host].into_iter().try_for_each(image::make)?;

    let work = tempfile::tempdir().context("cannot make a directory")?;
    let probe_image = proof::workload::archive(&workspace(), work.path())?;
    let parts = Parts { swix, cluster_toml: flags.cluster, probe_image, next_swix: flags.next_swix, flanneld };
    interrupt::watch()?;
    let directory = flags.report;
    let _alone = lock_report(&directory)?;
    files::remove_tree(&directory)?;
    let first_seed = flags.seed.unwrap_or_else(|| fastrand::u32(..).into());
    let mut failed = 0;
    for round in 0..flags.repeat {
        let seed = first_seed.wrapping_add(round.into());
        println!("run {} of {}, seed {seed}", round + 1, flags.repeat);
        let play = Play {
            topology: &topology,
            file: &flags.topology,
            cluster: &cluster,
            parts: &parts,
            driver: &driver,
            scenarios: &scenarios,
            seed,
            master_away: Duration::from_secs(flags.master_away),
            keep: flags.keep,
            directory: if flags.repeat == 1 { directory.clone() } else { directory.join(format!("run-{}", round + 1)) },
        };
        let run = play.once()?;
        if run.interrupted {
            bail!("interrupted");
        }
        failed += u32::from(!run.has_passed() || run.has_skipped(&flags.scenario));
    }
    match failed {
        0 => Ok(()),
        _ => bail!("not everything passed in {failed} of {} runs, the first seed was {first_seed}", flags.repeat),
    }
}

/// The newest SWIX of dist/, which is built where there is none.
fn of_dist() -> Result<PathBuf> {
    if let Some(swix) = device::newest_swix() {
        return Ok(swix);
    }
    eprintln!("there is no SWIX in dist/: it is built first");
    build_swix::run(BuildSwix::without_flags())?;
    device::newest_swix().context("there is still no SWIX in dist/")
}

/// Two runs at once would take each other's report away. Held until it is dropped.
fn lock_report(directory: &Path) -> Result<Lock> {
    let name =
        directory.file_name().with_context(|| format!("{} is no directory for a report", directory.display()))?;
    let path = directory.with_file_name(format!(".{}.lock", name.to_string_lossy()));
    files::create_dir(path.parent().unwrap_or(Path::new(".")))?;
    match Lock::try_acquire(&path, After::Stays)? {
        Tried::Got(lock) => Ok(lock),
        Tried::HeldBy(_) => bail!(
            "another topo-test writes its report into {}: wait for it, or use another --report",
            directory.display()
        ),
    }
}

/// Where `build-swix --release 1.12 --program flanneld` leaves it.
fn flanneld_of_dist() -> Option<PathBuf> {
    let files = workspace().join("dist").read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_flanneld = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("flanneld-") && name.ends_with("-linux-386")
    };
    files.filter(is_flanneld).max()
}
