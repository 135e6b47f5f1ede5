//! `topo-test`: raises a topology, installs the SWIX on its switches, plays scenarios, and says what came of them.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail};
use base::{Progress, digest::Sha256, files};
use cluster::Cluster;
use topo_test::{
    Parts, Recorder, Scene, devices, engine,
    record::{Outcome, Run},
    report, scenario,
};
use topology::{
    Lab, Topology,
    lab::{Driver, Options},
};

use crate::{
    device,
    flags::{ImageName, TopoTest},
    image, interrupt,
    session::workspace,
    topo_test_watch::Watch,
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
    let watch = Watch::for_stderr();
    let recorder = Recorder::new(&watch);
    let name = match &driver {
        Driver::BuiltIn => "built-in",
        Driver::DockerTopo(_) => "docker-topo",
    };
    let run = Run {
        began: recorder.began(),
        took: 0.0,
        interrupted: false,
        driver: name.to_owned(),
        topology: flags.topology.display().to_string(),
        prefix: topology.prefix.clone(),
        swix: parts.swix.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        swix_sha256: Sha256::of_file(&parts.swix).with_context(|| cannot_read(&parts.swix))?.to_string(),
        devices: devices::of_topology(&topology),
        links: devices::links(&topology),
        scenarios: vec![],
        figures: vec![],
        bring_ups: vec![],
    };
    let folder = workspace().join("dist/topo-test");
    files::remove_tree(&folder)?;
    let options = Options { driver, interrupted: interrupt::came, ..Options::default() };
    let lab = match raise(&topology, &options, &recorder, &*watch.progress()) {
        Ok(lab) => lab,
        Err(error) => {
            engine::skip(&scenarios, &recorder, "the topology could not be raised");
            report(run, &recorder, &folder)?;
            return Err(error);
        }
    };
    let mut scene =
        Scene { lab: &lab, cluster: &cluster, parts: &parts, recorder: &recorder, interrupted: &interrupt::came };
    watch.over(&lab, || engine::run(&scenarios, &mut scene));
    let (devices, without_logs) = devices::of_lab(&lab, &recorder, &folder);
    without_logs.iter().for_each(|error| eprintln!("remark: {error:#}"));
    let written = report(Run { devices, ..run }, &recorder, &folder);
    if flags.keep {
        println!("the topology stays up; `cargo xtask topo-test --destroy` takes it away");
    } else {
        lab.destroy()?;
    }
    let run = written?;
    if run.interrupted {
        bail!("interrupted");
    }
    if !run.has_passed() {
        bail!("not everything passed");
    }
    Ok(())
}

/// Raising the topology is the first scenario of every run.
fn raise(topology: &Topology, options: &Options, recorder: &Recorder<'_>, progress: &dyn Progress) -> Result<Lab> {
    recorder.begin_scenario("raise", "every device is there, on and wired");
    let raised = Lab::raise_with(topology, &BTreeMap::new(), options, progress);
    let outcome = match &raised {
        Ok(_) => Outcome::Passed,
        Err(error) => Outcome::Failed(format!("{error:#}")),
    };
    recorder.end_scenario(outcome, vec![]);
    raised
}

/// Writes the report and prints the tables.
fn report(run: Run, recorder: &Recorder<'_>, folder: &Path) -> Result<Run> {
    let (scenarios, figures) = recorder.finish();
    let (took, bring_ups) = (recorder.now(), recorder.bring_ups());
    let run = Run { took, interrupted: interrupt::came(), scenarios, figures, bring_ups, ..run };
    print!("\n{}\n", report::table::all(&run));
    let page = report::write(&run, folder)?;
    println!("the report is {}", page.display());
    Ok(run)
}

fn cannot_read(path: &Path) -> String {
    format!("cannot read {}", path.display())
}
