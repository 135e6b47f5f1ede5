//! Hands off until every switch is a node that is ready.

use std::{net::Ipv4Addr, thread, time::Duration};

use anyhow::{Context, Result, anyhow};
use devices::Device;
use serde_json::json;

use crate::{
    Recorder, Scene, Switch, age_of_first_process,
    asking::{self, Protocol},
    manifest,
    record::{BringUp, StageSpan},
    scene::{BRING_UP, Interrupted, eventually},
    workload,
};

const NAME: &str = "first-answer";
const NODE_PORT: u16 = 31080;

/// Moments that are counted from power-on.
struct Moments {
    ready: f64,
    first_answer: f64,
}

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let installed = scene.recorder.now();
    let asker = Asker::of(scene)?;
    let moments = wait(scene, &asker)?;
    scene.step("the API server lists every worker as Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))?;
    scene.step("ask every switch when each of its stages began and ended", |scene| {
        let switches = scene.switches()?;
        switches.iter().try_for_each(|switch| record(scene, switch, "install", installed))?;
        let ages = switches.iter().map(|switch| age_of_first_process(switch));
        let oldest = ages.collect::<Result<Vec<_>>>()?.into_iter().max().context("the cluster has no switch")?;
        figures(scene, asker.host.name(), installed, scene.recorder.now() - oldest.as_secs_f64(), &moments);
        Ok(())
    })?;
    scene.step("take the Service away", |_| asker.clean_up())
}

/// Waits for the switches while a Service is asked.
fn wait(scene: &mut Scene<'_>, asker: &Asker<'_>) -> Result<Moments> {
    let text = format!("wait until every switch says that it is ready; meanwhile {} asks a Service", asker.host.name());
    scene.step(text, |scene| {
        thread::scope(|threads| {
            let asking = threads.spawn(|| asker.apply_and_ask());
            scene.wait_until_all_ready(BRING_UP)?;
            let ready = scene.recorder.now();
            let first_answer = asking.join().map_err(|_| anyhow!("the thread that asks the Service panicked"))??;
            Ok(Moments { ready, first_answer })
        })
    })
}

fn figures(scene: &Scene<'_>, host: &str, installed: f64, powered_on: f64, moments: &Moments) {
    let after_install = "from the end of the install to the last switch that says it is ready";
    scene.figure("bring-up", moments.ready - installed, "s", after_install);
    let with_install = "from the start of the first switch; the routing scenario and the install by hand are in it";
    scene.figure("power-on to every node Ready", moments.ready - powered_on, "s", with_install);
    let after_install = "a NodePort of the last worker; from the end of the install, the objects applied as soon as the API server took them";
    let name = format!("first Service answer from {host}");
    scene.figure(&name, moments.first_answer - installed, "s", after_install);
    let name = format!("power-on to first Service answer from {host}");
    scene.figure(&name, moments.first_answer - powered_on, "s", with_install);
}

/// Writes down how a switch that is ready became so. `began` is the end of what it came after, where no stage began before it.
pub(super) fn record(scene: &Scene<'_>, switch: &Switch<'_>, occasion: &str, began: f64) -> Result<()> {
    let times = switch.stage_times()?;
    let now = scene.recorder.now();
    let moment = |before: Duration| now - before.as_secs_f64();
    let stages: Vec<StageSpan> = times
        .into_iter()
        .map(|times| StageSpan {
            name: times.stage.stage,
            began: moment(times.began_before),
            ended: moment(times.ended_before),
            line: times.stage.record.line,
        })
        .collect();
    let began = stages.iter().map(|stage| stage.began).fold(began, f64::min);
    let ready = stages.iter().map(|stage| stage.ended).reduce(f64::max);
    let (device, occasion) = (switch.name().to_owned(), occasion.to_owned());
    scene.recorder.bring_up(BringUp { device, occasion, began, stages, ready });
    Ok(())
}

/// The last host asks the last worker for a Service whose objects are applied while the cluster still comes up. By itself, as
/// it is on a thread of its own.
struct Asker<'a> {
    master: Switch<'a>,
    host: Device<'a>,
    /// The worker that is asked.
    address: Ipv4Addr,
    recorder: &'a Recorder<'a>,
    interrupted: &'a Interrupted,
}

impl<'a> Asker<'a> {
    fn of(scene: &Scene<'a>) -> Result<Asker<'a>> {
        Ok(Asker {
            master: scene.master()?,
            host: scene.hosts().pop().context("the topology has no host")?,
            address: scene.worker_nodes().last().context("cluster.toml has no worker")?.address,
            recorder: scene.recorder,
            interrupted: scene.interrupted,
        })
    }

    /// Applies the objects as soon as the API server takes them, asks, and returns the moment of the first answer.
    fn apply_and_ask(&self) -> Result<f64> {
        let node_port = [(Protocol::Tcp, NODE_PORT)];
        let objects = [workload::deployment(NAME, 3), workload::service(NAME, NAME, &node_port, json!({}))];
        eventually(self.interrupted, "the API server takes the objects", BRING_UP, || {
            manifest::apply(&self.master, NAME, &objects)
        })?;
        let to = (self.address, NODE_PORT).into();
        eventually(self.interrupted, "the Service answers", BRING_UP, || asking::by_tcp(&self.host, to))?;
        Ok(self.recorder.now())
    }

    /// Takes the objects away.
    fn clean_up(&self) -> Result<()> {
        manifest::delete(&self.master, NAME)
    }
}
