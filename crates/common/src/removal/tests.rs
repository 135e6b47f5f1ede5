//! With real mounts, in a mount namespace that ends with its thread.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    thread,
};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

use super::*;

/// Runs a test where its mounts are its own.
fn in_mount_namespace(test: impl FnOnce() + Send) {
    let apart = || {
        // SAFETY: the mount namespace and the current directory become this thread's own; file descriptors stay shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("a mount namespace needs root");
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        test();
    };
    thread::scope(|scope| scope.spawn(apart).join().unwrap());
}

/// A tree as the kubelet leaves one, with a file of a pod's own, and outside of it somebody's data.
struct Trees {
    _both: tempfile::TempDir,
    tree: PathBuf,
    outside: PathBuf,
}

impl Trees {
    fn new() -> Self {
        let both = tempfile::tempdir().unwrap();
        let (tree, outside) = (both.path().join("kubelet"), both.path().join("outside"));
        fs::create_dir_all(tree.join("pods/a/volumes/data")).unwrap();
        fs::create_dir_all(tree.join("pods/a/volumes/a b\tc\\d")).unwrap();
        fs::write(tree.join("pods/a/hosts"), "").unwrap();
        fs::create_dir_all(outside.join("below")).unwrap();
        fs::write(outside.join("below/precious"), "data").unwrap();
        Trees { tree, outside, _both: both }
    }

    fn volume(&self) -> PathBuf {
        self.tree.join("pods/a/volumes/data")
    }

    fn is_whole(&self) {
        let data = fs::read_to_string(self.outside.join("below/precious"));
        assert_eq!(data.expect("somebody's data is gone"), "data");
        assert!(self.tree.join("pods/a/hosts").exists(), "a part of the tree is gone");
    }
}

fn is_refused(removed: Result<()>, place: &Path) {
    let error = format!("{:#}", removed.unwrap_err());
    assert!(error.contains(&place.display().to_string()) && error.contains("unmount"), "{error}");
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn nothing_is_removed_while_a_part_of_the_same_file_system_is_mounted_below() {
    in_mount_namespace(|| {
        for volume in ["pods/a/volumes/data", "pods/a/volumes/a b\tc\\d"] {
            let trees = Trees::new();
            mount_bind(&trees.outside, trees.tree.join(volume)).unwrap();
            let removed = remove_tree(&trees.tree);
            trees.is_whole();
            is_refused(removed, &trees.tree.join(volume));
        }
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn nothing_is_removed_while_another_file_system_is_mounted_below_or_at_the_tree() {
    in_mount_namespace(|| {
        let trees = Trees::new();
        mount("volume", trees.volume(), "tmpfs", MountFlags::empty(), None).unwrap();
        fs::write(trees.volume().join("precious"), "data").unwrap();
        let removed = remove_tree(&trees.tree);
        assert!(trees.volume().join("precious").exists(), "somebody's data is gone");
        trees.is_whole();
        is_refused(removed, &trees.volume());
        // The tree itself, through a link to what is above it, as well.
        let link = trees.outside.join("link");
        symlink(trees.volume().parent().unwrap(), &link).unwrap();
        is_refused(remove_tree(&link.join("data")), &trees.volume());
        assert!(trees.volume().join("precious").exists());
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn what_is_mounted_after_it_was_asked_is_not_entered() {
    in_mount_namespace(|| {
        let trees = Trees::new();
        mount_bind(&trees.outside, trees.volume()).unwrap();
        let error = format!("{:#}", remove_unmounted(&trees.tree).unwrap_err());
        assert!(error.contains("volumes/data is mounted from elsewhere"), "{error}");
        assert_eq!(fs::read_to_string(trees.outside.join("below/precious")).unwrap(), "data");
        mount_bind(&trees.outside, &trees.tree).unwrap();
        assert!(remove_unmounted(&trees.tree).is_err(), "the tree itself is mounted over");
        assert_eq!(fs::read_to_string(trees.outside.join("below/precious")).unwrap(), "data");
    });
}

#[test]
fn links_are_removed_and_not_followed() {
    let trees = Trees::new();
    symlink(&trees.outside, trees.tree.join("pods/link")).unwrap();
    remove_tree(&trees.tree).unwrap();
    assert!(!trees.tree.exists() && trees.outside.join("below/precious").exists());
    symlink(&trees.outside, &trees.tree).unwrap();
    remove_tree(&trees.tree).unwrap();
    assert!(!trees.tree.is_symlink() && trees.outside.join("below/precious").exists());
    remove_tree(&trees.outside.join("below/precious")).unwrap();
    remove_tree(&trees.outside.join("below/precious")).unwrap();
    assert_eq!(fs::read_dir(trees.outside.join("below")).unwrap().count(), 0);
}

#[test]
fn a_tree_with_read_only_directories_can_be_removed() {
    let trees = Trees::new();
    for (directory, mode) in [("pods/a/volumes", 0o555), ("pods/a", 0o111), ("pods", 0o000)] {
        fs::set_permissions(trees.tree.join(directory), Permissions::from_mode(mode)).unwrap();
    }
    remove_tree(&trees.tree).unwrap();
    assert!(!trees.tree.exists());
}
