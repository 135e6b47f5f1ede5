//! What a switch has beside its flash, to be compared with the same switch when it boots without the extension.

use anyhow::Result;

use crate::Switch;

/// Units, mounts, packet filter, interfaces, routes, containers, programs; a line each. Without what differs from boot to
/// boot: routes' numbers of next hops, and the address that Docker gives a device. Mounts are asked of the kernel alone:
/// systemd looks at them at most five times a second, so that its mount units come late when a boot makes many.
pub fn everything(switch: &Switch) -> Result<String> {
    switch.sh(include_str!("scripts/residue.sh"))
}

/// The digests of the flash's files, but for those that services write at any time.
pub fn flash(switch: &Switch) -> Result<String> {
    switch.sh(
        "cd /mnt/flash && find . -type f -not -path './k8s/etcd/*' -not -path './k8s/log/*' -exec sha256sum {} + | sort",
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
