//! What one gets who is revoked, over real sockets, and what the API server is told meanwhile.

use std::{collections::BTreeSet, fs, path::Path};

use cluster::revoked::RevokedClients;

use super::{tests::*, *};
use crate::{
    admit::{Who, admit},
    kubelet_key::fake::Kubelet,
    master_fixture::Master,
    revoke::{pardon, revoke},
};

const NAME: &str = "veos-l1";

fn revoke_now(master: &Master, name: &str) -> Result<String> {
    revoke(&master.ca.node_keys, &master.cluster, name, SystemTime::now()).map(|(name, _)| name)
}

fn undo(master: &Master) -> Result<String> {
    pardon(&master.ca.node_keys, &master.cluster, NAME).map(|(_, said)| said)
}

/// None where there is no file.
fn told(master: &Master) -> Option<RevokedClients> {
    let text = fs::read_to_string(master.pki().join("revoked-clients.json")).ok()?;
    Some(RevokedClients::parse(&text).unwrap())
}

fn keys(master: &Master, somebody: &Somebody) -> BTreeSet<pki::KeyDigest> {
    keys_of(master, NAME, somebody)
}

fn keys_of(master: &Master, name: &str, somebody: &Somebody) -> BTreeSet<pki::KeyDigest> {
    pki::requested_keys(&master.cluster, name, &somebody.csrs).unwrap().into_iter().map(|(_, key)| key).collect()
}

/// The successors of the name.
fn successors(master: &Master) -> Vec<pki::KeyDigest> {
    told(master).unwrap().users["system:node:veos-l1"].iter().cloned().collect()
}

#[test]
fn who_is_revoked_enrols_no_more_until_that_is_undone() {
    let master = Master::start(SystemTime::now());
    let worker = Somebody::as_node(&master.cluster, NAME);
    worker.ask(&master, NAME).unwrap();
    assert_eq!(told(&master), None);
    for _ in 0..2 {
        assert_eq!(revoke_now(&master, "VEOS-L1").unwrap(), NAME);
        let why = reason(worker.ask(&master, NAME));
        assert!(why.starts_with("veos-l1 is revoked on the master veos-b since 20"), "{why}");
        assert!(why.contains("`k8s-node reset` makes it one with a new key"), "{why}");
        let clients = told(&master).unwrap();
        assert_eq!(clients.keys, keys(&master, &worker), "kube-proxy's, too, whose name is that of all");
        assert!(successors(&master).is_empty());
    }
    // Another key is not the first of its name, whoever comes with it.
    let why = reason(Somebody::as_node(&master.cluster, NAME).ask(&master, NAME));
    assert!(why.contains("is revoked on the master") && command(&why)[..3] == ["k8s-node", "admit", NAME], "{why}");
    Somebody::as_node(&master.cluster, "veos-l2").ask(&master, "veos-l2").unwrap();

    assert!(undo(&master).unwrap().contains("comes back by itself"));
    assert!(told(&master).unwrap().is_empty());
    worker.ask(&master, NAME).unwrap();
    assert!(undo(&master).unwrap().contains("is not revoked"));
}

#[test]
fn another_key_gets_the_name_by_an_admission_and_the_revoked_ones_never_again() {
    let master = Master::start(SystemTime::now());
    let [first, second, third] = [(); 3].map(|()| Somebody::as_node(&master.cluster, NAME));
    first.ask(&master, NAME).unwrap();
    admit_at(&master, NAME, None, SystemTime::now());
    second.ask(&master, NAME).unwrap();
    // Nor is a word of before good for one who is revoked since.
    admit_at(&master, NAME, None, SystemTime::now());
    revoke_now(&master, NAME).unwrap();
    reason(third.ask(&master, NAME));
    let of_both: BTreeSet<_> = keys(&master, &first).union(&keys(&master, &second)).cloned().collect();
    assert_eq!(told(&master).unwrap().keys, of_both);

    let said = admit(&master.ca.node_keys, &master.cluster, &Who::All, None, SystemTime::now()).unwrap();
    assert!(
        said.starts_with("veos-l2 may enrol once") && said.contains("veos-l1 is revoked, and to be admitted by name"),
        "{said}"
    );
    reason(third.ask(&master, NAME));
    for gone in [&first, &second] {
        let admitted = admit(
            &master.ca.node_keys,
            &master.cluster,
            &Who::One(NAME.into()),
            Some(gone.key(&master)),
            SystemTime::now(),
        );
        assert!(admitted.unwrap_err().to_string().contains("and this key with it"));
    }
    let said = admit_at(&master, NAME, None, SystemTime::now());
    assert!(said.contains("the keys that veos-l1 was revoked with stay revoked"), "{said}");
    reason(second.ask(&master, NAME));
    // Nor may a new one bring a revoked one along.
    reason(
        Somebody {
            csrs: vec![third.csrs[0].clone(), second.csrs[1].clone()],
            ..Somebody::as_node(&master.cluster, NAME)
        }
        .ask(&master, NAME),
    );
    third.ask(&master, NAME).unwrap();
    assert_eq!(successors(&master), [third.key(&master)]);
    assert_eq!(told(&master).unwrap().keys, of_both);
    third.ask(&master, NAME).unwrap();
    assert!(reason(first.ask(&master, NAME)).contains("and this key with it"));
    assert!(undo(&master).unwrap_err().to_string().contains("nothing to undo"));

    revoke_now(&master, NAME).unwrap();
    reason(third.ask(&master, NAME));
    assert!(successors(&master).is_empty());
}

#[test]
fn the_master_and_names_that_nobody_knows_are_not_revoked_and_one_that_left_cluster_toml_is() {
    let master = Master::start(SystemTime::now());
    Somebody::as_node(&master.cluster, NAME).ask(&master, NAME).unwrap();
    let why = revoke_now(&master, "veos-b").unwrap_err().to_string();
    assert!(why.contains("veos-b is the master"), "{why}");
    let why = revoke_now(&master, "veos-l9").unwrap_err().to_string();
    assert!(why.contains("its workers are veos-l1, veos-l2"), "{why}");
    assert_eq!(told(&master), None);
    let mut smaller = master.cluster.clone();
    smaller.nodes.retain(|node| node.name != NAME);
    revoke(&master.ca.node_keys, &smaller, NAME, SystemTime::now()).unwrap();
    assert!(told(&master).unwrap().users.contains_key("system:node:veos-l1"));
}

#[test]
fn one_whose_keys_are_not_known_is_revoked_by_its_name_and_not_known_again_by_its_kubelet() {
    let master = Master::start(SystemTime::now());
    let worker = Somebody::as_node(&master.cluster, NAME);
    worker.take(&master.cluster, NAME, &worker.ask(&master, NAME).unwrap());
    master.forget_keys();
    revoke_now(&master, NAME).unwrap();
    let _kubelet = Kubelet::serve(&master.ca, worker.directory.path());
    assert!(kubelet_key::learn(&master.ca).unwrap().is_empty());
    reason(worker.ask(&master, NAME));
    assert!(successors(&master).is_empty() && told(&master).unwrap().keys.is_empty());
}

#[test]
fn a_revocation_outlives_the_table_and_power_that_fails_between_the_two_files() {
    let master = Master::start(SystemTime::now());
    let (worker, listed) = (Somebody::as_node(&master.cluster, NAME), master.pki().join("revoked-clients.json"));
    worker.ask(&master, NAME).unwrap();
    revoke_now(&master, NAME).unwrap();
    let text = fs::read_to_string(&listed).unwrap();
    for damage in [None, Some(""), Some("{\"version\": 1,")] {
        match damage {
            Some(damage) => fs::write(&listed, damage).unwrap(),
            None => fs::remove_file(&listed).unwrap(),
        }
        master.ca.node_keys.begin(&master.cluster, master.pki()).unwrap();
        assert_eq!(fs::read_to_string(&listed).unwrap(), text);
    }
    // As the operator is told to do with a table that is damaged.
    master.forget_keys();
    assert_eq!(fs::read_to_string(&listed).unwrap(), text);
    assert!(reason(worker.ask(&master, NAME)).contains("is revoked"));
}

#[test]
fn undo_brings_back_what_the_last_word_revoked_and_nothing_that_was_revoked_before() {
    let master = Master::start(SystemTime::now());
    let [former, stolen, hardware] = [(); 3].map(|()| Somebody::as_node(&master.cluster, NAME));
    former.ask(&master, NAME).unwrap();
    admit_at(&master, NAME, None, SystemTime::now());
    stolen.ask(&master, NAME).unwrap();
    revoke_now(&master, NAME).unwrap();
    undo(&master).unwrap();
    assert!(told(&master).unwrap().is_empty(), "also the one of before was good until then");

    revoke_now(&master, NAME).unwrap();
    let of_before = told(&master).unwrap().keys;
    admit_at(&master, NAME, None, SystemTime::now());
    hardware.ask(&master, NAME).unwrap();
    // By mistake, and once more.
    for _ in 0..2 {
        revoke_now(&master, NAME).unwrap();
    }
    reason(hardware.ask(&master, NAME));
    let said = undo(&master).unwrap();
    assert!(said.contains("comes back by itself") && said.contains("before stay so"), "{said}");
    assert_eq!((told(&master).unwrap().keys, successors(&master)), (of_before.clone(), vec![hardware.key(&master)]));
    hardware.ask(&master, NAME).unwrap();
    assert!(reason(stolen.ask(&master, NAME)).contains("and this key with it"));
    assert!(undo(&master).unwrap_err().to_string().contains("nothing to undo"));

    // Nor where the table is lost in between.
    revoke_now(&master, NAME).unwrap();
    master.forget_keys();
    let said = undo(&master).unwrap();
    assert!(said.ends_with("`k8s-node admit veos-l1`"), "{said}");
    assert_eq!((told(&master).unwrap().keys, successors(&master)), (of_before, vec![]));
    admit_at(&master, NAME, Some(hardware.key(&master)), SystemTime::now());
    hardware.ask(&master, NAME).unwrap();
}

#[test]
fn in_a_table_made_anew_each_name_has_its_own_revoked_keys() {
    let master = Master::start(SystemTime::now());
    let [one, other] = [NAME, "veos-l2"].map(|name| {
        let worker = Somebody::as_node(&master.cluster, name);
        worker.ask(&master, name).unwrap();
        revoke_now(&master, name).unwrap();
        worker
    });
    let both = told(&master);
    master.forget_keys();
    assert_eq!(told(&master), both);
    assert!(keys(&master, &one).is_subset(&both.unwrap().keys));
    undo(&master).unwrap();
    assert_eq!(told(&master).unwrap().keys, keys_of(&master, "veos-l2", &other));
}

/// What a restore does with what it has unpacked, and the boot after it.
fn restore(master: &Master, backup: &Path) -> Vec<String> {
    let authority = pki::authority_keys(master.pki()).unwrap().unwrap().signing;
    let here = master.ca.node_keys.revoked_here(&authority).unwrap().unwrap();
    let names = NodeKeysFile::beside(backup).keep_revoked(&[here], SystemTime::now()).unwrap();
    fs::remove_file(master.pki().join("revoked-clients.json")).unwrap();
    copy(backup, master.pki());
    master.ca.node_keys.begin(&master.cluster, master.pki()).unwrap();
    names
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn who_was_revoked_after_a_backup_stays_so_when_that_is_restored() {
    let master = Master::start(SystemTime::now());
    let [stolen, hardware] = [(); 2].map(|()| Somebody::as_node(&master.cluster, NAME));
    stolen.ask(&master, NAME).unwrap();
    let backup = || {
        let directory = tempfile::tempdir().unwrap();
        copy(master.pki(), directory.path());
        directory
    };
    let [before, without_table] = [(); 2].map(|()| backup());
    fs::remove_file(without_table.path().join("node-keys.json")).unwrap();
    revoke_now(&master, NAME).unwrap();
    assert_eq!(restore(&master, backup().path()), [NAME]);
    for older in [before.path(), without_table.path()] {
        let now = told(&master);
        fs::remove_file(master.pki().join("node-keys.json")).unwrap();
        assert_eq!(restore(&master, older), [NAME]);
        assert_eq!(told(&master), now);
        assert!(reason(stolen.ask(&master, NAME)).contains("and this key with it"));
    }

    // The one that has the name since goes on.
    admit_at(&master, NAME, Some(hardware.key(&master)), SystemTime::now());
    hardware.ask(&master, NAME).unwrap();
    let (now, while_away) = (told(&master), before);
    assert_eq!(restore(&master, while_away.path()), [NAME]);
    assert_eq!((told(&master), successors(&master)), (now, vec![hardware.key(&master)]));
    hardware.ask(&master, NAME).unwrap();
    reason(stolen.ask(&master, NAME));
}

#[test]
fn a_revocation_of_another_cluster_is_nothing_to_a_restore() {
    let [ours, theirs] = [(); 2].map(|()| Master::start(SystemTime::now()));
    revoke_now(&theirs, NAME).unwrap();
    let authority = pki::authority_keys(ours.pki()).unwrap().unwrap().signing;
    assert!(theirs.ca.node_keys.revoked_here(&authority).unwrap().unwrap().is_empty());
    assert!(ours.ca.node_keys.keep_revoked(&[RevokedClients::default()], SystemTime::now()).unwrap().is_empty());
    assert_eq!(told(&ours), None);
}

#[test]
fn a_backup_of_before_the_authority_was_replaced_brings_no_revoked_one_back_either() {
    let master = Master::start(SystemTime::now());
    let authority = pki::authority_keys(master.pki()).unwrap().unwrap().signing;
    revoke_now(&master, NAME).unwrap();
    pki::begin_rotation(master.pki(), &master.cluster, SystemTime::now()).unwrap();
    assert_ne!(pki::authority_keys(master.pki()).unwrap().unwrap().signing, authority);
    assert!(!master.ca.node_keys.revoked_here(&authority).unwrap().unwrap().is_empty());
}

#[test]
fn a_restore_is_told_where_it_cannot_be_known_who_was_revoked() {
    let master = Master::start(SystemTime::now());
    let here = || {
        let authority = pki::authority_keys(master.pki()).unwrap().unwrap().signing;
        master.ca.node_keys.revoked_here(&authority).unwrap()
    };
    let damage = |name: &str| fs::write(master.pki().join(name), "{").unwrap();
    assert!(here().unwrap().is_empty());
    revoke_now(&master, NAME).unwrap();
    damage("node-keys.json");
    assert!(!here().unwrap().is_empty());
    damage("revoked-clients.json");
    assert_eq!(here(), None);
    fs::remove_file(master.pki().join("node-keys.json")).unwrap();
    assert_eq!(here(), None);
    fs::remove_file(master.pki().join("revoked-clients.json")).unwrap();
    assert!(here().unwrap().is_empty());
}
