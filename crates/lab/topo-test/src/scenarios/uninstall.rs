//! The extension is removed everywhere, and every switch compared with what it is when it boots without it.

use std::time::Duration;

use anyhow::{Result, ensure};
use proof::residue;

use crate::{Scene, extension};

const BOOTED: Duration = Duration::from_secs(120);

/// From the boot until routing has settled.
const SETTLED: Duration = Duration::from_secs(90);

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    let removed = scene.step("remove the extension from every switch", |scene| {
        scene.on_each_switch(|switch| {
            let flash = residue::flash(switch)?;
            extension::remove(switch, &extension::booted_with(switch)?)?;
            let left = residue::everything(switch)?;
            ensure!(residue::flash(switch)? == flash, "what is on the flash is not what was");
            extension::boot_with(switch, &[])?;
            Ok(left)
        })
    })?;
    scene.step("reboot every switch without it", |scene| {
        scene.on_each_switch(|switch| {
            switch.reboot()?;
            switch.wait_until_booted(BOOTED).map(drop)
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
