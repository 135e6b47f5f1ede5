//! `topo-test`: raises a topology, installs the SWIX on its switches, plays scenarios, and says what came of them.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use base::files;
use cluster::Cluster;
use topo_test::{
    Observer, Parts, Recorder, Scene, engine,
    record::{self, Run},
    report, scenario,
};
use topology::{
    Lab, Topology,
    format::{self, Kind},
    lab::{Driver, Options},
};

use crate::{
    device,
    flags::{ImageName, TopoTest},
    image, interrupt, progress,
    session::workspace,
};

pub fn run(flags: TopoTest) -> Result<()> {
    let scenarios = scenario::select(&flags.scenario)?;
    if flags.list {
        scenarios.iter().for_each(|scenario| println!("{:14} {}", scenario.name, scenario.purpose));
        return Ok(());
    }
    let topology = Topology::load(&flags.topology)?;
    if flags.destroy {
        let there = Lab::clear(&topology)?;
        println!(
            "{} of the topology {}",
            if there { "took away what was there" } else { "nothing was there" },
            topology.prefix
        );
        return Ok(());
    }
    let cluster = Cluster::parse(&files::read_text(&flags.cluster)?, &flags.cluster.display().to_string())?;
    if let Some(node) = cluster.nodes.iter().find(|node| topology.switches().all(|switch| switch.name != node.name)) {
        bail!("{} names the node {}, and the topology has no such switch", flags.cluster.display(), node.name);
    }
    let swix =
        flags.swix.or_else(device::newest_swix).context("there is no SWIX: run `cargo xtask build-swix` first")?;
    for file in [Some(&swix), flags.next_swix.as_ref()].into_iter().flatten() {
        ensure!(file.is_file(), "there is no SWIX {}", file.display());
    }
    if let Some(file) = flags.flanneld.as_ref().filter(|file| !file.is_file()) {
        bail!("there is no flanneld {}", file.display());
    }
    let driver = device::driver_of(flags.driver, flags.docker_topo)?;
    [ImageName::Veos, ImageName::Host].into_iter().try_for_each(image::make)?;

    let work = tempfile::tempdir().context("cannot make a folder")?;
    let probe_image = proof::workload::archive(&workspace(), work.path())?;
    let parts =
        Parts { swix, cluster_toml: flags.cluster, probe_image, next_swix: flags.next_swix, flanneld: flags.flanneld };
    interrupt::watch()?;
    let first_seed = flags.seed.unwrap_or_else(|| fastrand::u32(..).into());
    let mut failed = 0;
    for round in 0..flags.repeat {
        let seed = first_seed.wrapping_add(round.into());
        println!("run {} of {}, seed {seed}", round + 1, flags.repeat);
        let played = Played {
            topology: &topology,
            file: &flags.topology,
            cluster: &cluster,
            parts: &parts,
            driver: &driver,
            scenarios: &scenarios,
            seed,
            master_away: Duration::from_secs(flags.master_away),
            keep: flags.keep,
        };
        let run = played.play()?;
        let asked_for = |scenario: &&record::Scenario| flags.scenario.contains(&scenario.name);
        let skipped = |scenario: &record::Scenario| matches!(scenario.outcome, record::Outcome::Skipped(_));
        let passed = run.has_passed() && !run.scenarios.iter().filter(asked_for).any(skipped);
        failed += u32::from(!passed);
        if interrupt::came() {
            bail!("interrupted");
        }
    }
    if failed > 0 {
        bail!("not everything passed in {failed} of {} runs, seed {first_seed}", flags.repeat);
    }
    Ok(())
}

/// One run.
struct Played<'a> {
    topology: &'a Topology,
    file: &'a Path,
    cluster: &'a Cluster,
    parts: &'a Parts,
    driver: &'a Driver,
    scenarios: &'a [&'static topo_test::Scenario],
    seed: u64,
    master_away: Duration,
    keep: bool,
}

impl Played<'_> {
    /// Raises the topology, plays the scenarios, and writes down what came of them.
    fn play(&self) -> Result<Run> {
        let began = Instant::now();
        let name = match self.driver {
            Driver::BuiltIn => "built-in",
            Driver::DockerTopo(_) => "docker-topo",
        };
        let options = Options { driver: self.driver.clone(), interrupted: interrupt::came, ..Options::default() };
        let lab = Lab::raise_with(self.topology, &BTreeMap::new(), &options, &*progress::for_stderr())?;
        let recorder = Recorder::new(&Lines);
        let mut scene = Scene {
            lab: &lab,
            cluster: self.cluster,
            parts: self.parts,
            recorder: &recorder,
            seed: self.seed,
            random: fastrand::Rng::with_seed(self.seed),
            master_away: self.master_away,
            interrupted: &interrupt::came,
        };
        engine::run(self.scenarios, &mut scene);
        let (scenarios, figures) = recorder.finish();
        let run = Run {
            took: began.elapsed().as_secs_f64(),
            driver: name.to_owned(),
            topology: self.file.display().to_string(),
            prefix: self.topology.prefix.clone(),
            swix: self.parts.swix.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            seed: self.seed,
            devices: lab.devices().map(|device| device_of(&device)).collect::<Result<_>>()?,
            links: self.topology.links.iter().map(link_of).collect(),
            scenarios,
            figures,
        };
        let written = report::write_json(&run, &workspace().join("dist/topo-test"));
        if self.keep {
            println!("the topology stays up; `cargo xtask topo-test --destroy` takes it away");
        } else {
            lab.destroy()?;
        }
        print!("{}", report::table::scenarios(&run));
        println!("took {:.0} s; written to {}", run.took, written?.display());
        Ok(run)
    }
}

fn device_of(device: &topology::Device) -> Result<record::Device> {
    let kind = if device.kind() == Kind::Switch { "switch" } else { "host" };
    let identity = device.identity()?;
    Ok(record::Device {
        name: device.name().to_owned(),
        kind: kind.to_owned(),
        image: device.image().to_owned(),
        identity: identity.to_string(),
    })
}

fn link_of(link: &format::Link) -> record::Link {
    let driver = match link.driver {
        format::Driver::Veth => "veth",
        format::Driver::Bridge => "bridge",
        format::Driver::Macvlan => "macvlan",
    };
    let end =
        |end: &format::Endpoint| record::Endpoint { device: end.device.clone(), interface: end.interface.clone() };
    record::Link {
        name: link.name.clone(),
        driver: driver.to_owned(),
        endpoints: link.endpoints.iter().map(end).collect(),
    }
}

/// A line for whatever begins and ends.
struct Lines;

impl Observer for Lines {
    fn scenario_begins(&self, name: &str, purpose: &str) {
        eprintln!("== {name}: {purpose}");
    }

    fn step_begins(&self, _: &str, step: &str) {
        eprintln!("   {step}");
    }

    fn scenario_ended(&self, scenario: &record::Scenario) {
        eprintln!("== {}: {:?} after {:.1} s", scenario.name, scenario.outcome, scenario.took);
    }
}
