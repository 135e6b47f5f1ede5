//! `topo-test`: raises a topology, installs the SWIX on its switches, plays scenarios, and says what came of them.

use std::{collections::BTreeMap, time::Instant};

use anyhow::{Context, Result, bail};
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
    let driver = device::driver_of(flags.driver, flags.docker_topo)?;
    [ImageName::Veos, ImageName::Host].into_iter().try_for_each(image::make)?;

    let work = tempfile::tempdir().context("cannot make a folder")?;
    let probe_image = proof::workload::archive(&workspace(), work.path())?;
    let parts = Parts { swix, cluster_toml: flags.cluster, probe_image };
    interrupt::watch()?;
    let began = Instant::now();
    let name = match &driver {
        Driver::BuiltIn => "built-in",
        Driver::DockerTopo(_) => "docker-topo",
    };
    let options = Options { driver, interrupted: interrupt::came, ..Options::default() };
    let lab = Lab::raise_with(&topology, &BTreeMap::new(), &options, &*progress::for_stderr())?;
    let recorder = Recorder::new(&Lines);
    let mut scene =
        Scene { lab: &lab, cluster: &cluster, parts: &parts, recorder: &recorder, interrupted: &interrupt::came };
    engine::run(&scenarios, &mut scene);
    let (scenarios, figures) = recorder.finish();
    let run = Run {
        took: began.elapsed().as_secs_f64(),
        driver: name.to_owned(),
        topology: flags.topology.display().to_string(),
        prefix: topology.prefix.clone(),
        swix: parts.swix.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        devices: lab.devices().map(|device| device_of(&device)).collect::<Result<_>>()?,
        links: topology.links.iter().map(link_of).collect(),
        scenarios,
        figures,
    };
    let written = report::write_json(&run, &workspace().join("dist/topo-test"));
    if flags.keep {
        println!("the topology stays up; `cargo xtask topo-test --destroy` takes it away");
    } else {
        lab.destroy()?;
    }
    print!("{}", report::table::scenarios(&run));
    println!("written to {}", written?.display());
    if !run.has_passed() {
        bail!("not everything passed");
    }
    Ok(())
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
