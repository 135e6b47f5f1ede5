//! Hands off until every switch is a node that is ready.

use anyhow::Result;

use crate::{Scenario, Scene, scene::BRING_UP};

pub const SCENARIO: Scenario = Scenario {
    name: "bring-up",
    purpose: "the switches become the nodes of one cluster by themselves",
    needs: &["install"],
    play,
};

fn play(scene: &mut Scene<'_>) -> Result<()> {
    let began = std::time::Instant::now();
    scene.step("wait until every switch says that it is ready", |scene| scene.wait_until_all_ready(BRING_UP))?;
    let took = began.elapsed().as_secs_f64();
    scene.figure("bring-up", took, "s", "from the end of the install to the last switch that says it is ready");
    scene.step("the API server lists every node as Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))
}
