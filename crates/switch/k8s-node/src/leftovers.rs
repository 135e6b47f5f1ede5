//! What kubelet and CNI leave behind when they have been stopped. What is not ours stays, and so does a directory with such in it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use common::files;
use contract::{places, services::PACKAGE};

/// What kubelet calls the network of a pod's loopback interface.
const LOOPBACK: &str = "cni-loopback";

const CGROUPS: &str = "/sys/fs/cgroup";

/// kubelet's, in each hierarchy.
const PODS_CGROUP: &str = "kubepods";

/// The addresses and results of our network.
pub fn remove_cni_state() -> Result<()> {
    files::remove_tree(places::CNI_STATE.as_ref())?;
    cni_results(places::CNI.as_ref())
}

/// CNI's library keeps a file for each interface, `NETWORK-CONTAINER-INTERFACE`; where, depends on its version. Those of the pods'
/// loopback interfaces it never removes: that network is kubelet's own.
fn cni_results(cni: &Path) -> Result<()> {
    let ours = [PACKAGE, LOOPBACK].map(|network| format!("{network}-"));
    for results in [cni.join("results"), cni.join("cache/results")] {
        for file in entries(&results)? {
            let name = file.file_name().unwrap_or_default().as_encoded_bytes();
            if ours.iter().any(|ours| name.starts_with(ours.as_bytes())) {
                gone(fs::remove_file(&file), &file)?;
            }
        }
    }
    for directory in ["results", "cache/results", "cache", "networks", ""] {
        let directory = cni.join(directory);
        match fs::remove_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            removed => gone(removed, &directory)?,
        }
    }
    Ok(())
}

/// The cgroups of pods that are gone.
pub fn remove_cgroups() -> Result<()> {
    let hierarchies = entries(CGROUPS.as_ref())?.into_iter().filter(|path| !path.is_symlink());
    hierarchies.chain([PathBuf::from(CGROUPS)]).try_for_each(|hierarchy| remove_cgroup(&hierarchy.join(PODS_CGROUP)))
}

/// A cgroup's files go with its directory, and those within have to go before.
fn remove_cgroup(cgroup: &Path) -> Result<()> {
    // Nothing can be removed from a hierarchy that is mounted read-only, not even what is not there.
    if !cgroup.is_dir() {
        return Ok(());
    }
    for within in entries(cgroup)? {
        if within.is_dir() {
            remove_cgroup(&within)?;
        }
    }
    gone(fs::remove_dir(cgroup), cgroup)
}

/// None where there is no such directory.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(vec![]);
        }
        entries => entries.with_context(|| format!("cannot read {}", directory.display()))?,
    };
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn gone(removed: io::Result<()>, path: &Path) -> Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rustix::mount::{MountFlags, mount};

    use super::*;
    use crate::test_support::in_mount_namespace;

    fn write(file: &Path) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "{}").unwrap();
    }

    #[test]
    fn results_of_our_network_go_and_those_of_another_stay_in_their_directory() {
        let root = tempfile::tempdir().unwrap();
        let cni = root.path().join("cni");
        cni_results(&cni).unwrap();
        let ours = [
            "results/kubernetes-on-eos-0a1b-eth0",
            "cache/results/kubernetes-on-eos-0a1b-eth0",
            "cache/results/cni-loopback-0a1b-eth0",
        ];
        let ours = ours.map(|file| cni.join(file));
        ours.iter().for_each(|file| write(file));
        let others = cni.join("cache/results/podman-0a1b-eth0");
        write(&others);
        cni_results(&cni).unwrap();
        assert!(others.exists() && !ours.iter().any(|file| file.exists()) && !cni.join("results").exists());
        fs::remove_file(others).unwrap();
        cni_results(&cni).unwrap();
        assert!(!cni.exists());
        cni_results(&cni).unwrap();
    }

    #[test]
    fn cgroups_go_from_within() {
        let root = tempfile::tempdir().unwrap();
        let pods = root.path().join("kubepods");
        fs::create_dir_all(pods.join("burstable/pod1")).unwrap();
        fs::create_dir_all(pods.join("pod2")).unwrap();
        remove_cgroup(&pods).unwrap();
        assert!(!pods.exists());
        remove_cgroup(&pods).unwrap();
    }

    #[test]
    #[ignore = "needs root, for a mount namespace"]
    fn a_hierarchy_that_is_read_only_and_has_no_pods_is_no_error() {
        in_mount_namespace(|| {
            let root = tempfile::tempdir().unwrap();
            mount("cgroup", root.path(), "tmpfs", MountFlags::RDONLY, None).unwrap();
            remove_cgroup(&root.path().join("kubepods")).unwrap();
        });
    }
}
