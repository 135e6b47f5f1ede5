//! Each switch is rebooted in turn, in random order.

use std::time::Instant;

use anyhow::Result;

use crate::{Scenario, Scene, answering, identity::ClusterIdentity, scene::BRING_UP};

pub const SCENARIO: Scenario = Scenario {
    name: "reboot-each",
    purpose: "each switch that is rebooted comes back as the node that it was, with its pods",
    needs: &["bring-up"],
    play,
};

fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("a Service answers at every switch", |scene| answering::start(scene))?;
    let before = ClusterIdentity::of(&scene.master()?)?;
    let mut switches = scene.switches()?;
    scene.random.shuffle(&mut switches);
    for switch in &switches {
        let took = scene.step(format!("reboot {}, and wait until it is ready", switch.name()), |scene| {
            switch.shut_down()?;
            let began = Instant::now();
            switch.power_on()?;
            switch.wait_until_ready(BRING_UP)?;
            let took = began.elapsed().as_secs_f64();
            scene.wait_until_nodes_ready(BRING_UP)?;
            Ok(took)
        })?;
        scene.figure(
            &format!("reboot of {}", switch.name()),
            took,
            "s",
            "from power-on until it says that it is ready",
        );
        scene.step("the Service answers at every switch", |scene| answering::wait(scene))?;
    }
    scene.step("it is the same cluster", |scene| before.has_stayed(&scene.master()?))
}
