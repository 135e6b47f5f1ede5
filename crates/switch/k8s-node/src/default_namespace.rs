//! The network that Kubernetes is in: that of PID 1, whatever VRF k8s-node is called from. A VRF of EOS is a network namespace, and a
//! shell in one sees other interfaces, routes and iptables.

use std::{env, fs, fs::File, os::fd::AsFd, path::Path};

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const HERE: &str = "/proc/self/ns/net";
const DEFAULT: &str = "/proc/1/ns/net";
/// What `ip netns exec` is called in has mounts of its own, too: what is mounted there, others would not see.
const DEFAULT_MOUNTS: &str = "/proc/1/ns/mnt";

/// Moves this process there, before it has a second thread.
pub fn enter() -> Result<()> {
    // Who may not look there is no root, or a unit with less than root's rights, which systemd has put into the right place.
    let (Ok(here), Ok(default)) = (fs::read_link(HERE), fs::read_link(DEFAULT)) else { return Ok(()) };
    if here == default {
        return Ok(());
    }
    let directory = env::current_dir();
    let network = open(DEFAULT)?;
    let mounts = open(DEFAULT_MOUNTS)?;
    let enter = |namespace: &File, kind| move_into_link_name_space(namespace.as_fd(), Some(kind));
    enter(&network, LinkNameSpaceType::Network)
        .and_then(|()| enter(&mounts, LinkNameSpaceType::Mount))
        .context("cannot leave this VRF for the default one, where Kubernetes is; this needs root")?;
    // Files are named from where the person is; a directory that only the VRF has, is gone.
    if let Ok(directory) = directory {
        let _ = env::set_current_dir(directory);
    }
    Ok(())
}

fn open(namespace: &str) -> Result<File> {
    File::open(Path::new(namespace)).with_context(|| format!("cannot open {namespace}; this needs root"))
}
