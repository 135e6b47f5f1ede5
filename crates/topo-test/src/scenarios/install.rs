//! The operator's part: two files on the flash, `extension`, and `boot-extensions`.

use anyhow::{Context, Result, ensure};

use crate::{Scenario, Scene};

pub const SCENARIO: Scenario = Scenario {
    name: "install",
    purpose: "the SWIX installs on every switch and stays listed as an extension",
    needs: &["routing"],
    play,
};

fn play(scene: &mut Scene<'_>) -> Result<()> {
    let swix = scene.parts.swix.clone();
    let name = swix.file_name().and_then(|name| name.to_str()).context("the SWIX has no name")?.to_owned();
    for switch in scene.switches()? {
        scene.step(format!("copy cluster.toml, the SWIX and an image to {}'s flash", switch.name()), |scene| {
            switch.sh("mkdir -p /mnt/flash/.extensions /mnt/flash/k8s/images")?;
            switch.copy_in(&scene.parts.cluster_toml, "/mnt/flash/cluster.toml")?;
            switch.copy_in(&scene.parts.probe_image, "/mnt/flash/k8s/images/probe.tar")?;
            switch.copy_in(&swix, &format!("/mnt/flash/.extensions/{name}"))
        })?;
    }
    for switch in scene.switches()? {
        scene.step(format!("install it on {}", switch.name()), |_| {
            switch.exec_ok(["extension", &name])?;
            switch.sh(&format!("echo {name} >/mnt/flash/boot-extensions && sync"))?;
            let packages = switch.exec_ok(["rpm", "--query", "--all"])?;
            ensure!(packages.contains("kubernetes-on-eos"), "rpm does not list it: {packages}");
            Ok(())
        })?;
    }
    Ok(())
}
