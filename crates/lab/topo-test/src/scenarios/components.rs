//! The API server finds etcd, the scheduler and the controller manager healthy.

use anyhow::{Context, Result, ensure};

use crate::Scene;

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    scene.step("ask for the components' status", |scene| {
        let listed = scene.master()?.kubectl_json(&["get", "componentstatuses"])?;
        let components = listed["items"].as_array().context("kubectl listed no items")?;
        ensure!(components.len() >= 3, "there are too few: {listed}");
        for component in components {
            let condition = &component["conditions"][0];
            ensure!(condition["type"] == "Healthy" && condition["status"] == "True", "not healthy: {component}");
        }
        Ok(())
    })
}
