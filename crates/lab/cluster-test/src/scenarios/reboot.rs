//! Switches are rebooted or lose their power, each in turn or all at once, in random order: it is the same cluster afterwards,
//! with its pods.

use anyhow::Result;

use super::pods;
use crate::{ClusterIdentity, Scene, Switch, answering, scene::BRING_UP, timing::power_on_to_ready, workload};

pub fn each(scene: &mut Scene<'_>) -> Result<()> {
    in_turn(scene, "reboot", |switch| switch.shut_down())
}

pub fn each_by_power_cut(scene: &mut Scene<'_>) -> Result<()> {
    in_turn(scene, "power cut", |switch| switch.cut_power())
}

fn in_turn(scene: &mut Scene<'_>, what: &str, switch_off: fn(&Switch<'_>) -> Result<()>) -> Result<()> {
    around(scene, |scene, switches, before| {
        for switch in switches {
            let took = scene.step(format!("{what} of {}: wait until it is ready", switch.name()), |scene| {
                switch_off(switch)?;
                switch.power_on()?;
                switch.wait_until_ready(BRING_UP)?;
                let took = power_on_to_ready(&[*switch])?;
                scene.wait_until_nodes_ready(BRING_UP)?;
                Ok(took)
            })?;
            let name = format!("{what} of {}", switch.name());
            scene.figure(&name, took.as_secs_f64(), "s", "from power-on until it says that it is ready");
            still_the_same(scene, before)?;
        }
        Ok(())
    })
}

pub fn all(scene: &mut Scene<'_>) -> Result<()> {
    around(scene, |scene, switches, before| {
        scene.step("shut all down, and switch all on", |scene| {
            scene.on_each_switch(|switch| switch.shut_down())?;
            switches.iter().try_for_each(|switch| switch.power_on())
        })?;
        scene.step("wait until every switch is ready", |scene| scene.wait_until_all_ready(BRING_UP))?;
        let took = power_on_to_ready(switches)?.as_secs_f64();
        scene.figure(
            "reboot of all switches",
            took,
            "s",
            "from the first power-on until the last one says that it is ready",
        );
        scene.step("every worker is Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))?;
        still_the_same(scene, before)
    })
}

/// What is before and after all of them. The work has the switches in random order.
fn around<'a>(
    scene: &mut Scene<'a>,
    work: impl FnOnce(&mut Scene<'a>, &[Switch<'a>], &ClusterIdentity) -> Result<()>,
) -> Result<()> {
    scene.step("a Service answers at every worker, and the pods on all workers reach each other", |scene| {
        answering::start(scene)?;
        pods::on_every_worker(scene)?;
        pods::all_reached(scene)
    })?;
    let before = ClusterIdentity::of(&scene.master()?)?;
    let mut switches = scene.switches()?;
    scene.random.shuffle(&mut switches);
    work(scene, &switches, &before)?;
    scene.step("take the pods away", |scene| workload::stop(&scene.master()?))
}

fn still_the_same(scene: &mut Scene<'_>, before: &ClusterIdentity) -> Result<()> {
    scene.step("the Service answers at every worker, the pods reach each other, and it is the same cluster", |scene| {
        answering::wait(scene)?;
        pods::all_reached(scene)?;
        before.has_stayed(&scene.master()?)
    })
}
