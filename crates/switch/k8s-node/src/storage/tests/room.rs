//! A flash or a file that is full, or becomes larger.

use super::*;

#[test]
#[ignore = "needs root, for a loop device"]
fn what_has_no_room_leaves_the_directory_and_the_flash_as_they_were() {
    in_mount_namespace(|| {
        let (switch, key) = flash_with_directory();
        fs::write(format!("{}/filler", places::FLASH), vec![1; 400 * MIB as usize]).unwrap();
        let before = flash::left().unwrap();
        let error = format!("{:#}", take_over(&switch, Some(places::STATE.as_ref())).unwrap_err());
        assert!(error.contains("cannot write 256 MiB into") && error.contains("No space left"), "{error}");
        until_freed(|| before - flash::left().unwrap() < MIB);
        assert_eq!((found().as_str(), fs::read(format!("{}/ca-key.pem", places::PKI)).unwrap()), ("directory", key));
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_full_flash_keeps_no_state_down_that_can_be_read() {
    in_mount_namespace(|| {
        flash_of(300);
        let switch = switch("veos-b");
        take_over(&switch, None).unwrap();
        unmount().unwrap();
        for place in [places::DROPPED_IMAGES, places::DROPPED_CA, places::DROPPED_PKI, places::STATE_MARKER] {
            files::remove_tree(place.as_ref()).unwrap();
        }
        crate::test_support::fill();
        for said in ["mounted", ""] {
            let ready = ready(&switch, |_| Ok(())).unwrap();
            assert_eq!(ready.said.is_some(), !said.is_empty());
            assert!(ready.warning.unwrap().contains("No space left"));
        }
        unmount().unwrap();
        fs::remove_file(format!("{}/filler", places::FLASH)).unwrap();
        until_freed(|| flash::left().unwrap() > MIB);
        assert_eq!(ready(&switch, |_| Ok(())).unwrap().warning, None);
        assert!(Path::new(places::STATE_MARKER).exists());
        unmount().unwrap();
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn the_file_grows_with_what_is_in_it_and_goes_on_where_it_was_cut_off() {
    in_mount_namespace(|| {
        flash_of(900);
        let switch = switch("veos-b");
        take_over(&switch, None).unwrap();
        fs::write(format!("{}/kept", places::STATE), "kept").unwrap();
        let size = || mount::superblock(places::STATE_FILE.as_ref()).unwrap().unwrap().size();
        let mut tells = |_: &str| Ok(());
        let to = Some(3 * ext4::GROUP);
        assert_eq!(grow::grow(true, to, &mut tells).unwrap(), (2 * ext4::GROUP, 3 * ext4::GROUP));
        // Cut while zeros were written, of 70 MiB of the next group: the length was on the medium before them.
        let file = File::options().read(true).write(true).open(places::STATE_FILE).unwrap();
        file.write_all_at(&vec![0x5a; 70 * MIB as usize], 3 * ext4::GROUP).unwrap();
        assert_eq!(found(), "unmounted");
        grow::grow(true, Some(5 * ext4::GROUP), &mut tells).unwrap();
        assert_eq!(size(), 5 * ext4::GROUP);
        assert!(grow::grow(true, Some(9 * ext4::GROUP), &mut tells).is_err(), "the flash has no room");
        ready(&switch, |_| Ok(())).unwrap();
        assert_eq!(fs::read_to_string(format!("{}/kept", places::STATE)).unwrap(), "kept");
        unmount().unwrap();
        require_right();
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_growth_that_fails_gives_its_room_back() {
    in_mount_namespace(|| {
        flash_of(600);
        take_over(&switch("veos-b"), None).unwrap();
        let before = flash::left().unwrap();
        let mut said = 0;
        let mut breaks = |_: &str| {
            said += 1;
            ensure!(said < 2, "the flash breaks");
            Ok(())
        };
        assert!(grow::grow(true, Some(3 * ext4::GROUP), &mut breaks).is_err());
        assert_eq!(flash::left().unwrap(), before);
        // A larger growth that was cut off leaves nothing behind a smaller one.
        let file = File::options().write(true).open(places::STATE_FILE).unwrap();
        file.set_len(4 * ext4::GROUP).unwrap();
        grow::grow(true, Some(3 * ext4::GROUP), &mut |_| Ok(())).unwrap();
        assert_eq!(fs::metadata(places::STATE_FILE).unwrap().len(), 3 * ext4::GROUP);
        require_right();
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_preflight_knows_before_a_first_boot_that_its_file_has_no_room() {
    in_mount_namespace(|| {
        flash_of(200);
        let refused = |master| refusal_on(&vfat(), Storage::default(), master).unwrap();
        assert!(refused(true).unwrap().contains("the flash has 200 MiB left, and the file"));
        assert_eq!(refused(false), None);
        // What is there already has its room.
        fs::create_dir_all(places::PKI).unwrap();
        assert_eq!(refused(true), None);
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn archives_of_images_come_out_of_the_file_and_no_reset_takes_them_away() {
    in_mount_namespace(|| {
        flash_of(600);
        let switch = switch("veos-b");
        take_over(&switch, None).unwrap();
        let put = |name: &str| {
            fs::create_dir_all(places::OWN_IMAGES).unwrap();
            fs::write(format!("{}/{name}", places::OWN_IMAGES), name).unwrap();
        };
        let out = |name: &str| fs::read_to_string(format!("{}/{name}", places::DROPPED_IMAGES)).unwrap_or_default();
        put("one.tar");
        assert!(report(true).unwrap().problem.unwrap().contains("one.tar among them, fill the state's file"));
        assert_eq!(ready(&switch, |_| Ok(())).unwrap().warning, None);
        assert_eq!((out("one.tar").as_str(), Path::new(places::OWN_IMAGES).exists()), ("one.tar", false));
        // Another one of a name that is there stays, and is named.
        fs::write(format!("{}/one.tar", places::DROPPED_IMAGES), "another").unwrap();
        put("one.tar");
        assert!(ready(&switch, |_| Ok(())).unwrap().warning.unwrap().contains("another one of this name is there"));
        assert!(forget().is_err() && Path::new(places::STATE_FILE).exists());
        fs::remove_file(format!("{}/one.tar", places::DROPPED_IMAGES)).unwrap();
        forget().unwrap();
        assert_eq!((out("one.tar").as_str(), found().as_str()), ("one.tar", "directory"));
    });
}
