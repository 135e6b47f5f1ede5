//! What everything else stands on: the flash, this switch's address, the kernel.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use base::{command::Program, files};
use rustix::fs::statvfs;

use crate::{places, switch::Switch};

/// etcd, certificates and the audit log need this much of the flash to begin with.
const ROOM_MIB: u64 = 64;

/// What the kernel may have as modules. One that is built in or not there shows later, where it is needed.
const MODULES: [&str; 6] = ["overlay", "br_netfilter", "nf_conntrack", "iptable_nat", "iptable_filter", "xt_comment"];

/// Sysctls that pods' traffic needs.
const FORWARDING: [&str; 2] = ["net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"];

pub fn prepare(switch: &Switch) -> Result<String> {
    switch.check_address()?;
    flash()?;
    for module in MODULES {
        // Not all kernels have all of them as modules, and some have no modprobe.
        let _ = Program::new("modprobe", "load a kernel module")?.args(["--quiet", module]).output();
    }
    let changed = forwarding()?;
    let node = &switch.node;
    let role = match (node.master, node.worker) {
        (true, true) => "master and worker",
        (true, false) => "master",
        _ => "worker",
    };
    Ok(format!("{} at {}, {role} of {} nodes{changed}", node.name, node.address, switch.cluster.nodes.len()))
}

/// The flash can be written, synced, and has room.
fn flash() -> Result<()> {
    let state = Path::new(places::STATE);
    let probe = state.join("written-at-boot");
    let mend = "see what `mount` and `dmesg` say of /mnt/flash";
    let make_folders = || -> Result<()> {
        files::create_dir(state)?;
        for folder in [places::LOG, places::OWN_IMAGES, places::KUBECONFIGS] {
            files::create_dir(folder.as_ref())?;
        }
        // What was there before a power cut took it half-way.
        remove_unfinished(state)?;
        files::write_atomically(&probe, "this file is written at every boot to see whether the flash can be\n")
    };
    make_folders().with_context(|| format!("the flash cannot be written: {mend}"))?;
    let space = statvfs("/mnt/flash").context("cannot ask how much room the flash has")?;
    let room = space.f_bavail * space.f_frsize / (1 << 20);
    if room < ROOM_MIB {
        bail!("the flash has {room} MiB left, and {ROOM_MIB} are needed: remove old images or logs from /mnt/flash");
    }
    Ok(())
}

fn remove_unfinished(state: &Path) -> Result<()> {
    for folder in [state, places::PKI.as_ref(), places::KUBECONFIGS.as_ref()] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(files::UNFINISHED) {
                fs::remove_file(entry.path())
                    .with_context(|| format!("cannot remove the unfinished {}", entry.path().display()))?;
            }
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
