//! Switches are rebooted, each in turn or all at once, in random order: it is the same cluster afterwards, with its pods.

use std::time::Instant;

use crate::{ClusterIdentity, Switch};
use anyhow::Result;

use crate::{Scene, answering, scene::BRING_UP};

pub fn each(scene: &mut Scene<'_>) -> Result<()> {
    around(scene, |scene, switches| {
        for switch in switches {
            let took = scene.step(format!("reboot {}, and wait until it is ready", switch.name()), |scene| {
                switch.shut_down()?;
                let began = Instant::now();
                switch.power_on()?;
                switch.wait_until_ready(BRING_UP)?;
                let took = began.elapsed().as_secs_f64();
                scene.wait_until_nodes_ready(BRING_UP)?;
                Ok(took)
            })?;
            let name = format!("reboot of {}", switch.name());
            scene.figure(&name, took, "s", "from power-on until it says that it is ready");
            scene.step("the Service answers at every worker", |scene| answering::wait(scene))?;
        }
        Ok(())
    })
}

pub fn all(scene: &mut Scene<'_>) -> Result<()> {
    around(scene, |scene, switches| {
        let began = scene.step("shut all down, and switch all on", |scene| {
            scene.on_each_switch(|switch| switch.shut_down())?;
            let began = Instant::now();
            switches.iter().try_for_each(|switch| switch.power_on())?;
            Ok(began)
        })?;
        scene.step("wait until every switch is ready", |scene| scene.wait_until_all_ready(BRING_UP))?;
        let took = began.elapsed().as_secs_f64();
        scene.figure("reboot of all switches", took, "s", "from power-on until the last one says that it is ready");
        scene.step("every worker is Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))?;
        scene.step("the Service answers at every worker", |scene| answering::wait(scene))
    })
}

/// What is before and after both. The work has the switches in random order.
fn around<'a>(scene: &mut Scene<'a>, work: impl FnOnce(&mut Scene<'a>, &[Switch<'a>]) -> Result<()>) -> Result<()> {
    scene.step("a Service answers at every worker", |scene| answering::start(scene))?;
    let before = ClusterIdentity::of(&scene.master()?)?;
    let mut switches = scene.switches()?;
    scene.random.shuffle(&mut switches);
    work(scene, &switches)?;
    scene.step("it is the same cluster", |scene| before.has_stayed(&scene.master()?))
}
