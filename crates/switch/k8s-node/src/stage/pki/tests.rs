//! Workers against masters on real sockets, and the master's stage on a flash of its own.

use std::{
    cell::Cell,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
};

use cluster::Cluster;
use enrolment::Event;
use rustix::mount::{MountFlags, mount};

use super::*;
use crate::master_fixture::Master;
use crate::{
    master_fixture,
    test_support::{came_up_before, fill, flash_of, in_mount_namespace},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

const CLUSTER: &str = include_str!("../../../../cluster/tests/fixtures/cluster.toml");

pub(super) fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[test]
fn a_worker_that_another_authority_answers_comes_up_with_what_it_has_and_renew_says_what_to_do() {
    // Two months ago: a third of the certificates' life is left.
    let made = SystemTime::now() - 61 * DAY;
    let (ours, other) = (Master::start(made), Master::start(SystemTime::now()));
    let (cluster, directory) = (ours.cluster.clone(), tempfile::tempdir().unwrap());
    let node = cluster.node("veos-l1").unwrap().clone();
    let switch = Switch { cluster, node };
    let at = |master: &Master| Worker { switch: &switch, directory: directory.path(), master: master.address };
    let csrs = at(&ours).requests(made).unwrap().unwrap();
    let issued = pki::sign(ours.pki(), &switch.cluster, "veos-l1", &csrs, made).unwrap();
    pki::accept(directory.path(), &switch.cluster, &switch.node, &issued, made).unwrap();
    let before = files(directory.path());

    let outcomes = at(&other).bootstrap(|| false).unwrap();
    let [(Credential::Node, Outcome::Due { why })] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    let advice = format!("remove {} and run `k8s-node renew`", directory.path().join("ca.pem").display());
    assert!(why.contains("another public key") && why.contains(&advice), "{why}");
    assert_eq!(files(directory.path()), before);
    let error = format!("{:#}", at(&other).renew().unwrap_err());
    assert!(error.contains(&advice), "{error}");
    assert_eq!(files(directory.path()), before);

    let away = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let outcomes = Worker { master: away, ..at(&ours) }.renew().unwrap();
    let [(Credential::Node, Outcome::Due { why })] = outcomes.as_slice() else { panic!("{outcomes:?}") };
    assert!(why.contains("cannot be reached"), "a master that is away makes no worker begin anew: {why}");

    assert_eq!(at(&ours).renew().unwrap().len(), 3);
    fs::remove_file(directory.path().join("ca.pem")).unwrap();
    at(&other).renew().unwrap();
    assert_eq!(fs::read(directory.path().join("ca.pem")).unwrap(), fs::read(other.pki().join("ca.pem")).unwrap());
}

/// A worker's switch.
fn switch(cluster: &Cluster) -> Switch {
    Switch { node: cluster.node("veos-l1").unwrap().clone(), cluster: cluster.clone() }
}

#[test]
fn a_switch_that_was_off_past_its_certificates_end_comes_back_by_itself_without_a_token() {
    let made = SystemTime::now() - 200 * DAY;
    let (master, directory) = (Master::start(made), tempfile::tempdir().unwrap());
    pki::ensure_master(master.pki(), &master.cluster, master.cluster.master(), SystemTime::now()).unwrap();
    let joining = switch(&master.cluster);
    let directory = directory.path();
    Worker { switch: &joining, directory, master: master.address }.bootstrap(|| false).unwrap();
    // What it had been given 200 days ago.
    for credential in Credential::WORKER {
        fs::remove_file(directory.join(credential.certificate_file())).unwrap();
    }
    let csrs = Worker { switch: &joining, directory, master: master.address }.requests(made).unwrap().unwrap();
    let issued = pki::sign(master.pki(), &master.cluster, "veos-l1", &csrs, made).unwrap();
    pki::accept(directory, &master.cluster, &joining.node, &issued, made).unwrap();

    let closed = Master::of(&Cluster { token: None, ..master.cluster.clone() }, made);
    closed.take_over(&master);
    let back = switch(&closed.cluster);
    let states = || pki::inspect(directory, &back.cluster, &back.node, SystemTime::now());
    assert!(!serves(&states()));
    let outcomes = Worker { switch: &back, directory, master: closed.address }.bootstrap(|| false).unwrap();
    assert!(outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Renewed { .. })), "{outcomes:?}");
    assert!(serves(&states()));
}

#[test]
fn a_switch_without_certificates_and_without_a_token_says_what_to_do() {
    let (cluster, directory) = (Cluster { token: None, ..master_fixture::cluster() }, tempfile::tempdir().unwrap());
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let worker = Worker { switch: &switch(&cluster), directory: directory.path(), master: nobody };
    let error = format!("{:#}", worker.bootstrap(|| false).unwrap_err());
    assert!(error.contains("cluster.toml has no token") && error.contains("under [join]"), "{error}");
}

#[test]
fn at_its_first_join_a_switch_gives_nothing_to_another_authority_than_the_one_that_cluster_toml_names() {
    let [ours, other] = [(); 2].map(|()| Master::start(SystemTime::now()));
    let directory = tempfile::tempdir().unwrap();
    let switch = switch(&Cluster { ca_hash: pki::ca_hash(ours.pki()).unwrap(), ..ours.cluster.clone() });
    let at = |master: &Master| Worker { switch: &switch, directory: directory.path(), master: master.address };
    let error = format!("{:#}", at(&other).renew().unwrap_err());
    let its = pki::ca_hash(other.pki()).unwrap().unwrap().to_string();
    assert!(error.contains("`ca_hash` in cluster.toml names") && error.contains(&its), "{error}");
    // It has hung up before it has said who it is.
    assert!(other.events_of(1).iter().all(|event| matches!(event, Event::Broken { .. })));
    assert_eq!(at(&ours).renew().unwrap().len(), 3);
}

#[test]
fn certificates_that_an_operator_has_made_to_last_go_on_where_nobody_can_make_shorter_ones() {
    let (out, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cluster = master_fixture::cluster();
    let made = pki::whole_cluster(out.path(), &cluster, None, SystemTime::now()).unwrap();
    let master = Master::start(SystemTime::now());
    for (from, to) in [(&made[0].directory, master.pki()), (&made[1].directory, directory.path())] {
        for (name, contents) in files(from) {
            fs::write(to.join(name), contents).unwrap();
        }
    }
    fs::remove_file(master.pki().join("ca-key.pem")).unwrap();
    master.forget_keys();
    let worker = Worker { switch: &switch(&cluster), directory: directory.path(), master: master.address };
    let before = files(directory.path());
    let outcomes = worker.renew().unwrap();
    assert!(matches!(outcomes.as_slice(), [(Credential::Node, Outcome::Due { .. })]), "{outcomes:?}");
    assert_eq!(files(directory.path()), before);
}

#[test]
fn a_worker_that_waits_for_the_master_goes_by_a_cluster_toml_that_was_edited_meanwhile() {
    let cluster = Cluster::parse(CLUSTER, "cluster.toml").unwrap();
    let (node, directory) = (cluster.node("veos-l1").unwrap().clone(), tempfile::tempdir().unwrap());
    // Nobody listens there: say, the master's address was a wrong one.
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let worker = Worker { switch: &Switch { cluster, node }, directory: directory.path(), master: nobody };
    let asked = Cell::new(0);
    let edited = || asked.replace(asked.get() + 1) == 1;
    let error = format!("{:#}", worker.bootstrap(edited).unwrap_err());
    assert!(error.contains("has been edited while this switch waited for the master"), "{error}");
    assert_eq!(asked.get(), 2);
}

#[test]
fn the_line_names_what_was_done_and_counts_what_was_kept() {
    let outcomes = [
        (Credential::Ca, Outcome::Taken),
        (Credential::Admin, Outcome::Kept),
        (Credential::Etcd, Outcome::Kept),
        (Credential::Node, Outcome::Renewed { why: "expired on 2026-01-01".into() }),
    ];
    assert_eq!(summary(&outcomes), "kept 2; renewed node (expired on 2026-01-01); took the operator's ca");
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_second_bring_up_writes_nothing_of_the_pki() {
    in_mount_namespace(|| {
        flash_of(50);
        let cluster = master_fixture::cluster();
        let switch = Switch { node: cluster.master().clone(), cluster };
        master(&switch).unwrap();
        let before = files(places::PKI.as_ref());
        master(&switch).unwrap();
        assert_eq!(files(places::PKI.as_ref()), before);
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_full_flash_keeps_no_master_down_whose_release_before_had_no_table_of_keys() {
    in_mount_namespace(|| {
        mount("run", "/run", "tmpfs", MountFlags::empty(), None).unwrap();
        flash_of(50);
        came_up_before();
        let cluster = master_fixture::cluster();
        let switch = Switch { node: cluster.master().clone(), cluster };
        pki::ensure_master(places::PKI.as_ref(), &switch.cluster, &switch.node, SystemTime::now()).unwrap();
        fill();
        let said = super::pki(&switch, Runner::BringUp).expect("its certificates are right");
        assert!(said.contains("; warning: no worker is given certificates: "), "{said}");
        assert!(said.contains("; warning: clients.json is not written: "), "{said}");
        assert!(Path::new(places::CLIENT_CA).exists());
        assert!(NodeKeysFile::on_switch().read().is_err(), "and nobody is signed for");
    });
}
