//! What a switch has beside its flash, to be compared with the same switch when it boots without the extension.

use anyhow::Result;
use contract::places::PROGRAMS_IMAGE;

use crate::Switch;

const EVERYTHING: &str = include_str!("scripts/residue.sh");

/// Units, mounts, packet filters, interfaces, rules, routes, addresses, containers, images, volumes, programs, cgroups, files of
/// /etc and where its links lead, names in /var/lib and /var/log, sysctls; a line each. Without what differs from boot to boot:
/// routes' numbers of next hops, keys, and what Docker gives a device: its IPv4 addresses but for their lengths, and the
/// link-local ones that are made of its MACs. Mounts are asked of the kernel alone: systemd looks at them at most five times a
/// second, so that its mount units come late when a boot makes many.
pub fn everything(switch: &Switch) -> Result<String> {
    // Only bash tells that the first of several programs in a pipe has failed.
    switch.exec_ok(["bash", "-c", EVERYTHING])
}

/// The loop devices that hold an image of the programs whose file is gone. Switches that share a kernel see all of them, so they
/// are compared with what there was before, not with the next boot.
pub fn loops_of_removed_images(switch: &Switch) -> Result<String> {
    let all = "/sys/block/loop*/loop/backing_file";
    switch.sh(&format!(
        "grep --files-with-matches --no-messages --fixed-strings '{PROGRAMS_IMAGE} (deleted)' {all} || true"
    ))
}

/// The digests of the flash's files, but for those that services write at any time.
pub fn flash(switch: &Switch) -> Result<String> {
    switch.sh(
        "cd /mnt/flash && find . -type f -not -path './k8s/etcd/*' -not -path './k8s/log/*' -not -path './k8s/cluster-dns/*' \
         -exec sha256sum {} + | sort",
    )
}

/// The lines that only one of the two has.
pub fn difference(removed: &str, plain: &str) -> String {
    let only = |sign: &'static str, one: &str, other: &str| -> String {
        let lines = one.lines().filter(|line| other.lines().all(|theirs| theirs != *line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    only("left:", removed, plain) + &only("missing:", plain, removed)
}

#[cfg(test)]
mod tests;
