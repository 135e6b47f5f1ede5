//! Hands off until every switch is a node that is ready.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use contract::Stage;
use devices::Device;
use serde_json::json;

use crate::{
    Scene, Switch,
    asking::{self, Protocol},
    manifest,
    record::{BringUp, StageSpan},
    scene::{BRING_UP, eventually},
    timing::power_on_and_ready,
    workload,
};

const NAME: &str = "first-answer";
const NODE_PORT: u16 = 31080;

/// Moments of the run.
struct Moments {
    powered_on: f64,
    installed: f64,
    ready: f64,
    first_answer: f64,
}

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let installed = scene.recorder.now();
    // Made with what is in it, by an API server that is not there yet.
    scene.namespace = Some(NAME);
    let host = scene.hosts().pop().context("the topology has no host")?;
    let text = format!("wait until every switch says that it is ready; meanwhile {} asks a Service", host.name());
    let first_answer = scene.step(text, |scene| wait(scene, host))?;
    scene.step("the API server lists every worker as Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))?;
    let (powered_on, ready) = record(scene, "install", installed)?;
    figures(scene, host.name(), &Moments { powered_on, installed, ready, first_answer });
    Ok(())
}

/// Waits for the switches while a host asks the last worker for a Service, whose objects are applied as soon as the API
/// server takes them. The moment of the first answer.
fn wait(scene: &Scene<'_>, host: Device<'_>) -> Result<f64> {
    let (master, recorder) = (scene.master()?, scene.recorder);
    let to = (scene.worker_nodes().last().context("cluster.toml has no worker")?.address, NODE_PORT).into();
    let service = workload::service(NAME, NAME, &[(Protocol::Tcp, NODE_PORT)], json!({}));
    let objects = [manifest::namespace(NAME), workload::deployment(NAME, 3), service];
    let apply_and_ask = || {
        // Before, kubectl would do nothing but load the master.
        let apply = || master.has_done(Stage::ApiServer).and_then(|()| manifest::apply(&master, NAME, &objects));
        eventually("the API server takes the objects", BRING_UP, apply)?;
        eventually("the Service answers", BRING_UP, || asking::by_tcp(&host, to))?;
        Ok(recorder.now())
    };
    thread::scope(|threads| {
        let asking = threads.spawn(apply_and_ask);
        scene.wait_until_all_ready(BRING_UP)?;
        asking.join().map_err(|_| anyhow!("the thread that asks the Service panicked"))?
    })
}

fn figures(scene: &Scene<'_>, host: &str, moments: &Moments) {
    let Moments { powered_on, installed, ready, first_answer } = moments;
    let after_install = "from the end of the install to the last switch that says it is ready";
    scene.figure("bring-up", ready - installed, "s", after_install);
    let with_install = "from the start of the first switch; the routing scenario and the install by hand are in it";
    scene.figure("power-on to every node Ready", ready - powered_on, "s", with_install);
    let after_install = "a NodePort of the last worker; from the end of the install, the objects applied as soon as the API server took them";
    let name = format!("first Service answer from {host}");
    scene.figure(&name, first_answer - installed, "s", after_install);
    let name = format!("power-on to first Service answer from {host}");
    scene.figure(&name, first_answer - powered_on, "s", with_install);
}

/// Writes down how each switch became ready, and returns the moments when the first of them was switched on and when the last was
/// ready. `began` is the end of what it came after, where no stage began before it.
pub(super) fn record(scene: &mut Scene<'_>, occasion: &str, began: f64) -> Result<(f64, f64)> {
    scene.step("ask every switch when it was switched on, and when each of its stages began and ended", |scene| {
        let switches = scene.switches()?;
        switches.iter().try_for_each(|switch| record_one(scene, switch, occasion, began))?;
        let (on, ready) = power_on_and_ready(&switches)?;
        let moment = |at: Instant| scene.recorder.now() - at.elapsed().as_secs_f64();
        Ok((moment(on), moment(ready)))
    })
}

fn record_one(scene: &Scene<'_>, switch: &Switch<'_>, occasion: &str, began: f64) -> Result<()> {
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
