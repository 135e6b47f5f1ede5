//! For tests alone: a mount namespace of the test's own, so that real mounts harm nobody and end with it, and a flash in it.

use std::{
    ffi::CString,
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use cluster::Node;
use contract::places::{self, FLASH};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

/// Runs a test on a thread whose mounts are its own. Needs root.
pub fn in_mount_namespace(test: impl FnOnce() + Send) {
    let apart = || {
        // SAFETY: the mount namespace and the current directory become this thread's own; file descriptors stay shared.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("a mount namespace needs root");
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        test();
    };
    thread::scope(|scope| scope.spawn(apart).join().unwrap());
}

/// Puts an empty flash of so many MiB in its place, over whatever is there.
pub fn flash_of(mib: u32) {
    mount("mnt", "/mnt", "tmpfs", MountFlags::empty(), None).unwrap();
    fs::create_dir(FLASH).unwrap();
    let size = CString::new(format!("size={mib}m")).unwrap();
    mount("flash", FLASH, "tmpfs", MountFlags::empty(), size.as_c_str()).unwrap();
}

/// What a boot leaves on the flash, as far as a later one asks for it.
pub fn came_up_before() {
    let state = Path::new(places::STATE);
    for directory in [places::LOG, places::OWN_IMAGES, places::KUBECONFIGS, places::PKI] {
        fs::create_dir_all(directory).unwrap();
    }
    fs::create_dir_all(state.join("etcd/member/wal")).unwrap();
    for file in ["etcd/member/wal/0000000000000000-0000000000000000.wal", "pki/node-key.pem", "written-at-boot"] {
        fs::write(state.join(file), "x").unwrap();
    }
}

/// Fills the flash up to its last byte.
pub fn fill() {
    let mut filler = fs::File::create(PathBuf::from(FLASH).join("filler")).unwrap();
    let error = io::copy(&mut io::repeat(1), &mut filler).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}

/// Waits until what was removed or dropped is free: what another test forks has our files open, too, until it becomes its program.
pub fn until_freed(is_freed: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !is_freed() {
        assert!(Instant::now() < limit, "what was removed or dropped is not free");
        thread::sleep(Duration::from_millis(10));
    }
}

pub fn node(master: bool, worker: bool) -> Node {
    let pod_cidr = "10.16.0.0/24".parse().unwrap();
    Node { name: "veos-b".into(), address: Ipv4Addr::LOCALHOST, master, worker, pod_cidr }
}
