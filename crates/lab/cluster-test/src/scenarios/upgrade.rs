//! From one SWIX to the next, one switch after the other, the master first.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use swix::extension::{name_with_release, next_release_of};

use crate::{
    Scene, Switch,
    answering::{self, OWN_POD},
    extension,
    scene::BRING_UP,
};

pub fn play(scene: &mut Scene<'_>) -> Result<()> {
    answering::outlived(scene, upgraded)
}

fn upgraded(scene: &mut Scene<'_>) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot make a directory")?;
    let next = match &scene.parts.next_swix {
        Some(next) => next.clone(),
        None => scene
            .step("make the next SWIX of the first: the same files as a package of a higher release", |scene| {
                next_release_of(&scene.parts.swix, directory.path())
            })?,
    };
    // Two builds of one version have files of the same name.
    let next_name = name_with_release(&next)?;
    let master = scene.master()?;
    let order = [vec![master], scene.workers_beside_master()?].concat();
    let workers = scene.worker_nodes();
    for switch in &order {
        let others = workers.iter().map(|node| node.name.as_str()).filter(|name| *name != switch.name());
        let questions = answering::questions(scene, others, &[OWN_POD])?;
        scene.step(format!("install {next_name} on {}", switch.name()), |scene| {
            answering::while_asked(scene, &questions, |scene, answers| {
                install(switch, &next, &next_name)?;
                switch.wait_until_ready(BRING_UP)?;
                scene.wait_until_nodes_ready(BRING_UP)?;
                answers.none_failed(|_| true).context("at the other switches").map(drop)
            })
        })?;
        // A node is ready before its pods are, and the next switch is not to be touched before.
        scene.step("the Service answers at every worker", |scene| answering::wait(scene))?;
    }
    scene.step("every switch has the same version", |_| {
        let versions: Vec<String> = order.iter().map(extension::version).collect::<Result<_>>()?;
        ensure!(versions.windows(2).all(|pair| pair[0] == pair[1]), "the versions are {}", versions.join(", "));
        Ok(())
    })
}

/// Installs a SWIX under this name in the place of the one that the switch boots with.
pub(super) fn install(switch: &Switch<'_>, next: &Path, next_name: &str) -> Result<()> {
    let old_name = extension::booted_with(switch)?;
    ensure!(old_name != next_name, "{} has {next_name} already", switch.name());
    let old = extension::version(switch)?;
    extension::copy_in(switch, next, next_name)?;
    extension::remove(switch, &old_name)?;
    extension::install(switch, next_name)?;
    extension::boot_with(switch, &[next_name])?;
    let new = extension::version(switch)?;
    ensure!(new != old, "the version is {new}, as it was");
    Ok(())
}
