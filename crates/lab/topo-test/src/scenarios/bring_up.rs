//! Hands off until every switch is a node that is ready.

use std::thread;

use anyhow::{Context, Result, anyhow};
use proof::age_of_first_process;

use crate::{Scene, first_answer::Asker, scene::BRING_UP};

/// Moments that are counted from power-on.
struct Moments {
    ready: f64,
    first_answer: f64,
}

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let installed = scene.recorder.now();
    let asker = asker(scene)?;
    let moments = wait(scene, &asker)?;
    scene.step("the API server lists every node as Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))?;
    scene.step("ask every switch when each of its stages began and ended", |scene| {
        let switches = scene.switches()?;
        switches.iter().try_for_each(|switch| scene.record_bring_up(switch, "install", installed))?;
        let ages = switches.iter().map(|switch| age_of_first_process(switch));
        let oldest = ages.collect::<Result<Vec<_>>>()?.into_iter().max().context("the cluster has no switch")?;
        figures(scene, asker.host.name(), installed, scene.recorder.now() - oldest.as_secs_f64(), &moments);
        Ok(())
    })?;
    scene.step("take the Service away", |_| asker.clean_up())
}

/// The last host asks the last switch.
fn asker<'a>(scene: &Scene<'a>) -> Result<Asker<'a>> {
    Ok(Asker {
        master: scene.master()?,
        host: scene.hosts().pop().context("the topology has no host")?,
        address: scene.cluster.nodes.last().context("the cluster has no node")?.address,
        recorder: scene.recorder,
        interrupted: scene.interrupted,
        limit: BRING_UP,
    })
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
    let after_install = "a NodePort of the last switch; from the end of the install, the objects applied as soon as the API server took them";
    let name = format!("first Service answer from {host}");
    scene.figure(&name, moments.first_answer - installed, "s", after_install);
    let name = format!("power-on to first Service answer from {host}");
    scene.figure(&name, moments.first_answer - powered_on, "s", with_install);
}
