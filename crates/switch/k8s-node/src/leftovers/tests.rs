//! With real mounts: in the places themselves, in a mount namespace that ends with its thread.

use std::{os::unix::fs::symlink, thread};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::*;
use crate::test_support::in_mount_namespace;

const OURS: [&str; 4] = [
    "networks/kubernetes-on-eos/10.16.0.2",
    "results/kubernetes-on-eos-0a1b-eth0",
    "cache/results/kubernetes-on-eos-0a1b-eth0",
    "cache/results/cni-loopback-0a1b-eth0",
];

/// Puts what our network has into a directory of CNI's; says which files these are.
fn fill(cni: &Path) -> [PathBuf; 4] {
    let ours = OURS.map(|file| cni.join(file));
    ours.iter().for_each(|file| write(file));
    ours
}

fn write(file: &Path) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, "{}").unwrap();
}

fn tmpfs(place: &Path) {
    fs::create_dir_all(place).unwrap();
    mount("test", place, "tmpfs", MountFlags::empty(), None).unwrap();
}

/// With nothing in /var/lib, in a mount namespace.
fn in_empty_var_lib(test: impl FnOnce(&Path) + Send) {
    in_mount_namespace(|| {
        let cni = Path::new(places::CNI);
        tmpfs(cni.parent().unwrap());
        test(cni);
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn results_of_our_network_go_and_those_of_another_stay_in_their_directory() {
    in_empty_var_lib(|cni| {
        remove_cni_state().unwrap();
        let ours = fill(cni);
        let others = ["cache/results/podman-0a1b-eth0", "networks/podman/10.88.0.2"].map(|file| cni.join(file));
        others.iter().for_each(|file| write(file));
        remove_cni_state().unwrap();
        assert!(others.iter().all(|file| file.exists()) && !ours.iter().any(|file| file.exists()));
        assert!(!cni.join("results").exists());
        others.iter().for_each(|file| fs::remove_file(file).unwrap());
        fs::remove_dir(cni.join("networks/podman")).unwrap();
        remove_cni_state().unwrap();
        assert!(!cni.exists());
        remove_cni_state().unwrap();
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn what_a_link_leads_to_stays_and_is_no_error() {
    in_empty_var_lib(|cni| {
        let elsewhere = tempfile::tempdir().unwrap();
        let kept = fill(elsewhere.path());
        symlink(elsewhere.path(), cni).unwrap();
        remove_cni_state().unwrap();
        assert!(cni.is_symlink() && kept.iter().all(|file| file.exists()), "what the link leads to is gone");

        fs::remove_file(cni).unwrap();
        let ours = fill(cni);
        for directory in ["networks", "cache"] {
            fs::remove_dir_all(cni.join(directory)).unwrap();
            symlink(elsewhere.path().join(directory), cni.join(directory)).unwrap();
        }
        remove_cni_state().unwrap();
        assert!(!ours[1].exists() && cni.join("cache").is_symlink() && kept.iter().all(|file| file.exists()));
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn what_is_mounted_at_cni_s_directory_stays_mounted_and_loses_what_is_ours() {
    in_empty_var_lib(|cni| {
        for place in ["", "cache/results"] {
            tmpfs(&cni.join(place));
            let ours = fill(cni);
            remove_cni_state().unwrap();
            assert!(cni.join(place).exists() && !ours.iter().any(|file| file.exists()));
        }
    });
}

#[test]
fn cgroups_go_from_within_whatever_the_cgroup_driver() {
    let root = tempfile::tempdir().unwrap();
    let within = |path: &str| root.path().join(path);
    for cgroup in ["cpu/kubepods/burstable/pod1", "cpu/kubepods/pod2", "kubepods.slice/kubepods-pod3.slice"] {
        fs::create_dir_all(within(cgroup)).unwrap();
    }
    fs::create_dir_all(within("cpu/kubepods.slice/kubepods-burstable.slice")).unwrap();
    fs::create_dir_all(within("cpu/docker")).unwrap();
    remove_cgroups_in(root.path()).unwrap();
    let left: Vec<PathBuf> =
        [root.path(), &within("cpu")].into_iter().flat_map(|path| entries(path).unwrap()).collect();
    assert_eq!(left, [within("cpu"), within("cpu/docker")]);
    remove_cgroups_in(root.path()).unwrap();
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_cgroup_that_is_busy_for_a_moment_is_waited_for() {
    in_mount_namespace(|| {
        let root = tempfile::tempdir().unwrap();
        let busy = root.path().join("cpu/kubepods/pod1");
        // As a cgroup is while the kernel ends what was in it: EBUSY.
        tmpfs(&busy);
        let released = || {
            thread::sleep(Duration::from_millis(300));
            unmount(&busy, UnmountFlags::empty()).unwrap();
        };
        let removed = thread::scope(|scope| {
            scope.spawn(released);
            remove_cgroups_in(root.path())
        });
        removed.unwrap();
        assert!(!root.path().join("cpu/kubepods").exists());
    });
}

#[test]
fn a_cgroup_that_stays_is_named_with_its_processes_and_the_others_go() {
    let root = tempfile::tempdir().unwrap();
    let stays = root.path().join("cpu/kubepods/pod1");
    for cgroup in ["cpu/kubepods/pod1", "cpu/kubepods/pod2", "memory/kubepods/pod1"] {
        fs::create_dir_all(root.path().join(cgroup)).unwrap();
    }
    fs::write(stays.join("cgroup.procs"), format!("{}\n", std::process::id())).unwrap();
    let error = format!("{:#}", remove_cgroups_in(root.path()).unwrap_err());
    assert!(error.contains(&format!("cannot remove {}", stays.display())), "{error}");
    assert!(error.contains(&format!("in it is process {} (", std::process::id())), "{error}");
    assert!(!root.path().join("cpu/kubepods/pod2").exists() && !root.path().join("memory/kubepods").exists());
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_hierarchy_that_is_read_only_and_has_no_pods_is_no_error() {
    in_mount_namespace(|| {
        let root = tempfile::tempdir().unwrap();
        mount("cgroup", root.path(), "tmpfs", MountFlags::RDONLY, None).unwrap();
        remove_cgroups_in(root.path()).unwrap();
    });
}
