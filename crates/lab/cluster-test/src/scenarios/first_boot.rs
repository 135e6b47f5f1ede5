//! What switches find on their flash makes nodes of them, hands off: when they are switched on for the first time, and when
//! it is all done again.

pub mod clock;
pub mod damage;
pub mod full_flash;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contract::{
    places::STATE,
    services,
    status::{StageState, Status},
};
use devices::Flash;

use super::{bring_up, kernel};
use crate::{Scene, Switch, power_cuts, scene::BRING_UP};

/// From one attempt of the bring-up to the next, on a busy machine.
const NEXT_ATTEMPT: Duration = Duration::from_secs(90);

pub fn boot(scene: &mut Scene<'_>) -> Result<()> {
    // Of those that are replaced: the same switches, with nothing on their flash.
    kernel::before_install(scene)?;
    let flash = scene.parts.flash()?;
    scene.step("switch every switch on for the first time, with all that it needs on its flash", |scene| {
        scene.on_each_switch(|switch| switch.replace(&flash))
    })?;
    let on = scene.recorder.now();
    scene.step("wait until every switch says that it is ready, and complains of nothing", |scene| {
        scene.switches()?.iter().try_for_each(|switch| ready_without_a_word(switch))
    })?;
    scene.step("the API server lists every worker as Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))?;
    let (powered_on, ready) = bring_up::record(scene, "first boot", on)?;
    scene.figure(
        "first boot",
        ready - powered_on,
        "s",
        "from the start of the first switch to the last that says it is ready",
    );
    Ok(())
}

fn ready_without_a_word(switch: &Switch<'_>) -> Result<()> {
    let status = switch.wait_until_ready(BRING_UP)?;
    ensure!(status.node == switch.node_name(), "{} says that it is {}", switch.name(), status.node);
    let complaints = status.complaints();
    ensure!(complaints.is_empty(), "{} is ready, and complains: {complaints}", switch.name());
    Ok(())
}

/// Switches off what other switches there are, and puts a new one in the master's place, with this on its flash.
fn alone<'a>(scene: &mut Scene<'a>, flash: &Flash) -> Result<Switch<'a>> {
    let switch = scene.master()?;
    scene.step(format!("switch {} on for the first time, and no other switch", switch.name()), |scene| {
        for other in scene.switches()?.iter().filter(|other| other.name() != switch.name()) {
            other.shut_down()?;
        }
        switch.replace(flash)
    })?;
    Ok(switch)
}

/// A bring-up that finds all as it should be leaves it.
pub fn again(scene: &mut Scene<'_>) -> Result<()> {
    for switch in scene.switches()? {
        scene.step(format!("a second bring-up of {} changes nothing", switch.name()), |scene| {
            let node = scene.cluster.node(switch.name()).context("cluster.toml names every switch")?;
            let units = services::NAMES.into_iter().filter(|name| match services::MASTER.contains(name) {
                true => node.master,
                false => node.worker,
            });
            let units: Vec<&str> = units.chain(node.worker.then_some("docker")).collect();
            let before = everything(&switch, &units)?;
            switch.exec_ok(["systemctl", "restart", services::BOOTSTRAP])?;
            let done = |status: &Status| {
                status.is_ready() && status.stages.iter().all(|stage| stage.record.state == StageState::Done)
            };
            switch.wait_for(BRING_UP, "ready again", done)?;
            let after = everything(&switch, &units)?;
            ensure!(after == before, "{}", crate::residue::difference(&after, &before));
            Ok(())
        })?;
    }
    Ok(())
}

/// What a bring-up could change: processes, files on the flash, packet filter, routes.
fn everything(switch: &Switch<'_>, units: &[&str]) -> Result<String> {
    let lines = switch.sh(&format!(
        "for unit in {units}; do
             systemctl show --property=Id,MainPID $unit
         done
         cd {STATE}
         find pki kubeconfigs admin.kubeconfig encryption-config.yaml images -type f -printf '%p %s %m %T@\\n' | sort
         iptables-save | sed -n -e 's/ \\[[0-9:]*\\]$//' -e '/^[-:*]/p'
         ip -4 route show table all",
        units = units.join(" ")
    ))?;
    ensure!(!lines.contains("MainPID=0"), "a service does not run:\n{lines}");
    Ok(lines)
}

pub fn power_cuts(scene: &mut Scene<'_>) -> Result<()> {
    let flash = scene.parts.flash()?;
    let switch = alone(scene, &flash)?;
    let mut random = scene.random.fork();
    scene.step(
        "cut its power at random moments of two first boots and a later one: each next boot ends well",
        |scene| {
            let request = power_cuts::PowerCutRequest { first_boots: 2, later_boots: 1, latest: None, limit: BRING_UP };
            let report = power_cuts::run(&request, &switch, &flash, &mut random, &|_| ())?;
            let failed: Vec<&power_cuts::Cut> = report.failed().collect();
            ensure!(failed.is_empty() && report.cuts.len() == 3, "of {} cuts, these: {failed:#?}", report.cuts.len());
            let slowest = report.cuts.iter().filter_map(|cut| cut.outcome.as_ref().ok()).max();
            let slowest = slowest.map_or(0.0, Duration::as_secs_f64);
            scene.figure(
                "boot after a power cut",
                slowest,
                "s",
                "the longest of three, from power-on until it says that it is ready",
            );
            Ok(())
        },
    )
}
