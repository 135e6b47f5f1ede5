//! `topo-test`: checks what the user asks for, and plays it, once or several times.

mod conduct;
mod play;
mod watch;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use cluster_test::{
    Parts, Suite, cluster_file,
    engine::{Outcomes, Plan},
    record::PlayOutcome,
    wants::{Offers, Want},
};
use common::{files, progress::Silent};
use contract::places::FLANNELD;
use devices::{Lab, Traits};
use swix::extension;

pub use self::conduct::{Conduct, duration};
use self::play::Play;
use super::{
    device, image,
    lab_flags::{self, LabFlags},
};
use crate::{
    build::first_release,
    interrupt,
    workspace::{dist, workspace},
};

/// What the first release left on its switches' flash, beside its SWIX.
const RECORDING: &str = "flash.tar.xz";

#[derive(Args)]
pub struct TopoTest {
    /// The scenarios to choose from: cluster, a cluster end to end; first-boot, switches that find all on their flash;
    /// first-release, switches that find what the first release left there
    #[arg(long, value_name = "NAME", default_value = "cluster", value_parser = suite)]
    pub suite: &'static Suite,
    #[command(flatten)]
    pub lab: LabFlags,
    /// Only this scenario and what it needs; may be given again
    #[arg(long, value_name = "NAME")]
    pub scenario: Vec<String>,
    /// Fail unless exactly so many scenarios can be played here
    #[arg(long, value_name = "N")]
    pub expect: Option<usize>,
    /// How often to bring up the topology and play the scenarios, each time anew
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "keep")]
    pub repeat: u32,
    /// Take the random choices of an earlier run [default: others each time]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// How long the master's control plane is away in the scenario of that name; 300 is a whole five minutes
    #[arg(long, value_name = "SECONDS", default_value_t = 45)]
    pub master_away: u64,
    /// SWIX to upgrade to [default: made of the one to install, with a higher release]
    #[arg(long, value_name = "FILE")]
    pub next_swix: Option<PathBuf>,
    /// flanneld for the switches' architecture, for the scenario flannel [default: the SWIX' own, or the one in dist/]
    #[arg(long, value_name = "FILE")]
    pub flanneld: Option<PathBuf>,
    /// Record anew what the first release leaves on flashes, in dist/first-release, where its SWIX is, for the suite of that
    /// name
    #[arg(long)]
    pub record: bool,
    #[command(flatten)]
    pub conduct: Conduct,
    /// Where each run leaves its report, in a directory of its own; `latest` is the last one [default: dist/topo-test]
    #[arg(long, value_name = "DIR", default_value_os_t = workspace().join("dist/topo-test"), hide_default_value = true)]
    pub report: PathBuf,
    /// List the scenarios and do nothing
    #[arg(long)]
    pub list: bool,
    /// Leave the topology up
    #[arg(long)]
    pub keep: bool,
    /// Take away what an earlier run left, and do nothing else
    #[arg(long, alias = "destroy", conflicts_with_all = ["list", "keep"])]
    pub down: bool,
}

impl TopoTest {
    pub fn run(self) -> Result<()> {
        let scenarios = self.suite.select(&self.scenario)?;
        self.conduct.skip.iter().try_for_each(|name| self.suite.scenario(name).map(drop))?;
        if self.list {
            scenarios.iter().for_each(|scenario| println!("{:16} {}", scenario.name, scenario.purpose));
            return Ok(());
        }
        let topology = self.lab.topology()?;
        if self.down {
            return lab_flags::down(&topology);
        }
        let cluster = self.lab.cluster(&topology)?;
        [&self.lab.swix, &self.next_swix].into_iter().flatten().try_for_each(|file| lab_flags::check_swix(file))?;
        if let Some(file) = self.flanneld.as_ref().filter(|file| !file.is_file()) {
            bail!("there is no flanneld {}", file.display());
        }
        let flanneld = self.flanneld.or_else(|| {
            // Where `build-swix --release 1.12 --program flanneld` leaves it.
            swix::dist::program(&dist(), "flanneld", "linux-386")
        });
        let of_first_release = dist().join(first_release::DIRECTORY);
        let first_swix = swix::dist::newest_swix(&of_first_release).ok();
        let driver = device::driver_of(self.lab.driver, self.lab.docker_topo.clone())?;
        // Before a SWIX is built, which takes minutes.
        Lab::check_engine()?;
        let swix = self.lab.swix()?;
        if let Some(next) = &self.next_swix
            && extension::name_with_release(next)? == extension::name_with_release(&swix)?
        {
            bail!("{} is of the same release as {}: there is nothing to upgrade to", next.display(), swix.display());
        }
        let capabilities = driver.capabilities(&topology)?;
        let flanneld_there = flanneld.is_some()
            || (scenarios.iter().any(|scenario| scenario.wants.contains(&Want::Flanneld)) && has_flanneld(&swix)?);
        let recording = of_first_release.join(RECORDING);
        let offers = Offers {
            topology: &topology,
            cluster: &cluster,
            capabilities,
            flanneld: flanneld_there,
            first_swix: first_swix.is_some(),
            recording: self.record || recording.is_file(),
            record: self.record,
        };
        let plan = Plan {
            obstacles: offers.obstacles(&scenarios),
            scenarios,
            skipped: &self.conduct.skip,
            fail_fast: self.conduct.fail_fast,
            timeout: self.conduct.timeout,
        };
        let beforehand = plan.beforehand();
        check_possible(&self.scenario, &beforehand)?;
        let possible = beforehand.values().filter(|outcome| **outcome == PlayOutcome::Passed).count();
        if let Some(expected) = self.expect.filter(|expected| *expected != possible) {
            bail!("{possible} scenarios can be played here, and --expect says {expected}; {}", told(&beforehand));
        }
        let stand_ins = image::make_all()?;
        if self.lab.prefix.is_some() {
            Lab::ensure_down(&topology)?;
        }

        let work = tempfile::tempdir().context("cannot make a directory")?;
        let probe_image = cluster_test::workload::archive(&workspace(), work.path())?;
        let cluster_toml = work.path().join("cluster.toml");
        files::write_atomically(&cluster_toml, cluster_file::for_lab(&self.lab.cluster)?)?;
        let parts =
            Parts { swix, cluster_toml, probe_image, next_swix: self.next_swix, flanneld, first_swix, recording };
        let traits: Traits = self.lab.traits.into_iter().collect();
        interrupt::watch();
        let first_seed = self.seed.unwrap_or_else(|| fastrand::u32(..).into());
        let (mut failed, mut played) = (0, 0);
        for round in 0..self.repeat {
            let seed = first_seed.wrapping_add(round.into());
            println!("run {} of {}, seed {seed}", round + 1, self.repeat);
            let play = Play {
                topology: &topology,
                file: &self.lab.topology,
                cluster: &cluster,
                parts: &parts,
                driver: &driver,
                stand_ins: &stand_ins,
                traits: &traits,
                suite: self.suite,
                plan: &plan,
                seed,
                master_away: Duration::from_secs(self.master_away),
                keep: self.keep,
                keep_on_failure: self.conduct.keep_on_failure,
                history: &self.report,
            };
            let run = play.once()?;
            if run.interrupted {
                bail!("interrupted");
            }
            failed += u32::from(!run.has_passed());
            played = round + 1;
            // Whoever wants to see what has failed, or no more of it.
            if failed > 0 && (self.conduct.keep_on_failure || self.conduct.fail_fast) {
                break;
            }
        }
        match failed {
            0 => Ok(()),
            _ => bail!("not everything passed in {failed} of {played} runs, the first seed was {first_seed}"),
        }
    }
}

/// A suite by its name, for clap.
fn suite(name: &str) -> Result<&'static Suite, String> {
    Suite::named(name).map_err(|error| error.to_string())
}

/// Fails where a scenario that was asked for by name cannot be played.
fn check_possible(asked: &[String], beforehand: &Outcomes) -> Result<()> {
    let why = |name: &String| told_of(name, beforehand.get(name.as_str())?);
    asked.iter().find_map(why).map_or(Ok(()), |why| bail!(why))
}

fn told(beforehand: &Outcomes) -> String {
    let each = beforehand.iter().filter_map(|(name, outcome)| told_of(name, outcome));
    each.collect::<Vec<_>>().join("; ")
}

/// Why one is not played, if so.
fn told_of(name: &str, outcome: &PlayOutcome) -> Option<String> {
    let (word, why) = outcome.told();
    (*outcome != PlayOutcome::Passed).then(|| format!("{name} is {word}: {why}"))
}

/// Whether a SWIX has a flanneld.
fn has_flanneld(swix: &Path) -> Result<bool> {
    let inside = swix::inspect::inspect(swix, swix::inspect::Probes::Skip, &Silent)?.image;
    let path = |entry: &swix::inspect::ImageEntry| Path::new(extension::MOUNT_POINT).join(&entry.path);
    Ok(inside.iter().any(|entry| path(entry) == Path::new(FLANNELD)))
}
