//! The extension is removed everywhere, and every switch compared with what it is when it boots without it.

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Result, anyhow, bail, ensure};
use proof::{Switch, residue};

use crate::{Scenario, Scene, extension};

pub const SCENARIO: Scenario = Scenario {
    name: "uninstall",
    purpose: "what the extension leaves on a switch is its flash and nothing else",
    needs: &["bring-up"],
    play,
};

const BOOTED: Duration = Duration::from_secs(120);

/// From the boot until routing has settled.
const SETTLED: Duration = Duration::from_secs(90);

fn play(scene: &mut Scene<'_>) -> Result<()> {
    let removed = scene.step("remove the extension from every switch", |scene| {
        on_each(scene, |switch| {
            let flash = residue::flash(switch)?;
            extension::remove(switch, &extension::booted_with(switch)?)?;
            let left = residue::everything(switch)?;
            ensure!(residue::flash(switch)? == flash, "what is on the flash is not what was");
            extension::boot_with(switch, &[])?;
            Ok(left)
        })
    })?;
    scene.step("reboot every switch without it", |scene| {
        on_each(scene, |switch| {
            switch.reboot()?;
            switch.wait_until_booted(BOOTED).map(drop)
        })
    })?;
    for switch in scene.switches()? {
        scene.step(format!("what was on {} is what is on it without the extension", switch.name()), |scene| {
            let left = &removed[switch.name()];
            scene.eventually("the two are the same", SETTLED, || {
                let plain = residue::everything(&switch)?;
                match *left == plain {
                    true => Ok(Some(())),
                    false => bail!("{}", residue::difference(left, &plain)),
                }
            })
        })?;
    }
    Ok(())
}

/// Does the same on every switch at once.
fn on_each<T: Send>(scene: &Scene<'_>, work: impl Fn(&Switch<'_>) -> Result<T> + Sync) -> Result<BTreeMap<String, T>> {
    let switches = scene.switches()?;
    thread::scope(|scope| {
        let works: Vec<_> = switches.iter().map(|switch| (switch.name(), scope.spawn(|| work(switch)))).collect();
        let each = works.into_iter().map(|(name, work)| {
            let done = work.join().map_err(|_| anyhow!("a thread panicked"));
            let done = done.and_then(|done| done).map_err(|error| error.context(format!("on {name}")))?;
            Ok((name.to_owned(), done))
        });
        each.collect()
    })
}
