//! `power-cuts`: cuts a switch's power at random moments of its boots, and counts how often it came back whole.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use cluster_test::{
    Switch, cluster_file,
    power_cuts::{self, Boot, PowerCutReport, PowerCutRequest},
    state::Reached,
};
use devices::{Flash, Lab, Options};
use topology::{Topology, format::DeviceKind};

use super::{device, image};
use crate::{interrupt, progress, workspace::workspace};

/// Keeps it apart from other labs.
const PREFIX: &str = "power-cuts";

#[derive(Args)]
pub struct PowerCuts {
    /// How many first boots to cut, each on a new flash
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub first_boot: u32,
    /// How many later boots to cut
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub later: u32,
    /// SWIX to install [default: the newest in dist/]
    #[arg(long, value_name = "FILE")]
    pub swix: Option<PathBuf>,
    /// Take the moments of an earlier run [default: others each time]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// The latest moment of a cut [default: when a boot that nothing disturbs is done]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub latest: Option<u64>,
    /// How many seconds a boot may take
    #[arg(long, value_name = "SECONDS", default_value_t = 240)]
    pub limit: u64,
}

impl PowerCuts {
    pub fn run(self) -> Result<()> {
        let swix = self.swix.map_or_else(device::newest_swix, Ok)?;
        let options = Options { stand_ins: image::make_all()?, interrupted: interrupt::came, ..Options::default() };
        let seed = self.seed.unwrap_or_else(|| fastrand::u32(..).into());
        println!("seed {seed}; the switch is a stand-in for EOS");
        let cluster = cluster_file::for_lab(&workspace().join("topo/cluster-one.toml"))?;
        let flash = Flash::new().with_boot_extension(&swix)?.with_bytes("cluster.toml", cluster);
        let topology = Topology::load(&workspace().join("topo/one.yml"))?.under_prefix(PREFIX);
        // What an earlier run left that was killed.
        Lab::ensure_down(&topology)?;
        interrupt::watch();
        let progress = progress::for_stderr();
        let lab = Lab::up_guarded(&topology, &flash, &options, &*progress)?;
        let device = lab.devices().find(|device| device.kind() == DeviceKind::Switch);
        let switch = Switch::from(device.context("topo/one.yml has no switch")?);
        let request = PowerCutRequest {
            first_boots: self.first_boot,
            later_boots: self.later,
            latest: self.latest.map(Duration::from_secs),
            limit: Duration::from_secs(self.limit),
        };
        let mut random = fastrand::Rng::with_seed(seed);
        let report = power_cuts::run(&request, &switch, &flash, &mut random, &|line| progress.note(line))?;
        print(&report);
        let failed = report.failed().count();
        for cut in report.failed() {
            if let Err(error) = &cut.outcome {
                println!("\n{} cut at {:.2} s ({}):\n{error:#}", cut.boot, cut.after.as_secs_f64(), cut.reached);
            }
        }
        if failed > 0 {
            bail!("{failed} of {} cuts were not recovered from; the seed was {seed}", report.cuts.len());
        }
        Ok(())
    }
}

/// A row for each boot and for how far it had come: cuts, recoveries, and the slowest of these.
fn print(report: &PowerCutReport) {
    let mut rows: BTreeMap<(Boot, Reached), Vec<Option<Duration>>> = BTreeMap::new();
    for cut in &report.cuts {
        rows.entry((cut.boot, cut.reached)).or_default().push(cut.outcome.as_ref().ok().copied());
    }
    println!("undisturbed first boot: ready after {:.1} s", report.undisturbed.as_secs_f64());
    println!("{:12} {:22} {:>5} {:>10} {:>14}", "cut during", "on the flash then", "cuts", "recovered", "slowest");
    for ((boot, reached), outcomes) in rows {
        let recovered: Vec<Duration> = outcomes.iter().flatten().copied().collect();
        let slowest = recovered.iter().max().map_or("-".into(), |time| format!("{:.1} s", time.as_secs_f64()));
        let (boot, reached) = (boot.to_string(), reached.to_string());
        println!("{boot:12} {reached:22} {:5} {:10} {slowest:>14}", outcomes.len(), recovered.len());
    }
}
