//! Sysctls that kubelet and kube-proxy set for the whole switch: what they held before is kept in memory, and given back.
//!
//! `net.ipv4.ip_forward` and `net.bridge.bridge-nf-call-iptables` are none of them: EOS' routing and Docker need these, too.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};
use common::{errors, files};
use contract::places;

const PROC_SYS: &str = "/proc/sys";

/// With what they are set to: the last by kube-proxy, the others by kubelet.
const SET: [(&str, &str); 7] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
    ("net/ipv4/conf/all/route_localnet", "1"),
];

/// Before kubelet is started for the first time.
pub fn remember() -> Result<()> {
    remember_in(PROC_SYS.as_ref(), places::SYSCTLS.as_ref())
}

pub fn give_back() -> Result<()> {
    give_back_in(PROC_SYS.as_ref(), places::SYSCTLS.as_ref())
}

fn remember_in(proc_sys: &Path, record: &Path) -> Result<()> {
    if record.exists() {
        return Ok(());
    }
    let held = SET.iter().filter_map(|(name, _)| Some(format!("{name} {}\n", held(proc_sys, name)?)));
    files::write_atomically(record, held.collect::<String>())
}

/// What is not as it was set any more has been set by somebody else since, and stays so.
fn give_back_in(proc_sys: &Path, record: &Path) -> Result<()> {
    let before = match fs::read_to_string(record) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        before => before.with_context(|| format!("cannot read {}", record.display()))?,
    };
    let names = before.lines().filter_map(|line| line.split_once(' '));
    errors::all(names.map(|(name, before)| give_back_one(proc_sys, name, before)))
}

fn give_back_one(proc_sys: &Path, name: &str, before: &str) -> Result<()> {
    let set = SET.iter().find(|(known, _)| *known == name).map(|(_, set)| *set);
    let now = held(proc_sys, name);
    if now.as_deref() == set && now.as_deref() != Some(before) {
        let file = proc_sys.join(name);
        fs::write(&file, before).with_context(|| format!("cannot set {} to {before} again", file.display()))?;
    }
    Ok(())
}

/// None where the kernel has no such file.
fn held(proc_sys: &Path, name: &str) -> Option<String> {
    fs::read_to_string(proc_sys.join(name)).ok().map(|held| held.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use rustix::mount::{MountFlags, mount_bind, mount_remount};

    use super::*;
    use crate::test_support::in_mount_namespace;

    #[test]
    fn what_was_set_is_given_back_and_what_others_have_set_since_stays() {
        let root = tempfile::tempdir().unwrap();
        let (proc_sys, record) = (root.path().join("sys"), root.path().join("record"));
        let set = |name: &str, value: &str| {
            fs::create_dir_all(proc_sys.join(name).parent().unwrap()).unwrap();
            fs::write(proc_sys.join(name), format!("{value}\n")).unwrap();
        };
        give_back_in(&proc_sys, &record).unwrap();
        for name in ["kernel/panic", "vm/overcommit_memory", "net/ipv4/conf/all/route_localnet"] {
            set(name, "0");
        }
        remember_in(&proc_sys, &record).unwrap();
        for (name, value) in SET {
            set(name, value);
        }
        // A bring-up that begins again finds what kubelet has set.
        remember_in(&proc_sys, &record).unwrap();
        set("vm/overcommit_memory", "2");
        give_back_in(&proc_sys, &record).unwrap();
        let now = |name: &str| held(&proc_sys, name).unwrap();
        assert_eq!((now("kernel/panic"), now("net/ipv4/conf/all/route_localnet")), ("0".into(), "0".into()));
        assert_eq!(now("vm/overcommit_memory"), "2");
        assert_eq!(now("kernel/panic_on_oops"), "1", "nobody knows what it was");
        give_back_in(&proc_sys, &record).unwrap();
    }

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn one_that_cannot_be_given_back_is_named_and_the_others_are() {
        in_mount_namespace(|| {
            let root = tempfile::tempdir().unwrap();
            let (proc_sys, record) = (root.path().join("sys"), root.path().join("record"));
            for (name, value) in SET {
                fs::create_dir_all(proc_sys.join(name).parent().unwrap()).unwrap();
                fs::write(proc_sys.join(name), value).unwrap();
            }
            fs::write(&record, "vm/panic_on_oom 2\nkernel/panic 0\nvm/overcommit_memory 0\n").unwrap();
            // As a container engine has them where they are not to be written.
            let read_only = proc_sys.join("vm/panic_on_oom");
            mount_bind(&read_only, &read_only).unwrap();
            mount_remount(&read_only, MountFlags::BIND | MountFlags::RDONLY, "").unwrap();
            let error = format!("{:#}", give_back_in(&proc_sys, &record).unwrap_err());
            assert!(error.contains(&format!("cannot set {} to 2 again", read_only.display())), "{error}");
            assert!(!error.contains("kernel/panic"), "{error}");
            let now = |name: &str| held(&proc_sys, name).unwrap();
            assert_eq!((now("kernel/panic"), now("vm/overcommit_memory")), ("0".into(), "0".into()));
        });
    }
}
