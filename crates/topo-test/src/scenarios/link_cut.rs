//! A cable between the master's switch and a worker's is cut, and mended.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use topology::Device;

use crate::{Scenario, Scene, answering, neighbours, pinging};

pub const SCENARIO: Scenario = Scenario {
    name: "link-cut",
    purpose: "a worker whose cable is cut is away, and is back once it is mended, Services too",
    needs: &["bring-up"],
    play,
};

/// How long the cable is cut.
const CUT: Duration = Duration::from_secs(3);

/// How long OSPF may take.
const CONVERGED: Duration = Duration::from_secs(90);

fn play(scene: &mut Scene<'_>) -> Result<()> {
    let worker = scene.workers()?.pop().context("cluster.toml has no worker beside the master")?;
    let master = scene.master()?;
    let cable = neighbours::cable(scene, master.name(), worker.name())?.name.clone();
    let host = scene.host(&neighbours::host_of(scene, master.name())?)?;
    let address = scene.cluster.node(worker.name()).context("cluster.toml does not name the worker")?.address;
    scene.step("a Service answers at every switch", |scene| answering::start(scene))?;

    let lost = scene.step(
        format!("{} pings {address} while {cable} is cut for {} s and mended", host.name(), CUT.as_secs()),
        |scene| cut_and_mend(scene, &host, address, &cable),
    )?;
    scene.figure(
        "convergence after a link cut",
        lost.after.as_secs_f64(),
        "s",
        &format!(
            "{} packets lost at {} ms spacing, less the {:.2} s of the cut itself",
            lost.packets,
            pinging::SPACING.as_millis(),
            lost.cut.as_secs_f64()
        ),
    );
    scene.step("the Service answers at every switch again", |scene| answering::wait(scene))?;
    scene.step("every node is Ready", |scene| scene.wait_until_nodes_ready(CONVERGED))
}

struct Lost {
    packets: u32,
    /// How long the cable was cut.
    cut: Duration,
    /// For how long packets were lost although it was whole.
    after: Duration,
}

fn cut_and_mend(scene: &Scene<'_>, host: &Device<'_>, to: Ipv4Addr, cable: &str) -> Result<Lost> {
    let address = &to.to_string();
    let (cut, packets) = pinging::while_pinging(host, to, || {
        scene.pause(Duration::from_secs(1))?;
        let began = Instant::now();
        scene.lab.cut_link(cable)?;
        let away = scene.pause(CUT / 2).and_then(|()| is_away(host, address));
        let paused = scene.pause(CUT.saturating_sub(began.elapsed()));
        // It is mended whatever was seen.
        scene.lab.mend_link(cable)?;
        let cut = began.elapsed();
        away?;
        paused?;
        scene.eventually(&format!("{address} answers again"), CONVERGED, || match reaches(host, address)? {
            true => Ok(Some(())),
            false => bail!("it does not"),
        })?;
        scene.pause(Duration::from_secs(1))?;
        Ok(cut)
    })?;
    Ok(Lost { packets, cut, after: (pinging::SPACING * packets).saturating_sub(cut) })
}

fn is_away(host: &Device<'_>, address: &str) -> Result<()> {
    ensure!(!reaches(host, address)?, "{} reaches {address} although the cable is cut", host.name());
    Ok(())
}

fn reaches(host: &Device<'_>, address: &str) -> Result<bool> {
    Ok(host.exec(["ping", "-c", "1", "-W", "1", address])?.status.success())
}
