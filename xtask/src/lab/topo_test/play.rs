//! One run of `topo-test`: brings up the topology, plays the scenarios, writes the report, takes everything away.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use cluster::Cluster;
use cluster_test::{
    Parts, Recorder, Scene, Suite, describe,
    engine::{self, Plan},
    record::{PlayOutcome, Run},
    report::{self, history},
};
use common::{Progress, command::Program, digest::Sha256, errors};
use devices::{Driver, Flash, Lab, LabGuard, Options, Traits, images::StandIns};
use topology::Topology;

use super::watch::Watch;
use crate::{interrupt, workspace::workspace};

/// What is played, and on what.
pub struct Play<'a> {
    pub topology: &'a Topology,
    pub file: &'a Path,
    pub cluster: &'a Cluster,
    pub parts: &'a Parts,
    pub driver: &'a Driver,
    pub stand_ins: &'a StandIns,
    pub traits: &'a Traits,
    pub suite: &'a Suite,
    pub plan: &'a Plan<'a>,
    pub seed: u64,
    pub master_away: Duration,
    /// The topology stays up.
    pub keep: bool,
    /// So it does where something has failed.
    pub keep_on_failure: bool,
    /// Where the run's directory is made.
    pub history: &'a Path,
}

impl Play<'_> {
    pub fn once(&self) -> Result<Run> {
        let watch = Watch::for_stderr();
        let recorder = Recorder::new(&watch);
        let run = self.not_yet_played(&recorder)?;
        let directory = history::begin(self.history, &recorder.began(), commit().as_deref())?;
        let lab = match self.up(&recorder, &*watch.progress()) {
            Ok(lab) => lab,
            Err(error) => {
                engine::skip(&self.plan.scenarios, &recorder, "the topology could not be brought up");
                return errors::both(Err(error), self.report(run, &recorder, &directory).map(drop));
            }
        };
        let mut scene = Scene {
            lab: &lab,
            cluster: self.cluster,
            parts: self.parts,
            recorder: &recorder,
            seed: self.seed,
            random: fastrand::Rng::with_seed(self.seed),
            master_away: self.master_away,
            conntrack: BTreeMap::new(),
            long_lived: vec![],
            namespace: None,
        };
        watch.over(&lab, || engine::run(self.plan, &mut scene));
        let (devices, without_logs) = describe::of_lab(&lab, &recorder, &directory);
        without_logs.iter().for_each(|error| eprintln!("remark: {error:#}"));
        let written = self.report(Run { devices, ..run }, &recorder, &directory);
        let failed = written.as_ref().is_ok_and(|run| !run.interrupted && !run.has_passed());
        if self.keep || (self.keep_on_failure && failed) {
            let devices: Vec<String> = lab.devices().map(|device| device.container()).collect();
            println!("the topology stays up: {}", devices.join(", "));
            println!("`docker exec -it {} bash` gets into one; {} takes it away", devices[0], self.down());
            lab.keep();
            written
        } else {
            errors::both(written, lab.down())
        }
    }

    fn not_yet_played(&self, recorder: &Recorder<'_>) -> Result<Run> {
        let swix = &self.parts.swix;
        let digest = Sha256::of_file(swix).with_context(|| format!("cannot read {}", swix.display()))?;
        Ok(Run {
            began: recorder.began(),
            suite: self.suite.name.to_owned(),
            driver: self.driver.name().to_owned(),
            topology: self.file.display().to_string(),
            prefix: self.topology.prefix.clone(),
            swix: swix.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            swix_sha256: digest.to_string(),
            seed: self.seed,
            devices: describe::of_topology(self.topology),
            links: describe::links(self.topology),
            ..Run::default()
        })
    }

    /// Bringing up the topology is the first scenario of every run.
    fn up(&self, recorder: &Recorder<'_>, progress: &dyn Progress) -> Result<LabGuard> {
        recorder.begin_scenario("up", "every device is there, on and wired");
        let options = Options {
            driver: self.driver.clone(),
            stand_ins: self.stand_ins.clone(),
            traits: self.traits.clone(),
            interrupted: interrupt::came,
            ..Options::default()
        };
        let lab = Lab::up_guarded(self.topology, &Flash::new(), &options, progress);
        recorder.end_scenario(PlayOutcome::of(&lab), vec![]);
        lab
    }

    /// What takes it away, wherever it came from.
    fn down(&self) -> String {
        let (file, prefix) = (self.file.display(), &self.topology.prefix);
        format!("`cargo xtask topo-test --topology {file} --prefix {prefix} --down`")
    }

    /// Writes the report and prints the tables.
    fn report(&self, run: Run, recorder: &Recorder<'_>, directory: &Path) -> Result<Run> {
        let (scenarios, figures, bring_ups) = recorder.finish();
        let run = Run { took: recorder.now(), interrupted: interrupt::came(), scenarios, figures, bring_ups, ..run };
        print!("\n{}\n", report::table::all(&run));
        let page = report::write(&run, directory)?;
        history::end(directory, &run)?;
        println!("the report is {}", page.display());
        Ok(run)
    }
}

/// Of this repository, where it is one.
fn commit() -> Option<String> {
    let git = Program::new("git", "know the commit").ok()?.dir(&workspace());
    git.args(["rev-parse", "--short=12", "HEAD"]).read().ok().map(|commit| commit.trim().to_owned())
}
