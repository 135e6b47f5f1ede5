//! The operator's part: two files on the flash, `extension`, and `boot-extensions`.

use anyhow::Result;
use contract::places;

use crate::{Scene, extension};

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let parts = scene.parts;
    let name = extension::name(&parts.swix)?;
    for switch in scene.switches()? {
        scene.step(format!("copy cluster.toml, the SWIX and an image to {}'s flash", switch.name()), |_| {
            switch.sh(&format!("mkdir -p {}", places::OWN_IMAGES))?;
            switch.copy_in(&parts.cluster_toml, places::CLUSTER_TOML)?;
            switch.copy_in(&parts.probe_image, &format!("{}/probe.tar", places::OWN_IMAGES))?;
            extension::copy_in(&switch, &parts.swix, &name)
        })?;
    }
    for switch in scene.switches()? {
        scene.step(format!("install it on {}", switch.name()), |_| {
            extension::install(&switch, &name)?;
            extension::boot_with(&switch, &[&name])?;
            extension::check_is_listed(&switch, &name)
        })?;
    }
    Ok(())
}
