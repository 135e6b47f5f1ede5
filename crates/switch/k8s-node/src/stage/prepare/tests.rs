//! With a real flash: a small file system mounted at its place, in a mount namespace of the test's own.

use std::thread;

use cluster::encryption;
use rustix::mount::{MountFlags, mount_remount};

use super::*;
use crate::test_support::{came_up_before, fill, flash_of, in_mount_namespace, node};

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_fuller_flash_keeps_no_working_cluster_down() {
    in_mount_namespace(|| {
        for (master, worker) in [(true, true), (true, false), (false, true)] {
            let node = node(master, worker);
            flash_of(50);
            came_up_before();
            let said = flash(&node).expect("50 MiB keep a switch down that was up before");
            let master_only = said.is_some_and(|said| said.contains("the flash has 49 MiB left"));
            assert_eq!(master_only, master, "a worker writes next to nothing");
            // Not a byte is left, and nothing needs to be written: all is there from the boot before.
            fill();
            let said = flash(&node).expect("a full flash keeps a switch down that was up before").unwrap();
            assert!(said.contains("the flash has 0 MiB left") && said.contains(room::FIX), "{said}");
        }
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_first_boot_is_refused_where_there_is_no_room_for_what_etcd_takes() {
    in_mount_namespace(|| {
        flash_of(150);
        let error = format!("{:#}", flash(&node(true, true)).expect_err("etcd alone would take it all"));
        assert!(error.contains("the flash has 150 MiB left, and 183 are needed for a first boot"), "{error}");
        // Keys that an operator has brought are no earlier boot of a master.
        fs::create_dir_all(places::PKI).unwrap();
        fs::write(Path::new(places::PKI).join("node-key.pem"), "x").unwrap();
        assert!(flash(&node(true, true)).is_err());
        assert_eq!(flash(&node(false, true)).unwrap(), None);

        flash_of(1);
        assert!(flash(&node(false, true)).is_err(), "there is no room for keys");
        flash_of(300);
        let said = flash(&node(true, true)).unwrap().unwrap();
        assert!(said.contains("which can come to 883"), "{said}");
        flash_of(950);
        assert_eq!(flash(&node(true, true)).unwrap(), None);
        flash_of(1);
        fill();
        let error = format!("{:#}", flash(&node(true, true)).unwrap_err());
        assert!(error.contains("the flash is full") && error.contains("No space left on device"), "{error}");
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_flash_that_cannot_be_written_is_an_error_at_every_boot() {
    in_mount_namespace(|| {
        flash_of(950);
        came_up_before();
        mount_remount(places::FLASH, MountFlags::RDONLY, c"").unwrap();
        let error = format!("{:#}", flash(&node(true, true)).unwrap_err());
        assert!(error.contains("the flash cannot be written") && error.contains("ead-only"), "{error}");
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn what_another_writer_has_not_finished_is_left_to_it() {
    in_mount_namespace(|| {
        flash_of(50);
        came_up_before();
        let key = Path::new(places::ENCRYPTION_CONFIG);
        let write = || {
            for _ in 0..300 {
                encryption::ensure(key).expect("a bring-up takes away what a renewal is writing");
                fs::remove_file(key).unwrap();
            }
        };
        thread::scope(|scope| {
            let writer = scope.spawn(write);
            while !writer.is_finished() {
                write_to(places::STATE.as_ref()).unwrap();
            }
            writer.join().unwrap();
        });
    });
}
