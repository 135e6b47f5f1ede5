//! From the first release to this one: what it left on its switches' flash is taken over, on all switches at once, and in a rolling
//! upgrade in either order.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use contract::{
    Credential,
    places::{ENCRYPTION_CONFIG, PKI},
};
use swix::extension::name_with_release;

use super::{pods, upgrade};
use crate::{
    Scene, Switch, manifest,
    recording::{self, Recording},
    scene::BRING_UP,
    workload,
};

/// The namespace of what was recorded, and its Secret.
const NAME: &str = "recorded";
const WORD: &str = "kept";
const ENCODED: &str = "a2VwdA==";

/// Writes the recording anew. The switches stay off.
pub fn record(scene: &mut Scene<'_>) -> Result<()> {
    let swix = first_swix(scene)?;
    scene.step("switch every switch on for the first time, with the first release on its flash", |scene| {
        let flash = recording::before(scene.parts, &swix)?;
        scene.on_each_switch(|switch| switch.replace(&flash))
    })?;
    scene.step("every worker is Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))?;
    scene.begin_namespace(NAME)?;
    scene.step("make a Secret, and a pod on every worker", |scene| {
        let word = format!("--from-literal=word={WORD}");
        scene.master()?.kubectl(&["create", "secret", "generic", NAME, &word])?;
        workload::start(&scene.master()?)?;
        pods::all_reached(scene)
    })?;
    // What is recorded stays.
    scene.namespace = None;
    scene.step("shut all switches down, the master last, and record their flash", |scene| {
        let order = [scene.workers_beside_master()?, vec![scene.master()?]].concat();
        order.iter().try_for_each(|switch| switch.shut_down())?;
        Recording::of(order.iter().map(|switch| &**switch))?.pack(&scene.parts.recording)
    })
}

pub fn taken_over(scene: &mut Scene<'_>) -> Result<()> {
    let swix = scene.parts.swix.clone();
    let recording = begin(scene, &swix, &swix)?;
    let switches = scene.switches()?;
    is_the_same(scene, &recording)?;
    scene.step("nothing is wrong on any of them", |_| switches.iter().try_for_each(nothing_is_wrong))
}

pub fn master_first(scene: &mut Scene<'_>) -> Result<()> {
    let (first, swix) = (first_swix(scene)?, scene.parts.swix.clone());
    let recording = begin(scene, &swix, &first)?;
    is_the_same(scene, &recording)?;
    let workers = scene.workers_beside_master()?;
    upgraded(scene, &workers, &recording)
}

pub fn workers_first(scene: &mut Scene<'_>) -> Result<()> {
    let (first, swix) = (first_swix(scene)?, scene.parts.swix.clone());
    let recording = begin(scene, &first, &swix)?;
    is_the_same(scene, &recording)?;
    let master = scene.master()?;
    upgraded(scene, &[master], &recording)
}

fn first_swix(scene: &Scene<'_>) -> Result<PathBuf> {
    scene.parts.first_swix.clone().context("there is no SWIX of the first release")
}

/// Puts new switches with the recorded flash in the place of all, and these SWIXes on the master's and on the workers'.
fn begin(scene: &mut Scene<'_>, on_master: &Path, on_workers: &Path) -> Result<Recording> {
    let recording = Recording::unpack(&scene.parts.recording)?;
    let what = format!(
        "switch new switches on, with the recorded flash, {} on the master and {} on the workers",
        name_with_release(on_master)?,
        name_with_release(on_workers)?
    );
    scene.step(what, |scene| {
        let master = scene.cluster.master().name.as_str();
        scene.on_each_switch(|switch| {
            let swix = if switch.name() == master { on_master } else { on_workers };
            switch.replace(&recording.flash(switch, swix, scene.parts)?)
        })
    })?;
    // Taken away with the scenario's end.
    scene.namespace = Some(NAME);
    Ok(recording)
}

/// Of those with the first release, one after the other.
fn upgraded(scene: &mut Scene<'_>, switches: &[Switch<'_>], recording: &Recording) -> Result<()> {
    let (next, name) = (&scene.parts.swix, name_with_release(&scene.parts.swix)?);
    for switch in switches {
        scene.step(format!("install {name} on {}", switch.name()), |scene| {
            upgrade::install(switch, next, &name)?;
            scene.wait_until_nodes_ready(BRING_UP)
        })?;
    }
    is_the_same(scene, recording)?;
    scene.step("nothing is wrong on any switch", |scene| scene.switches()?.iter().try_for_each(nothing_is_wrong))
}

/// The cluster that was recorded, with its keys, data and pods, and a new pod besides.
fn is_the_same(scene: &mut Scene<'_>, recording: &Recording) -> Result<()> {
    scene.step("every worker is Ready", |scene| scene.wait_until_nodes_ready(BRING_UP))?;
    scene.step("every switch has the keys that it had", |scene| {
        let master = scene.cluster.master().name.as_str();
        scene.on_each_switch(|switch| has_its_keys(switch, switch.name() == master, recording)).map(drop)
    })?;
    scene.step("the recorded Secret is read, and another one is made", |scene| {
        let master = scene.master()?;
        let read = |name: &str| master.kubectl(&["get", "secret", name, "--output=jsonpath={.data.word}"]);
        ensure!(read(NAME)? == ENCODED, "it holds {:?}", read(NAME)?);
        let another = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "another"}, "stringData": {"word": WORD}});
        manifest::apply(&master, "another", &[another])?;
        ensure!(read("another")? == ENCODED, "another one holds {:?}", read("another")?);
        Ok(())
    })?;
    scene.step("the recorded pods are on every worker, and reach each other", |scene| pods::all_reached(scene))?;
    scene.step("so are pods of today", |scene| {
        let master = scene.master()?;
        manifest::apply(&master, "today", &[workload::daemon_set("today")])?;
        scene.eventually("one is ready on every worker", BRING_UP, || pods::on_each_worker(scene, "today")).map(drop)
    })
}

/// Nobody has had to admit anybody, and whoever trusted the cluster does.
fn has_its_keys(switch: &Switch<'_>, is_master: bool, recording: &Recording) -> Result<()> {
    let of_all = [Credential::Node, Credential::KubeProxy];
    let of_master = [Credential::Ca, Credential::EtcdCa, Credential::ServiceAccount];
    let keys = of_all.iter().chain(if is_master { &of_master[..] } else { &[] });
    let mut places: Vec<String> = keys.map(|credential| format!("{PKI}/{}", credential.key_file())).collect();
    if is_master {
        places.push(ENCRYPTION_CONFIG.to_owned());
    }
    for place in places {
        let before = common::files::read_text(&recording.file(switch, &place))?;
        ensure!(switch.exec_ok(["cat", &place])? == before, "{place} is not what it was");
    }
    Ok(())
}

fn nothing_is_wrong(switch: &Switch<'_>) -> Result<()> {
    let problems = switch.wait_until_ready(BRING_UP)?.problems;
    ensure!(problems.is_empty(), "{} is ready, and {}", switch.name(), problems.join("; "));
    Ok(())
}
