//! The capabilities that this host can give: the bounding set of this very process.

use std::fs;

use anyhow::{Context, Result};

/// A set of capabilities, a bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(pub u64);

/// The kernel's names in the order of their numbers (linux/capability.h).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

impl Capabilities {
    /// Whether the set holds the capability of that name; one that this program does not know is held by none.
    pub fn hold(self, name: &str) -> bool {
        NAMES.iter().position(|known| *known == name).is_some_and(|bit| self.0 >> bit & 1 == 1)
    }
}

pub fn of_this_host() -> Result<Capabilities> {
    let status = fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
    bounding_set(&status).context("/proc/self/status has no line CapBnd that can be read")
}

fn bounding_set(status: &str) -> Option<Capabilities> {
    let value = status.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
    u64::from_str_radix(value.trim(), 16).ok().map(Capabilities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounding_set_is_read_bit_by_bit() {
        let set = bounding_set("Name:\tx\nCapPrm:\t0\nCapBnd:\t000001fffeffffff\nSeccomp:\t0\n").unwrap();
        assert!(set.hold("CAP_CHOWN") && set.hold("CAP_SYS_NICE") && set.hold("CAP_CHECKPOINT_RESTORE"));
        assert!(!set.hold("CAP_SYS_RESOURCE"));
        assert!(!set.hold("CAP_OF_TOMORROW"));
        assert_eq!(bounding_set("CapBnd:\tmany\n"), None);
    }
}
