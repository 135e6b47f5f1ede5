//! OSPF is full on every link between switches, and every loopback answers every host.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::{Scenario, Scene, ospf};

pub const SCENARIO: Scenario = Scenario {
    name: "routing",
    purpose: "OSPF is full, and every switch's loopback answers every host",
    needs: &[],
    play,
};

/// From power-on, where the machine is busy.
const CONVERGED: Duration = Duration::from_secs(120);

fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("OSPF is full on every cable between switches", |scene| {
        for switch in scene.switches()? {
            let cables = ospf::cables_to_switches(scene, switch.name());
            let what = format!("{} has {cables} neighbours, and is full with each", switch.name());
            scene.eventually(&what, CONVERGED, || {
                let states = ospf::neighbour_states(&switch)?;
                match states.len() == cables && states.iter().all(|state| state == "FULL") {
                    true => Ok(Some(())),
                    false => bail!("their states are {states:?}"),
                }
            })?;
        }
        Ok(())
    })?;
    scene.step("every host pings every loopback address", |scene| {
        for host in scene.hosts() {
            for node in &scene.cluster.nodes {
                let address = node.address.to_string();
                let what = format!("{} reaches {} at {address}", host.name(), node.name);
                scene.eventually(&what, CONVERGED, || {
                    let output = host.exec(["ping", "-c", "1", "-W", "1", &address])?;
                    match output.status.success() {
                        true => Ok(Some(())),
                        false => bail!("{}", String::from_utf8_lossy(&output.stdout)),
                    }
                })?;
            }
        }
        Ok(())
    })
}
