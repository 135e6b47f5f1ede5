//! The operator's part: two files on the flash, and EOS' commands about extensions. And its end: the extension is removed
//! everywhere, and every switch compared with what it is when it boots without it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contract::{places, services};

use super::kernel;
use crate::{Scene, extension, residue};

const BOOTED: Duration = Duration::from_secs(120);

/// From the boot until routing has settled.
const SETTLED: Duration = Duration::from_secs(90);

pub fn install(scene: &mut Scene<'_>) -> Result<()> {
    kernel::before_install(scene)?;
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

pub fn uninstall(scene: &mut Scene<'_>) -> Result<()> {
    let loops = scene.on_each_switch(residue::loops_of_removed_images)?;
    scene.step("remove the extension from every switch", |scene| {
        scene.on_each_switch(|switch| {
            let flash = residue::flash(switch)?;
            extension::remove(switch, &extension::booted_with(switch)?)?;
            let removal = format!("{}/{}", places::UNITS, services::ROUTES_REMOVAL);
            switch.sh(&format!("for _ in $(seq 120); do [ -e {removal} ] || exit 0; sleep 0.5; done; exit 1"))?;
            let differs = residue::difference(&residue::flash(switch)?, &flash);
            ensure!(differs.is_empty(), "what is on the flash is not what was: {differs}");
            if scene.cluster.master().name == switch.name() {
                switch.exec_ok(["test", "-s", &format!("{}/member/snap/db", places::ETCD)]).context("etcd's data")?;
            }
            extension::boot_with(switch, &[])
        })
    })?;
    // Of all, once all are rid of it: what a kernel has that they share, each of them sees.
    let removed = scene.step("look at what is left", |scene| {
        scene.on_each_switch(|switch| {
            let (before, now) = (&loops[switch.name()], residue::loops_of_removed_images(switch)?);
            let new: Vec<&str> = now.lines().filter(|now| !before.lines().any(|before| before == *now)).collect();
            ensure!(new.is_empty(), "loop devices keep the image of the programs: {}", new.join(", "));
            residue::everything(switch)
        })
    })?;
    scene.step("reboot every switch without it", |scene| {
        scene.on_each_switch(|switch| {
            switch.reboot()?;
            let state = switch.wait_until_booted(BOOTED)?;
            ensure!(state == "running", "systemd says {state}");
            Ok(())
        })
    })?;
    for switch in scene.switches()? {
        scene.step(format!("what was on {} is what is on it without the extension", switch.name()), |scene| {
            let left = &removed[switch.name()];
            scene.eventually("the two are the same", SETTLED, || {
                let plain = residue::everything(&switch)?;
                ensure!(*left == plain, "{}", residue::difference(left, &plain));
                Ok(())
            })
        })?;
    }
    Ok(())
}
