//! A backup that is put back, and what is set aside for it.

use super::*;

#[test]
#[ignore = "needs root, for a loop device"]
fn a_backup_has_a_place_to_come_to_where_the_state_is_lost_and_no_bring_up_begins_before() {
    in_mount_namespace(|| {
        flash_of(1300);
        let switch = switch("veos-b");
        take_over(&switch, None).unwrap();
        unmount().unwrap();
        let file = File::options().write(true).open(places::STATE_FILE).unwrap();
        file.write_all_at(&[7; 4096], 0).unwrap();
        for_restore("veos-b", 0).unwrap();
        assert_eq!(found(), "mounted");
        assert!(crate::restore::interrupted().is_some(), "an empty state could become a new cluster");
        assert!(Path::new(places::STATE_FILE_DAMAGED).exists());
        for_restore("veos-b", 0).unwrap();
        unmount().unwrap();

        // The power is cut in it: before the new file counts, nothing begins, and what is kept stays.
        let damaged = || fs::read(places::STATE_FILE_DAMAGED).unwrap()[..4096] == [7; 4096];
        assert!(damaged());
        let file = File::options().read(true).write(true).open(places::STATE_FILE).unwrap();
        Superblock::read(&file).unwrap().unwrap().relabel(&file, UNFINISHED_LABEL).unwrap();
        assert!(found().contains("has no file system"), "{}", found());
        for_restore("veos-b", 0).unwrap();
        assert!(damaged() && crate::restore::interrupted().is_some());
        unmount().unwrap();
        // Another one is lost beside it.
        let file = File::options().write(true).open(places::STATE_FILE).unwrap();
        file.write_all_at(&[9; 4096], 0).unwrap();
        let error = format!("{:#}", for_restore("veos-b", 0).unwrap_err());
        assert!(error.contains("Move one of the two off") && !error.contains("remove") && damaged(), "{error}");
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_directory_that_was_put_aside_and_is_in_no_file_is_never_removed() {
    in_mount_namespace(|| {
        let (switch, _) = flash_with_directory();
        take_over(&switch, Some(places::STATE.as_ref())).unwrap();
        fs::remove_file(places::TAKEN_OVER).unwrap();
        let another = Path::new(places::STATE_BEFORE).with_file_name("k8s-before-2");
        fs::create_dir_all(another.join("pki")).unwrap();
        assert!(report(true).unwrap().remarks.iter().any(|said| said.contains("k8s-before-2 has another state")));
        assert!(forget_before().unwrap().is_some() && !Path::new(places::STATE_BEFORE).exists());
        assert!(another.exists() && forget_before().unwrap().is_none());
        // As a restore does it, beside an older release's directory.
        unmount().unwrap();
        fs::remove_dir_all(another).unwrap();
        files::remove_tree(places::STATE.as_ref()).unwrap();
        fs::create_dir_all(places::PKI).unwrap();
        for_restore("veos-b", 0).unwrap();
        fs::remove_file(places::TAKEN_OVER).unwrap();
        assert!(forget_before().unwrap().is_none() && Path::new(places::STATE_BEFORE).join("pki").is_dir());
        unmount().unwrap();
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_file_is_set_aside_for_what_is_in_it_and_not_for_what_the_switch_lacks() {
    in_mount_namespace(|| {
        flash_of(600);
        let switch = switch("veos-b");
        take_over(&switch, None).unwrap();
        unmount().unwrap();
        // No mount, no e2fsck, no losetup: whatever the file has, it is not set aside.
        rustix::mount::mount("none", "/usr/sbin", "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
        rustix::mount::mount("none", "/dev", "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
        assert!(bring("veos-b").is_ok() && for_restore("veos-b", 0).is_err());
        assert!(Path::new(places::STATE_FILE).exists() && !Path::new(places::STATE_FILE_DAMAGED).exists());
        for place in ["/dev", "/usr/sbin"] {
            rustix::mount::unmount(place, rustix::mount::UnmountFlags::empty()).unwrap();
        }
        bring("veos-b").unwrap();
        assert_eq!(found(), "mounted");
        unmount().unwrap();
        // It says that it is a state, and the kernel does not take it.
        let file = File::options().write(true).open(places::STATE_FILE).unwrap();
        file.write_all_at(&[0xff; 4096], 4096).unwrap();
        file.write_all_at(&[0xff; 4], 1024 + 0x60).unwrap();
        fs::write(format!("{}/filler", places::FLASH), vec![1; 200 * MIB as usize]).unwrap();
        let error = format!("{:#}", for_restore("veos-b", 0).unwrap_err());
        assert!(error.contains("may be whole") && Path::new(places::STATE_FILE).exists(), "{error}");
        fs::remove_file(format!("{}/filler", places::FLASH)).unwrap();
        until_freed(|| flash::left().unwrap() > 200 * MIB);
        bring("veos-b").unwrap();
        assert!(!Path::new(places::STATE_FILE_DAMAGED).exists(), "nothing was proved yet");
        for_restore("veos-b", 0).unwrap();
        assert!(Path::new(places::STATE_FILE_DAMAGED).exists());
        unmount().unwrap();
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_file_has_the_room_that_a_backup_takes_where_the_flash_has_it() {
    in_mount_namespace(|| {
        flash_of(900);
        let left = || {
            let space = rustix::fs::statvfs(places::STATE).unwrap();
            space.f_bavail * space.f_frsize
        };
        let contents = Contents { there: 0, restored: 400 * MIB };
        let size = size::of_new(true, flash::left().unwrap(), contents).unwrap();
        make(size, None, Whose { cluster: "kubernetes", node: "veos-b" }, |_| Ok(()), |_| Ok(())).unwrap();
        assert!(left() >= 400 * MIB, "{}", left() / MIB);
        fs::write(format!("{}/kept", places::STATE), "kept").unwrap();
        make_room("veos-b", 600 * MIB).unwrap();
        assert!(left() >= 600 * MIB && Path::new(places::STATE).join("kept").exists(), "{}", left() / MIB);
        let before = flash::left().unwrap();
        make_room("veos-b", 2000 * MIB).unwrap();
        assert_eq!((found().as_str(), flash::left().unwrap()), ("mounted", before));
        assert!(how_to_hold(100 * MIB).unwrap().contains("storage grow --to "));
        unmount().unwrap();
        require_right();
    });
}
