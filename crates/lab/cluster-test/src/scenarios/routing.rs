//! OSPF is full on every link between switches, and every loopback answers every host.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{Scene, neighbours, ospf};

/// From power-on, where the machine is busy.
const CONVERGED: Duration = Duration::from_secs(120);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("OSPF is full on every cable between switches", |scene| all_full(scene))?;
    scene.step("every host pings every loopback address", |scene| {
        for host in scene.hosts() {
            for node in &scene.cluster.nodes {
                let address = node.address.to_string();
                let what = format!("{} reaches {} at {address}", host.name(), node.name);
                scene.eventually(&what, CONVERGED, || {
                    let output = host.exec(["ping", "-c", "1", "-W", "1", &address])?;
                    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
                    Ok(())
                })?;
            }
        }
        Ok(())
    })
}

/// Waits until every switch is full with each of its neighbours.
pub(super) fn all_full(scene: &Scene<'_>) -> Result<()> {
    for switch in scene.switches()? {
        let cables = neighbours::cables_to_switches(scene.lab.topology(), switch.name());
        let what = format!("{} has {cables} neighbours, and is full with each", switch.name());
        scene.eventually(&what, CONVERGED, || {
            let states = ospf::neighbour_states(&switch)?;
            ensure!(
                states.len() == cables && states.iter().all(|state| state == "FULL"),
                "their states are {states:?}"
            );
            Ok(())
        })?;
    }
    Ok(())
}
