//! All switches are rebooted at once.

use std::{thread, time::Instant};

use anyhow::{Result, anyhow};

use crate::{Scenario, Scene, answering, identity::ClusterIdentity, scene::BRING_UP};

pub const SCENARIO: Scenario = Scenario {
    name: "reboot-all",
    purpose: "switches that are all rebooted at once become the same cluster again, with its pods",
    needs: &["bring-up"],
    play,
};

fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("a Service answers at every switch", |scene| answering::start(scene))?;
    let before = ClusterIdentity::of(&scene.master()?)?;
    let mut switches = scene.switches()?;
    scene.random.shuffle(&mut switches);
    let began = scene.step("shut all down, and switch all on", |_| {
        thread::scope(|scope| -> Result<()> {
            let stopping: Vec<_> = switches.iter().map(|switch| scope.spawn(|| switch.shut_down())).collect();
            stopping
                .into_iter()
                .try_for_each(|stopped| stopped.join().map_err(|_| anyhow!("a thread that shut one down panicked"))?)
        })?;
        let began = Instant::now();
        switches.iter().try_for_each(|switch| switch.power_on())?;
        Ok(began)
    })?;
    scene.step("wait until every switch is ready", |scene| scene.wait_until_all_ready(BRING_UP))?;
    let took = began.elapsed().as_secs_f64();
    scene.figure("reboot of all switches", took, "s", "from power-on until the last one says that it is ready");
    scene.step("every node is Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))?;
    scene.step("the Service answers at every switch", |scene| answering::wait(scene))?;
    scene.step("it is the same cluster", |scene| before.has_stayed(&scene.master()?))
}
