//! A cable between the master's switch and a worker's is cut, and repaired. Where another path leads there, OSPF finds it
//! while the cable is cut; where none does, the worker is away that long.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use devices::Device;

use crate::{Scene, answering, neighbours, pinging};

/// How long the cable is cut.
const CUT: Duration = Duration::from_secs(3);

/// For how long packets may be lost where another path is left.
const REROUTED: Duration = Duration::from_secs(10);

/// How long OSPF may take.
const CONVERGED: Duration = Duration::from_secs(90);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    answering::outlived(scene, cut)
}

fn cut(scene: &mut Scene<'_>) -> Result<()> {
    let cables = neighbours::cables_to_workers(scene.lab.topology(), scene.cluster);
    let (worker, cable) = cables.last().context("no cable leads from the master's switch to a worker")?;
    let (master, address) = (&scene.cluster.master().name, worker.address);
    let host = scene.host_of(master)?;

    let pinged = format!("{} pings {address} while {cable} is cut for {} s", host.name(), CUT.as_secs());
    if neighbours::another_way(scene.lab.topology(), master, &worker.name, cable) {
        let lost = scene.step(format!("{pinged}, and is answered by another path"), |scene| {
            let lost = cut_and_restore(scene, &host, address, cable, |scene, began| {
                scene.eventually(&format!("{address} answers"), REROUTED, || answers(&host, address))?;
                scene.pause(CUT.saturating_sub(began.elapsed()))
            })?;
            let time = pinging::SPACING * lost.packets;
            ensure!(time <= REROUTED, "{} packets were lost, {:.1} s of them", lost.packets, time.as_secs_f64());
            Ok(lost)
        })?;
        figure(scene, &lost, Duration::ZERO, "another path was left");
    } else {
        let lost = scene.step(format!("{pinged} and repaired"), |scene| {
            cut_and_restore(scene, &host, address, cable, |scene, began| {
                scene.pause(CUT / 2)?;
                ensure!(!reaches(&host, address)?, "{} reaches {address} although the cable is cut", host.name());
                scene.pause(CUT.saturating_sub(began.elapsed()))
            })
        })?;
        figure(scene, &lost, lost.cut, &format!("less the {:.2} s of the cut itself", lost.cut.as_secs_f64()));
    }
    scene.step("every worker is Ready", |scene| scene.wait_until_nodes_ready(CONVERGED))
}

struct Lost {
    packets: u32,
    /// How long the cable was cut.
    cut: Duration,
}

/// For how long packets were lost, less a time that is excused.
fn figure(scene: &Scene<'_>, lost: &Lost, excused: Duration, how: &str) {
    let after = (pinging::SPACING * lost.packets).saturating_sub(excused);
    let how = format!("{} packets lost at {} ms spacing; {how}", lost.packets, pinging::SPACING.as_millis());
    scene.figure("convergence after a link cut", after.as_secs_f64(), "s", &how);
}

/// `meanwhile` is told when the cut began, and decides when it ends.
fn cut_and_restore(
    scene: &Scene<'_>,
    host: &Device<'_>,
    to: Ipv4Addr,
    cable: &str,
    meanwhile: impl FnOnce(&Scene<'_>, Instant) -> Result<()>,
) -> Result<Lost> {
    let (cut, pings) = pinging::while_pinging(host, to, || {
        scene.pause(Duration::from_secs(1))?;
        let began = Instant::now();
        scene.lab.cut_link(cable)?;
        let seen = meanwhile(scene, began);
        // It is repaired whatever was seen.
        scene.lab.restore_link(cable)?;
        let cut = began.elapsed();
        seen?;
        scene.eventually(&format!("{to} answers again"), CONVERGED, || answers(host, to))?;
        scene.pause(Duration::from_secs(1))?;
        Ok(cut)
    })?;
    Ok(Lost { packets: pings.lost, cut })
}

fn answers(host: &Device<'_>, address: Ipv4Addr) -> Result<()> {
    ensure!(reaches(host, address)?, "it does not");
    Ok(())
}

fn reaches(host: &Device<'_>, address: Ipv4Addr) -> Result<bool> {
    Ok(host.exec(["ping", "-c", "1", "-W", "1", &address.to_string()])?.status.success())
}
