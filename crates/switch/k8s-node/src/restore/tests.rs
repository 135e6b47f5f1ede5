//! With a real flash: a small file system mounted at its place, in a mount namespace of the test's own.

use super::*;
use crate::{
    master_fixture::Master,
    revoke,
    test_support::{came_up_before, flash_of, in_mount_namespace, until_freed},
};

fn old_state() {
    flash_of(50);
    came_up_before();
    fs::write(Path::new(places::ETCD).join("which"), "old").unwrap();
}

fn which(place: &str) -> String {
    fs::read_to_string(Path::new(place).join("which")).unwrap()
}

fn new_etcd(new: &Path) -> Result<()> {
    files::create_dir(&new.join(ETCD))?;
    Ok(fs::write(new.join(ETCD).join("which"), "new")?)
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn what_was_prepared_takes_the_place_of_what_is_there_and_nothing_half_of_it_does() {
    in_mount_namespace(|| {
        old_state();
        let error = put_back(|new| new_etcd(new).and_then(|()| bail!("the flash breaks")), &[ETCD]).unwrap_err();
        assert_eq!(error.to_string(), "the flash breaks");
        assert_eq!((which(places::ETCD).as_str(), interrupted()), ("old", None));
        put_back(new_etcd, &[ETCD]).unwrap();
        assert_eq!((which(places::ETCD).as_str(), interrupted()), ("new", None));
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn wherever_the_power_is_cut_no_bring_up_begins_and_the_same_again_restores() {
    in_mount_namespace(|| {
        old_state();
        let seen = std::cell::Cell::new(false);
        // The power goes while it is prepared, and again when half of it is in its place.
        for halfway in [false, true] {
            let new = Path::new(places::RESTORING).join("new");
            let old = Path::new(places::RESTORING).join("old");
            fs::create_dir_all(&new).unwrap();
            fs::create_dir_all(&old).unwrap();
            if halfway {
                rename(places::ETCD.as_ref(), &old.join(ETCD)).unwrap();
            }
            let why = interrupted().expect("a bring-up may begin, with half of it");
            assert!(why.contains("`k8s-node restore` with the same file again"), "{why}");
            put_back(
                |new| {
                    seen.set(interrupted().is_some());
                    new_etcd(new)
                },
                &[ETCD],
            )
            .unwrap();
            assert!(seen.get() && interrupted().is_none());
            assert_eq!(which(places::ETCD), "new");
        }
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn who_is_revoked_here_is_read_also_where_the_power_was_cut_while_the_state_was_moved() {
    let master = Master::start(SystemTime::now());
    revoke::revoke(&master.ca.node_keys, &master.cluster, "veos-l1", SystemTime::now()).unwrap();
    in_mount_namespace(|| {
        old_state();
        let old = Path::new(places::RESTORING).join("old").join(PKI);
        fs::create_dir_all(&old).unwrap();
        for pki in [Path::new(places::PKI), &old] {
            fs::remove_dir_all(places::PKI).ok();
            fs::create_dir_all(pki).unwrap();
            for file in ["ca.pem", "node-keys.json", "revoked-clients.json"] {
                fs::copy(master.pki().join(file), pki.join(file)).unwrap();
            }
            let authority = cluster::pki::authority_keys(pki).unwrap().unwrap().signing;
            let here = revoked_here(&authority).unwrap();
            assert!(here.iter().flatten().any(|here| here.users.contains_key("system:node:veos-l1")), "{here:?}");
        }
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn what_a_cut_has_moved_comes_back_and_no_bring_up_begins_where_the_same_again_fails() {
    in_mount_namespace(|| {
        let restoring = Path::new(places::RESTORING);
        // The power goes with the old part away, with the new one in its place, and as the old one goes.
        for (is_new_there, is_done) in [(false, false), (true, false), (true, true)] {
            old_state();
            fs::create_dir_all(restoring.join("new")).unwrap();
            fs::create_dir_all(restoring.join("old")).unwrap();
            rename(places::ETCD.as_ref(), &restoring.join("old").join(ETCD)).unwrap();
            if is_new_there {
                new_etcd(places::STATE.as_ref()).unwrap();
            }
            if is_done {
                rename(&restoring.join("old"), &restoring.join("new/replaced")).unwrap();
            }
            for _ in 0..2 {
                put_back(|_| bail!("no space is left"), &[ETCD]).unwrap_err();
                assert_eq!(which(places::ETCD), if is_done { "new" } else { "old" });
                assert!(interrupted().is_some(), "a bring-up may begin, though no restore has ended");
            }
            put_back(new_etcd, &[ETCD]).unwrap();
            assert_eq!((which(places::ETCD).as_str(), interrupted()), ("new", None));
        }
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn room_is_asked_for_once_and_what_a_cut_has_left_counts_as_room() {
    in_mount_namespace(|| {
        const MIB: u64 = 1 << 20;
        flash_of(150);
        let left = Path::new(places::RESTORING).join("new/etcd.snapshot");
        fs::create_dir_all(left.parent().unwrap()).unwrap();
        fs::write(&left, vec![1; 30 << 20]).unwrap();
        require_room(needed(2, 10 * MIB)).unwrap_err();
        take_back().unwrap();
        until_freed(|| require_room(needed(2, 10 * MIB)).is_ok());
        require_room(needed(1, 20 * MIB)).unwrap();
        let error = require_room(needed(2, 20 * MIB)).unwrap_err().to_string();
        assert!(error.contains("150 MiB left, and 163 are needed"), "{error}");
    });
}

#[test]
fn whoever_names_a_key_is_told_that_the_file_has_none() {
    let directory = tempfile::tempdir().unwrap();
    let [plain, identity] = ["plain", "identity"].map(|name| directory.path().join(name));
    fs::write(&plain, [0x1f, 0x8b, 8, 0]).unwrap();
    for key in [KeySource::Identity(identity.clone()), KeySource::Passphrase(Passphrase::File(identity))] {
        let error = key_for(&plain, Some(key)).err().expect("it was taken without the key").to_string();
        assert!(error.contains("plain is not encrypted: say no key"), "{error}");
    }
    assert!(key_for(&plain, None).unwrap().is_none());
}
