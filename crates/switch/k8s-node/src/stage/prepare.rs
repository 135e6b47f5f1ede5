//! What everything else stands on: the flash, this switch's address, the kernel.

use std::{fs, io, path::Path, time::SystemTime};

use anyhow::{Context, Result, bail};
use cluster::{Node, state};
use common::files;
use contract::{Stage, places, status::Kept};

use super::waiting_for;
use crate::{
    desired::{Desired, turn},
    dropped,
    forwarding::Forwarding,
    new_cluster,
    preflight::{self, Verdict},
    program, restore,
    room::{self, Room},
    storage,
    switch::Switch,
};

/// What the kernel may have as modules. One that is built in or not there shows later, where it is needed.
const MODULES: [&str; 13] = [
    "overlay",
    "br_netfilter",
    "nf_conntrack",
    "iptable_nat",
    "iptable_filter",
    "iptable_mangle",
    "iptable_raw",
    "xt_CT",
    "xt_comment",
    "xt_conntrack",
    "xt_addrtype",
    "xt_TCPMSS",
    "vxlan",
];

pub fn prepare(switch: &Switch) -> Result<String> {
    // Nothing is refused for it: what does not work is told beside what is not done.
    let found = preflight::look(Some(&switch.node));
    for line in [Verdict::Problem, Verdict::Remark].into_iter().flat_map(|verdict| preflight::said(&found, verdict)) {
        println!("{line}");
    }
    let (begun, mut last) = (SystemTime::now(), String::new());
    let storage = storage::ready(switch, |what| waiting_for(Stage::Prepare, begun, &mut last, what))?;
    if let Some(why) = restore::interrupted() {
        bail!(why);
    }
    switch.check_address()?;
    // Before anything of a new cluster is on the flash.
    let first_boot = Room::on_flash(places::STATE.as_ref(), &switch.node)?.first_boot;
    let remark = new_cluster::check(switch, first_boot)?;
    let warnings =
        flash(&switch.node)?.into_iter().chain(remark).chain(storage.warning).chain(dropped::import(&switch.node));
    let warnings: String = warnings.map(|what| format!("; warning: {what}")).collect();
    for module in MODULES {
        // Not all kernels have all of them as modules, and some have no modprobe.
        let _ = program::new("modprobe", "load a kernel module")?.args(["--quiet", module]).output();
    }
    let _turn = turn(Kept::Sysctls)?;
    let changed: String = Forwarding.ensure()?.iter().map(|name| format!("; set {name} to 1")).collect();
    let node = &switch.node;
    let role = match (node.master, node.worker) {
        (true, true) => "master and worker",
        (true, false) => "master",
        _ => "worker",
    };
    let said = storage.said.map(|said| format!("; {said}")).unwrap_or_default();
    let nodes = switch.cluster.nodes.len();
    Ok(format!("{} at {}, {role} of {nodes} nodes{said}{changed}{warnings}", node.name, node.address))
}

/// The flash can be written and synced, and has the room that a first boot needs. Says what is short on a later one: what
/// need not be written then need not fail.
fn flash(node: &Node) -> Result<Option<String>> {
    let place = Path::new(places::STATE);
    let room = Room::on_flash(place, node)?;
    let full = match write_to(place) {
        Ok(()) => None,
        Err(error) if is_full(&error) && !room.first_boot => Some(format!("{error:#}: {}", room::FIX)),
        Err(error) if is_full(&error) => return Err(error.context(format!("the flash is full: {}", room::FIX))),
        Err(error) => {
            return Err(error.context("the flash cannot be written: see what `mount` and `dmesg` say of /mnt/flash"));
        }
    };
    match room.refusal(node) {
        Some(why) => bail!(why),
        None => Ok(room.remark(node).or(full)),
    }
}

fn write_to(place: &Path) -> Result<()> {
    files::create_dir(place)?;
    // What was there before a power cut took it half-way.
    for directory in [place, places::PKI.as_ref(), places::KUBECONFIGS.as_ref()] {
        if directory.is_dir() {
            // Whoever else is at it has unfinished files of its own.
            let _writer = state::lock_directory(directory)?;
            remove_unfinished(directory)?;
        }
    }
    for directory in [places::LOG, places::KUBECONFIGS] {
        files::create_dir(directory.as_ref())?;
    }
    // In its file, images would take the room of the state.
    if !storage::is_in_file(place)? {
        files::create_dir(places::OWN_IMAGES.as_ref())?;
    }
    let probe = place.join("written-at-boot");
    files::write_atomically(&probe, "this file is written at every boot to see whether the flash can be\n")
}

/// Whether something was not written because there is no room; a flash that is read-only or broken is another matter.
fn is_full(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::StorageFull)
}

fn remove_unfinished(directory: &Path) -> Result<()> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(files::UNFINISHED) {
            fs::remove_file(entry.path())
                .with_context(|| format!("cannot remove the unfinished {}", entry.path().display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
