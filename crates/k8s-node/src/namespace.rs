//! For tests alone: a mount namespace of the test's own, so that real mounts harm nobody and end with it.

use std::thread;

use rustix::{
    mount::{MountPropagationFlags, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

/// Runs a test on a thread whose mounts are its own. Needs root.
pub fn in_mount_namespace(test: impl FnOnce() + Send) {
    let apart = || {
        // SAFETY: the mount namespace and the current folder become this thread's own; file descriptors stay shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("a mount namespace needs root");
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        test();
    };
    thread::scope(|scope| scope.spawn(apart).join().unwrap());
}
