//! A flash in a mount namespace, with real ext4 in its file. The flash is a tmpfs, which keeps modes: that it is to go into a file is
//! said here.

use std::{
    fs::File,
    os::unix::fs::{FileExt, MetadataExt},
};

use cluster::{Cluster, Storage, pki};

use super::*;
use crate::{
    desired::Desired,
    test_support::{flash_of, in_mount_namespace as in_namespace, until_freed},
};

const CLUSTER: &str = include_str!("../../../cluster/tests/fixtures/cluster.toml");
const MIB: u64 = 1 << 20;

mod restored;
mod room;

/// What is new at every boot is the test's own, too.
fn in_mount_namespace(test: impl FnOnce() + Send) {
    in_namespace(|| {
        rustix::mount::mount("run", "/run", "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
        test();
    });
}

pub(super) fn switch(name: &str) -> Switch {
    let cluster = Cluster::parse(CLUSTER, places::CLUSTER_TOML).unwrap();
    let node = cluster.node(name).unwrap().clone();
    Switch { cluster, node }
}

/// A flash that a directory of state is on, as an older release leaves it.
fn flash_with_directory() -> (Switch, Vec<u8>) {
    flash_of(600);
    let switch = switch("veos-b");
    let Switch { cluster, node } = &switch;
    pki::ensure_master(places::PKI.as_ref(), cluster, node, std::time::SystemTime::now()).unwrap();
    fs::create_dir_all(format!("{}/member/wal", places::ETCD)).unwrap();
    fs::write(format!("{}/member/wal/0-0.wal", places::ETCD), vec![5; 3_000_000]).unwrap();
    fs::create_dir_all(places::OWN_IMAGES).unwrap();
    fs::write(format!("{}/own.tar", places::OWN_IMAGES), "image").unwrap();
    let key = fs::read(format!("{}/ca-key.pem", places::PKI)).unwrap();
    (switch, key)
}

fn take_over(switch: &Switch, from: Option<&Path>) -> Result<()> {
    let whose = Whose { cluster: &switch.cluster.name, node: &switch.node.name };
    make(2 * ext4::GROUP, from, whose, |_| Ok(()), |_| Ok(())).map(drop)
}

/// e2fsck finds nothing that it would change.
fn require_right() {
    let check = common::command::Program::new("e2fsck", "check it").unwrap();
    check.args(["-f", "-n", places::STATE_FILE]).read().unwrap();
}

fn found() -> String {
    match look().unwrap() {
        Found::Directory => "directory".into(),
        Found::Mounted => "mounted".into(),
        Found::Unmounted => "unmounted".into(),
        Found::Lost(why) => why,
    }
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_directory_goes_into_the_file_whole_and_stays_aside_until_a_boot_without_it_was_ready() {
    in_mount_namespace(|| {
        let (switch, key) = flash_with_directory();
        take_over(&switch, Some(places::STATE.as_ref())).unwrap();
        assert_eq!(found(), "mounted");
        let file = format!("{}/ca-key.pem", places::PKI);
        assert_eq!(fs::read(&file).unwrap(), key);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(format!("{}/member/wal/0-0.wal", places::ETCD)).unwrap().len(), 3_000_000);
        assert_eq!(fs::read(format!("{}/own.tar", places::DROPPED_IMAGES)).unwrap(), b"image");
        let blocks = fs::metadata(places::STATE_FILE).unwrap().blocks();
        assert!(blocks * 512 >= 2 * ext4::GROUP, "the file has holes");

        assert!(Path::new(places::STATE_BEFORE).join("pki/ca-key.pem").exists());
        assert_eq!(forget_before().unwrap(), None, "no boot has been without it");
        // The next boot.
        unmount().unwrap();
        fs::remove_file(places::TAKEN_OVER).unwrap();
        let ready = ready(&switch, |_| Ok(())).unwrap();
        assert!(ready.said.unwrap().starts_with("mounted") && ready.warning.is_none());
        assert_eq!(fs::read(&file).unwrap(), key);
        assert!(forget_before().unwrap().is_some() && !Path::new(places::STATE_BEFORE).exists());
        unmount().unwrap();
    });
}

/// As the flash of a switch is.
fn vfat() -> Flash {
    Flash { kind: "vfat".into(), keeps_modes: false }
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_cluster_that_runs_stays_in_its_directory_until_the_operator_says_so_and_a_new_one_goes_into_a_file() {
    in_mount_namespace(|| {
        flash_of(600);
        let chosen = |storage| choose(&vfat(), storage, true).unwrap();
        assert!(matches!(chosen(Storage::default()), Choice::File { from: None, .. }));
        flash_with_directory();
        let Choice::Stay(Some(said)) = chosen(Storage::default()) else { panic!("the directory is taken over") };
        assert!(said.contains("`take_over = true`") && said.contains("in its group reads"), "{said}");
        let storage = Storage { take_over: true, ..Storage::default() };
        // There is no systemd here to ask what runs.
        let beyond = choose(&vfat(), storage, true);
        assert!(!matches!(beyond, Ok(Choice::Stay(Some(said))) if said.contains("take_over")));
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_marker_without_a_state_that_can_be_read_stops_whatever_is_missing() {
    in_mount_namespace(|| {
        let (switch, _) = flash_with_directory();
        take_over(&switch, Some(places::STATE.as_ref())).unwrap();
        unmount().unwrap();
        files::remove_tree(places::STATE_BEFORE.as_ref()).unwrap();
        let stops = |why: &str| {
            let error = format!("{:#}", ready(&switch, |_| Ok(())).unwrap_err());
            assert!(
                error.contains(why) && error.contains("k8s-node restore") && error.contains("k8s-node reset"),
                "{error}"
            );
            assert!(is_elsewhere().unwrap());
        };
        let file = File::options().read(true).write(true).open(places::STATE_FILE).unwrap();
        let mut beginning = vec![0; 4096];
        file.read_exact_at(&mut beginning, 0).unwrap();
        file.write_all_at(&[0; 4096], 0).unwrap();
        stops("has no file system that can be read");
        // dosfsck has given the marker no length; and then it has taken it away.
        fs::write(places::STATE_MARKER, "").unwrap();
        stops("has no file system");
        fs::remove_file(places::STATE_MARKER).unwrap();
        stops("has no file system");
        file.write_all_at(&beginning, 0).unwrap();
        file.set_len(ext4::GROUP).unwrap();
        stops("was cut off: it has 128 of 256 MiB");
        file.set_len(2 * ext4::GROUP).unwrap();
        // What is readable is enough, and the marker is written again.
        ready(&switch, |_| Ok(())).unwrap();
        unmount().unwrap();
        assert!(
            matches!(Marker::read().unwrap(), Marker::Names { cluster, node, .. } if cluster == "kubernetes" && node == "veos-b")
        );
        let moved = format!("{}.away", places::STATE_FILE);
        fs::rename(places::STATE_FILE, &moved).unwrap();
        stops("is not there");
        // Another switch's.
        let superblock = Superblock::read(&file).unwrap().unwrap();
        fs::rename(&moved, places::STATE_FILE).unwrap();
        Marker::ensure(Id(*b"fedcba9876543210"), "kubernetes", "veos-b").unwrap();
        stops("is another one than");
        Marker::ensure(Id(superblock.uuid()), "kubernetes", "veos-b").unwrap();
        assert_eq!(found(), "unmounted");
        forget().unwrap();
        assert_eq!(found(), "directory");
        assert!(!Path::new(places::STATE).exists());
    });
}

/// By the very code that df965f1 has had in its stages: a directory of keys that cannot be made, and a key of Secrets that cannot be read.
#[test]
#[ignore = "needs root, for a loop device"]
fn an_older_release_makes_no_new_authority_in_the_directory_that_is_covered() {
    in_mount_namespace(|| {
        let (switch, _) = flash_with_directory();
        take_over(&switch, Some(places::STATE.as_ref())).unwrap();
        unmount().unwrap();
        let Switch { cluster, node } = &switch;
        let (pki, now) = (Path::new(places::PKI), std::time::SystemTime::now());
        let error = pki::ensure_master(pki, cluster, node, now).unwrap_err().to_string();
        assert!(error.contains("cannot create the directory"), "{error}");
        assert!(pki::requests(pki, cluster, cluster.node("veos-l1").unwrap(), now).is_err(), "a worker makes no keys");
        assert!(cluster::encryption::ensure(places::ENCRYPTION_CONFIG.as_ref()).is_err());
        assert!(fs::read_to_string(pki).unwrap().contains("Install the newer release again"));
        assert!(ready(&switch, |_| Ok(())).unwrap().said.is_some(), "and the newer one goes on");
        unmount().unwrap();
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_power_cut_while_the_file_is_made_leaves_the_directory_or_the_whole_file() {
    in_mount_namespace(|| {
        let (switch, key) = flash_with_directory();
        let from: Option<&Path> = Some(places::STATE.as_ref());
        // Whatever a cut leaves of the file before it has its label.
        for left in [vec![], vec![0; 10_000_000]] {
            files::create_dir(places::PLAIN.as_ref()).unwrap();
            fs::write(places::STATE_FILE, left).unwrap();
            assert_eq!(found(), "directory");
        }
        fill::make(ext4::GROUP, from, |_| Ok(()), |_| Ok(())).unwrap();
        let superblock = || mount::superblock(places::STATE_FILE.as_ref()).unwrap().unwrap();
        let file = File::options().read(true).write(true).open(places::STATE_FILE).unwrap();
        superblock().relabel(&file, UNFINISHED_LABEL).unwrap();
        assert_eq!(found(), "directory", "everything but the label is there");
        superblock().relabel(&file, LABEL).unwrap();
        // An older release may go on with the directory now: it is that which counts, and it is taken over again.
        assert_eq!(found(), "directory", "the directory has not been put aside");
        // Once that is so, what is not done yet, the next boot does.
        before::put_aside().unwrap();
        assert!(!Path::new(places::STATE).exists());
        for cut in 0..3 {
            if cut > 0 {
                cover::ensure(places::STATE.as_ref()).unwrap();
            }
            if cut > 1 {
                Marker::ensure(Id(superblock().uuid()), "kubernetes", "veos-b").unwrap();
            }
            assert_eq!(found(), "unmounted", "{cut}");
            ready(&switch, |_| Ok(())).unwrap();
            assert_eq!(fs::read(format!("{}/ca-key.pem", places::PKI)).unwrap(), key);
            unmount().unwrap();
            files::remove_tree(places::STATE.as_ref()).unwrap();
            files::remove_tree(places::STATE_MARKER.as_ref()).unwrap();
        }
    });
}

/// Two entries of a flash without a journal: dosfsck may have cut either of what they lead to, and the file has been read back.
#[test]
#[ignore = "needs root, for a loop device"]
fn a_rename_that_left_both_names_is_put_aside_whole() {
    in_mount_namespace(|| {
        let (switch, key) = flash_with_directory();
        fill::make(ext4::GROUP, Some(places::STATE.as_ref()), |_| Ok(()), |_| Ok(())).unwrap();
        files::copy_tree(places::STATE.as_ref(), places::STATE_BEFORE.as_ref()).unwrap();
        fs::remove_file(format!("{}/ca-key.pem", places::PKI)).unwrap();
        assert_eq!(found(), "unmounted");
        ready(&switch, |_| Ok(())).unwrap();
        assert_eq!(fs::read(format!("{}/ca-key.pem", places::PKI)).unwrap(), key);
        assert_eq!(before::all().len(), 2);
        assert!(forget_before().unwrap().is_some() && before::all().is_empty());
        unmount().unwrap();
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_state_of_an_older_release_beside_the_files_is_for_the_operator_to_choose() {
    in_mount_namespace(|| {
        let (switch, _) = flash_with_directory();
        take_over(&switch, Some(places::STATE.as_ref())).unwrap();
        unmount().unwrap();
        // Somebody has removed what is covered, and the older release has made a cluster.
        files::remove_tree(places::STATE.as_ref()).unwrap();
        fs::create_dir_all(places::PKI).unwrap();
        fs::write(format!("{}/ca-key.pem", places::PKI), "another").unwrap();
        let error = format!("{:#}", ready(&switch, |_| Ok(())).unwrap_err());
        assert!(error.contains("nobody can tell which count"), "{error}");
        assert_eq!(fs::read(format!("{}/ca-key.pem", places::PKI)).unwrap(), b"another");
        fs::rename(places::STATE, format!("{}/away", places::FLASH)).unwrap();
        ready(&switch, |_| Ok(())).unwrap();
        unmount().unwrap();
    });
}

/// What has it open keeps the file system of what was unmounted lazily, and so does a bind mount in a service's own namespace.
#[test]
#[ignore = "needs root, for a loop device"]
fn what_is_unmounted_while_it_is_in_use_comes_back_as_the_same_file_system() {
    in_mount_namespace(|| {
        flash_of(600);
        take_over(&switch("veos-b"), None).unwrap();
        let mut kept = StateMounted;
        assert!(kept.wrong().unwrap().is_empty());
        let place = Path::new(places::STATE);
        let log = File::create(place.join("log")).unwrap();
        for round in 0..3 {
            rustix::mount::unmount(place, rustix::mount::UnmountFlags::DETACH).unwrap();
            let error = format!("{:#}", mount::unmount(places::STATE_FILE.as_ref(), place).unwrap_err());
            assert!(error.contains("still in use"), "it could be written: {error}");
            let wrong = kept.wrong().unwrap();
            assert_eq!(wrong, [places::STATE]);
            kept.repair(&wrong).unwrap();
            log.write_all_at(b"written after it was unmounted", round * 100).unwrap();
            fs::write(place.join(format!("new-{round}")), "new").unwrap();
        }
        let read = fs::read(place.join("log")).unwrap();
        assert!(read.len() > 200 && read.ends_with(b"written after it was unmounted"), "it is another file system");
        drop(log);
        unmount().unwrap();
        require_right();
        // Nobody has it: it is checked and mounted.
        let wrong = kept.wrong().unwrap();
        kept.repair(&wrong).unwrap();
        assert!(kept.wrong().unwrap().is_empty() && place.join("new-2").exists());
        unmount().unwrap();
        // And never over what somebody else has mounted there, neither by this nor by a bring-up.
        rustix::mount::mount("other", place, "tmpfs", rustix::mount::MountFlags::empty(), None).unwrap();
        assert!(kept.wrong().unwrap().is_empty());
        assert!(report(true).unwrap().problem.unwrap().contains("something else is mounted"));
        let error = format!("{:#}", ready(&switch("veos-b"), |_| Ok(())).unwrap_err());
        assert!(
            error.contains("other (tmpfs) is mounted at") && fs::read_dir(place).unwrap().next().is_none(),
            "{error}"
        );
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_file_that_nothing_names_is_made_anew_only_where_it_was_never_finished() {
    in_mount_namespace(|| {
        flash_of(600);
        take_over(&switch("veos-b"), None).unwrap();
        unmount().unwrap();
        files::remove_tree(places::STATE.as_ref()).unwrap();
        files::remove_tree(places::STATE_MARKER.as_ref()).unwrap();
        assert_eq!(found(), "unmounted", "what can be read is enough");
        let file = File::options().read(true).write(true).open(places::STATE_FILE).unwrap();
        // A sector of its superblock is spoiled, by something or by nothing: its copy says that it has been a state.
        for spoiled in [[7; 512], [0; 512]] {
            file.write_all_at(&spoiled, 1024).unwrap();
            file.write_all_at(&spoiled, 1536).unwrap();
            assert!(found().contains("none that was not finished"), "{}", found());
        }
        fill::discard(places::STATE_FILE.as_ref()).unwrap();
        assert_eq!(found(), "directory");
        let mut beginning = [1; 4096];
        file.read_exact_at(&mut beginning, 0).unwrap();
        assert_eq!(beginning, [0; 4096], "its blocks could be taken for a state");
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn whether_it_can_be_done_is_found_out_before_the_flash_is_written() {
    in_mount_namespace(|| {
        flash_of(10);
        fill::try_out().unwrap();
        assert_eq!(fs::read_dir(places::FLASH).unwrap().count(), 0);
        assert!(mount::at(places::NEW_STATE.as_ref()).unwrap().is_none());
        let names: Vec<_> = fs::read_dir(places::RUN).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["new-state"]);
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_part_of_a_state_is_one_and_what_stands_in_its_place_is_none() {
    in_mount_namespace(|| {
        flash_of(10);
        let state = Path::new(places::STATE);
        assert!(!has_state(state));
        cover::ensure(state).unwrap();
        fs::create_dir(places::SNAPSHOTS).unwrap();
        assert!(!has_state(state));
        for part in [format!("{}/etcd-copy.snapshot", places::SNAPSHOTS), places::ENCRYPTION_CONFIG.to_owned()] {
            fs::write(&part, "x").unwrap();
            assert!(has_state(state), "{part}");
            fs::remove_file(&part).unwrap();
        }
        fs::create_dir(places::RESTORING).unwrap();
        assert!(has_state(state));
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn a_bring_up_that_was_ended_while_it_filled_the_file_leaves_nothing_mounted() {
    in_mount_namespace(|| {
        let switch = switch("veos-b");
        flash_of(600);
        take_over(&switch, None).unwrap();
        let kept = format!("{}/kept", places::NEW_STATE);
        for round in 0..2 {
            unmount().unwrap();
            mount::mount(places::STATE_FILE.as_ref(), places::NEW_STATE.as_ref()).unwrap();
            fs::write(&kept, "kept").unwrap();
            match round {
                0 => drop(ready(&switch, |_| Ok(())).unwrap()),
                // As `down` does, before it removes what is below.
                _ => unmount().unwrap(),
            }
            assert!(mount::at(places::NEW_STATE.as_ref()).unwrap().is_none());
        }
        files::remove_tree(places::RUN.as_ref()).unwrap();
        ready(&switch, |_| Ok(())).unwrap();
        assert!(Path::new(places::STATE).join("kept").exists());
        unmount().unwrap();
    });
}

#[test]
#[ignore = "needs root, for a loop device"]
fn errors_that_nobody_can_repair_here_are_told_and_keep_nothing_down() {
    in_mount_namespace(|| {
        flash_of(600);
        let switch = switch("veos-b");
        take_over(&switch, None).unwrap();
        unmount().unwrap();
        let file = File::options().write(true).open(places::STATE_FILE).unwrap();
        file.write_all_at(&[3], 1024 + 0x3a).unwrap();
        // e2fsck is not on this EOS.
        let nothing = format!("{}/nothing", places::FLASH);
        fs::write(&nothing, "").unwrap();
        let e2fsck = common::command::find_on_path("e2fsck").unwrap();
        let e2fsck = fs::canonicalize(e2fsck).unwrap();
        rustix::mount::mount_bind(&nothing, &e2fsck).unwrap();
        assert!(!mount::is_checked());
        ready(&switch, |_| Ok(())).unwrap();
        assert_eq!(found(), "mounted");
        let problem = report(true).unwrap().problem.unwrap();
        assert!(problem.contains("`e2fsck -fy` it elsewhere, and copy it back"), "{problem}");
        unmount().unwrap();
        rustix::mount::unmount(&e2fsck, rustix::mount::UnmountFlags::empty()).unwrap();
        ready(&switch, |_| Ok(())).unwrap();
        assert_eq!(report(true).unwrap().problem, None);
        unmount().unwrap();
    });
}
