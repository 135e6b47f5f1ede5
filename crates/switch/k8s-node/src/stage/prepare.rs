//! What everything else stands on: the flash, this switch's address, the kernel.

use std::{fs, io, path::Path};

use anyhow::{Context, Result, bail};
use cluster::{Node, state};
use common::files;
use contract::places;

use crate::{
    new_cluster, program,
    room::{self, Room},
    switch::Switch,
};

/// What the kernel may have as modules. One that is built in or not there shows later, where it is needed.
const MODULES: [&str; 6] = ["overlay", "br_netfilter", "nf_conntrack", "iptable_nat", "iptable_filter", "xt_comment"];

/// Sysctls that pods' traffic needs.
const FORWARDING: [&str; 2] = ["net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"];

pub fn prepare(switch: &Switch) -> Result<String> {
    switch.check_address()?;
    // Before anything of a new cluster is on the flash.
    let first_boot = Room::on_flash(places::STATE.as_ref(), &switch.node)?.first_boot;
    let remark = new_cluster::check(switch, first_boot)?;
    let warnings = flash(&switch.node)?.into_iter().chain(remark);
    let warnings: String = warnings.map(|what| format!("; warning: {what}")).collect();
    for module in MODULES {
        // Not all kernels have all of them as modules, and some have no modprobe.
        let _ = program::new("modprobe", "load a kernel module")?.args(["--quiet", module]).output();
    }
    let changed = forwarding()?;
    let node = &switch.node;
    let role = match (node.master, node.worker) {
        (true, true) => "master and worker",
        (true, false) => "master",
        _ => "worker",
    };
    Ok(format!("{} at {}, {role} of {} nodes{changed}{warnings}", node.name, node.address, switch.cluster.nodes.len()))
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
    for directory in [places::LOG, places::OWN_IMAGES, places::KUBECONFIGS] {
        files::create_dir(directory.as_ref())?;
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

fn forwarding() -> Result<String> {
    let mut changed = String::new();
    for name in FORWARDING {
        let file = Path::new("/proc/sys").join(name);
        match fs::read_to_string(&file) {
            Ok(value) if value.trim() == "1" => {}
            Ok(_) => {
                fs::write(&file, "1").with_context(|| format!("cannot set {} to 1", file.display()))?;
                changed.push_str(&format!("; set {} to 1", name.replace('/', ".")));
            }
            // There is no such file where br_netfilter is built in and unused, and nothing then passes a bridge unseen.
            Err(_) if name.contains("bridge") => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests;
