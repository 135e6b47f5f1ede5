//! What those get who know the token, over real sockets: as the worker that they are, and as others.

use std::{
    fs,
    net::IpAddr,
    sync::Barrier,
    thread,
    time::{Duration, SystemTime},
};

use cluster::pki::KeyDigest;
use enrolment::{EnrolError, Event, Request, Token, Trust, enrol};
use tempfile::TempDir;

mod by_key;

use super::*;
use crate::{
    admit::{Who, admit},
    kubelet_key::fake::Kubelet,
    master_fixture::{self, Master},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Somebody with keys of their own.
pub(super) struct Somebody {
    pub(super) directory: TempDir,
    pub(super) csrs: Vec<String>,
    pub(super) identity: Arc<CertifiedKey>,
}

impl Somebody {
    /// Whose requests have the names of this node.
    pub(super) fn as_node(cluster: &Cluster, name: &str) -> Somebody {
        let directory = tempfile::tempdir().unwrap();
        let node = cluster.node(name).unwrap();
        let now = SystemTime::now();
        let requests = pki::requests(directory.path(), cluster, node, now).unwrap().unwrap();
        let identity = pki::node_identity(directory.path(), cluster, node, now).unwrap();
        Somebody { directory, csrs: requests.into_iter().map(|request| request.pem).collect(), identity }
    }

    pub(super) fn key(&self, master: &Master) -> KeyDigest {
        pki::requested_keys(&master.cluster, "veos-l1", &self.csrs).unwrap().remove(0).1
    }

    fn ask_from(&self, master: &Master, from: IpAddr, name: &str) -> Result<Issued, EnrolError> {
        let token = Token::new(master.cluster.token.as_ref().unwrap().reveal()).unwrap();
        self.ask_by(master, from, name, &Trust::Token, Some(&token))
    }

    fn ask_by(
        &self,
        master: &Master,
        from: IpAddr,
        name: &str,
        trust: &Trust,
        token: Option<&Token>,
    ) -> Result<Issued, EnrolError> {
        let (identity, csrs, timeout) = (&self.identity, &self.csrs, Duration::from_secs(20));
        let request = Request { master: master.address, from: Some(from), name, identity, trust, token, csrs, timeout };
        enrol(&request).map(|enrolled| enrolled.issued)
    }

    /// As one of the release that shows no key asks.
    fn asked_before<'a>(&'a self, name: &'a str, from: IpAddr, any_address: bool) -> Asked<'a> {
        Asked { name, from, any_address, knows_token: true, certificate: None, csrs: &self.csrs }
    }

    /// As it asks now.
    fn asked<'a>(&'a self, name: &'a str, from: IpAddr) -> Asked<'a> {
        Asked { certificate: Some(&self.identity.cert[0]), ..self.asked_before(name, from, false) }
    }

    /// From the node's own address.
    pub(super) fn ask(&self, master: &Master, name: &str) -> Result<Issued, EnrolError> {
        self.ask_from(master, address(master, name), name)
    }

    /// Takes what it was given, as a worker does.
    pub(super) fn take(&self, cluster: &Cluster, name: &str, issued: &Issued) {
        let issued = pki::SignedCertificates { ca_pem: issued.ca.clone(), certificates: issued.certificates.clone() };
        let node = cluster.node(name).unwrap();
        pki::accept(self.directory.path(), cluster, node, &issued, SystemTime::now()).unwrap();
    }
}

fn address(master: &Master, name: &str) -> IpAddr {
    master.cluster.node(name).unwrap().address.into()
}

pub(super) fn reason<T: std::fmt::Debug>(answer: Result<T, EnrolError>) -> String {
    match answer {
        Err(EnrolError::Declined { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// The words of the command that a refusal ends with.
pub(super) fn command(reason: &str) -> Vec<String> {
    let (_, command) = reason.split_once('`').unwrap_or_else(|| panic!("{reason}"));
    command.trim_end_matches('`').split(' ').map(str::to_owned).collect()
}

pub(super) fn admit_at(master: &Master, name: &str, key: Option<KeyDigest>, now: SystemTime) -> String {
    admit(&master.ca.node_keys, &master.cluster, &Who::One(name.into()), key, now).unwrap()
}

#[test]
fn who_knows_the_token_is_served_as_a_worker_and_never_as_the_master() {
    let master = Master::start(SystemTime::now());
    let [worker, pretender] = ["veos-l1", "veos-b"].map(|name| Somebody::as_node(&master.cluster, name));
    assert_eq!(worker.ask(&master, "veos-l1").unwrap().certificates.len(), 2);
    let why = reason(pretender.ask(&master, "veos-b"));
    assert!(why.contains("veos-b, which is a master"), "{why}");
    reason(pretender.ask(&master, "veos-l1"));
    for other_spelling in ["VEOS-L1", "veos-l1.", "veos-l1.example.com"] {
        let answer = worker.ask_from(&master, address(&master, "veos-l1"), other_spelling);
        assert!(matches!(answer, Err(EnrolError::Refused { .. })), "{other_spelling}");
    }
    let events = master.events_of(6);
    let count = |desired: &dyn Fn(&&Event) -> bool| events.iter().filter(desired).count();
    assert_eq!(count(&|event| matches!(event, Event::Issued { .. })), 1, "{events:?}");
    assert_eq!(count(&|event| matches!(event, Event::Declined { name, .. } if name == "veos-b")), 1, "{events:?}");
}

#[test]
fn a_second_key_under_an_enrolled_name_is_not_signed_and_the_first_one_goes_on() {
    let master = Master::start(SystemTime::now());
    let [worker, thief] = [(); 2].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    worker.ask(&master, "veos-l1").unwrap();
    let why = reason(thief.ask(&master, "veos-l1"));
    assert!(why.contains("veos-l1 is bound to another key") && why.contains("on the master veos-b"), "{why}");
    let key = thief.key(&master).to_string();
    assert_eq!(command(&why), ["k8s-node", "admit", "veos-l1", "--key", &key]);
    worker.ask(&master, "veos-l1").unwrap();
    // Nor with the worker's own request beside the thief's, as who has posed as the master may have it.
    let mixed = Somebody { csrs: vec![worker.csrs[0].clone(), thief.csrs[1].clone()], ..thief };
    let why = reason(mixed.ask(&master, "veos-l1"));
    assert!(why.contains("another key's than the one that this switch shows"), "{why}");
}

#[test]
fn one_request_for_each_certificate_is_signed_and_the_nodes_own_is_among_them() {
    let master = Master::start(SystemTime::now());
    let [one, other] = [(); 2].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    let with = |csrs: &[&String]| Somebody {
        csrs: csrs.iter().map(|csr| (*csr).clone()).collect(),
        directory: tempfile::tempdir().unwrap(),
        identity: one.identity.clone(),
    };
    let why = reason(with(&[&one.csrs[0], &other.csrs[0]]).ask(&master, "veos-l1"));
    assert!(why.contains("two requests for node.pem"), "{why}");
    let why = reason(with(&[&one.csrs[1]]).ask(&master, "veos-l1"));
    assert!(why.contains("no request for node.pem"), "{why}");
    other.ask(&master, "veos-l1").unwrap();
}

#[test]
fn an_admission_is_for_one_key_once_and_within_the_hour() {
    let master = Master::start(SystemTime::now());
    let now = SystemTime::now();
    let [worker, replacement, stranger] = [(); 3].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    worker.ask(&master, "veos-l1").unwrap();

    admit_at(&master, "veos-l1", None, now - HOUR - Duration::from_secs(1));
    reason(replacement.ask(&master, "veos-l1"));
    let said = admit_at(&master, "VEOS-L1", Some(replacement.key(&master)), now);
    assert!(said.starts_with("veos-l1 may enrol once with the key "), "{said}");
    reason(stranger.ask(&master, "veos-l1"));
    // Of its own key the worker needs no word, and it does not use one up.
    worker.ask(&master, "veos-l1").unwrap();
    replacement.ask(&master, "veos-l1").unwrap();
    let remark = "with another key than before, as admitted";
    let events = master.events_of(5);
    assert!(events.iter().any(|event| event.to_string().contains(remark)), "{events:?}");

    for other in [&stranger, &worker] {
        reason(other.ask(&master, "veos-l1"));
    }
    replacement.ask(&master, "veos-l1").unwrap();
}

#[test]
fn after_an_old_restore_every_worker_is_admitted_once_with_any_key() {
    let master = Master::start(SystemTime::now());
    let enrolled = ["veos-l1", "veos-l2"].map(|name| (name, Somebody::as_node(&master.cluster, name)));
    enrolled.iter().for_each(|(name, worker)| drop(worker.ask(&master, name).unwrap()));
    admit(&master.ca.node_keys, &master.cluster, &Who::All, None, SystemTime::now()).unwrap();
    for name in ["veos-l1", "veos-l2"] {
        let [replacement, stranger] = [(); 2].map(|()| Somebody::as_node(&master.cluster, name));
        replacement.ask(&master, name).unwrap();
        reason(stranger.ask(&master, name));
    }
}

#[test]
fn only_workers_of_cluster_toml_are_admitted() {
    let master = Master::start(SystemTime::now());
    for (name, why) in [("veos-b", "is the master"), ("veos-x", "its workers are veos-l1, veos-l2")] {
        let error = admit(&master.ca.node_keys, &master.cluster, &Who::One(name.into()), None, SystemTime::now());
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn of_many_that_enrol_at_once_under_one_name_one_is_signed() {
    let master = Master::start(SystemTime::now());
    let all: Vec<Somebody> = (0..8).map(|_| Somebody::as_node(&master.cluster, "veos-l1")).collect();
    let at_once = Barrier::new(all.len());
    let signed = thread::scope(|scope| {
        let ask = |somebody: &Somebody| {
            at_once.wait();
            somebody.ask(&master, "veos-l1").is_ok()
        };
        let asking: Vec<_> = all.iter().map(|somebody| scope.spawn(move || ask(somebody))).collect();
        asking.into_iter().map(|asked| asked.join().unwrap()).filter(|signed| *signed).count()
    });
    assert_eq!(signed, 1);
}

#[test]
fn a_master_that_ends_between_writing_and_answering_knows_the_key_when_it_is_back() {
    let master = Master::start(SystemTime::now());
    let [worker, replacement, stranger] = [(); 3].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    worker.ask(&master, "veos-l1").unwrap();
    admit_at(&master, "veos-l1", None, SystemTime::now());
    let from = address(&master, "veos-l1");
    let sign = |ca: &CertificateAuthority, who: &Somebody| ca.sign(&who.asked("veos-l1", from));
    // Nobody hears this answer.
    sign(&master.ca, &replacement).unwrap();
    let back = CertificateAuthority {
        pki: master.pki().into(),
        cluster: master.cluster.clone(),
        node_keys: master.ca.node_keys.clone(),
        kubelet_port: master.ca.kubelet_port,
        turn: Mutex::default(),
    };
    sign(&back, &replacement).unwrap();
    sign(&back, &stranger).unwrap_err();
}

#[test]
fn requests_from_elsewhere_are_refused_unless_addresses_are_translated() {
    let master = Master::start(SystemTime::now());
    let worker = Somebody::as_node(&master.cluster, "veos-l1");
    for elsewhere in ["127.0.0.1".parse().unwrap(), address(&master, "veos-l2")] {
        let why = reason(worker.ask_from(&master, elsewhere, "veos-l1"));
        assert!(why.contains(&format!("it asks from {elsewhere}, and 127.0.0.12 is its address")), "{why}");
        assert!(why.contains("nat = true"), "{why}");
    }
    worker.ask(&master, "veos-l1").unwrap();
    // The name that is bound and its key do not help: a stolen key is good at its own switch's address alone.
    reason(worker.ask_from(&master, "127.0.0.1".parse().unwrap(), "veos-l1"));

    let translated = Master::of(&Cluster { nat: true, ..master_fixture::cluster() }, SystemTime::now());
    worker.ask_from(&translated, "127.0.0.1".parse().unwrap(), "veos-l1").unwrap();
}

#[test]
fn a_worker_of_the_old_release_may_ask_from_elsewhere_with_a_key_that_is_known_and_no_longer_once_it_has_this_release()
{
    let master = Master::start(SystemTime::now());
    let [worker, stranger] = [(); 2].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    let [own, other] = [address(&master, "veos-l1"), "127.0.0.1".parse().unwrap()];
    let ask = |who: &Somebody, from, any_address| master.ca.sign(&who.asked_before("veos-l1", from, any_address));
    let why = ask(&stranger, other, true).unwrap_err();
    assert!(why.contains("install the master's release"), "{why}");
    ask(&worker, own, true).unwrap();
    let remark = ask(&worker, other, true).unwrap().remark.unwrap();
    assert!(remark.contains("it asks from 127.0.0.1"), "{remark}");
    assert!(ask(&stranger, other, true).unwrap_err().contains("bound to another key"));
    assert_eq!(ask(&worker, own, false).unwrap().remark, None);
    ask(&worker, other, true).unwrap_err();
}

#[test]
fn an_admission_is_for_a_switch_that_shows_its_key_and_what_was_overheard_of_it_is_worth_nothing() {
    let master = Master::start(SystemTime::now());
    let [worker, replacement, thief] = [(); 3].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    let [own, elsewhere] = [address(&master, "veos-l1"), "127.0.0.1".parse().unwrap()];
    worker.ask(&master, "veos-l1").unwrap();
    admit_at(&master, "veos-l1", Some(replacement.key(&master)), SystemTime::now());
    // Who has posed as the master to the replacement has its requests, and knows the token.
    let overheard = [replacement.csrs[0].clone(), thief.csrs[1].clone()];
    for (from, any_address) in [(elsewhere, true), (own, true), (own, false)] {
        let asked = Asked { csrs: &overheard, ..thief.asked_before("veos-l1", from, any_address) };
        let why = master.ca.sign(&asked).unwrap_err();
        assert!(why.contains("does not show that it has its key"), "{why}");
    }
    let thief = Somebody { csrs: overheard.into(), ..thief };
    let why = reason(thief.ask(&master, "veos-l1"));
    assert!(why.contains("another key's than the one that this switch shows"), "{why}");
    // The thief has not spent it.
    replacement.ask(&master, "veos-l1").unwrap();
}

#[test]
fn a_request_that_was_overheard_is_good_for_no_other_key_from_elsewhere() {
    let master = Master::start(SystemTime::now());
    let [worker, thief] = [(); 2].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    let [own, elsewhere] = [address(&master, "veos-l1"), "127.0.0.1".parse().unwrap()];
    let ask = |csrs: &[String], from| master.ca.sign(&Asked { csrs, ..worker.asked_before("veos-l1", from, true) });
    worker.take(&master.cluster, "veos-l1", &worker.ask(&master, "veos-l1").unwrap());
    master.forget_keys();
    let kubelet = Kubelet::serve(&master.ca, worker.directory.path());
    assert_eq!(kubelet_key::learn(&master.ca).unwrap(), ["veos-l1"]);
    drop(kubelet);

    // Its kubelet has shown the node's key, and kube-proxy's is not known.
    let mixed = [worker.csrs[0].clone(), thief.csrs[1].clone()];
    let why = ask(&mixed, elsewhere).unwrap_err();
    assert!(why.contains("it asks from 127.0.0.1") && why.contains("install the master's release"), "{why}");
    ask(&worker.csrs, elsewhere).unwrap_err();
    ask(&worker.csrs[..1], elsewhere).unwrap();
    ask(&worker.csrs, own).unwrap();
    ask(&worker.csrs, elsewhere).unwrap();
    assert!(ask(&mixed, own).unwrap_err().contains("bound to another key"));
}

#[test]
fn a_name_that_an_older_backup_frees_is_for_the_key_that_its_kubelet_serves() {
    let (master, elsewhere) = (Master::start(SystemTime::now()), Master::start(SystemTime::now()));
    let file = master.pki().join("node-keys.json");
    let backup = fs::read(&file).unwrap();
    let [worker, thief, of_another_cluster] = [(); 3].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    worker.take(&master.cluster, "veos-l1", &worker.ask(&master, "veos-l1").unwrap());
    let issued = of_another_cluster.ask(&elsewhere, "veos-l1").unwrap();
    of_another_cluster.take(&master.cluster, "veos-l1", &issued);
    fs::write(&file, &backup).unwrap();

    let kubelet = Kubelet::serve(&master.ca, worker.directory.path());
    let why = reason(thief.ask(&master, "veos-l1"));
    assert!(why.contains("veos-l1 is bound to another key"), "{why}");
    worker.ask(&master, "veos-l1").unwrap();
    drop(kubelet);

    // What another authority has signed says nothing about ours.
    fs::write(&file, &backup).unwrap();
    let _kubelet = Kubelet::serve(&master.ca, of_another_cluster.directory.path());
    worker.ask(&master, "veos-l1").unwrap();
}

#[test]
fn who_asks_while_another_program_writes_waits_in_turn_or_is_told_that_the_master_is_busy() {
    let master = Master::start(SystemTime::now());
    let held = cluster::state::lock_directory(master.pki()).unwrap();
    // The first in turn gives up after 4 s, and the other one has its turn then.
    let (told, signed): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let asking = ["veos-l1", "veos-l2"].map(|name| {
            let (master, somebody) = (&master, Somebody::as_node(&master.cluster, name));
            scope.spawn(move || somebody.ask(master, name))
        });
        thread::sleep(Duration::from_secs(5));
        drop(held);
        asking.into_iter().map(|asked| asked.join().unwrap()).partition(Result::is_err)
    });
    assert_eq!((told.len(), signed.len()), (1, 1), "{told:?}");
    let why = told.into_iter().map(reason).collect::<String>();
    assert_eq!(why, "the master is busy: it is asked again");
}

#[test]
fn of_a_table_that_is_damaged_or_gone_nobody_is_signed_for() {
    let master = Master::start(SystemTime::now());
    let worker = Somebody::as_node(&master.cluster, "veos-l1");
    worker.ask(&master, "veos-l1").unwrap();
    let file = master.pki().join("node-keys.json");
    let whole = fs::read_to_string(&file).unwrap();
    let renamed = whole.replace("veos-l1", "veos-l9");
    let newer = whole.replacen("\"version\": 1", "\"version\": 2", 1);
    let damaged = ["", "{}", &whole[..whole.len() / 2], "\0\0\0\0", &renamed, &newer];
    for text in damaged.into_iter().map(Some).chain([None]) {
        match text {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        for (name, somebody) in [("veos-l1", &worker), ("veos-l2", &Somebody::as_node(&master.cluster, "veos-l2"))] {
            let why = reason(somebody.ask(&master, name));
            assert!(why.contains("node-keys.json") && why.contains("backup"), "{text:?}: {why}");
        }
        let error = admit(&master.ca.node_keys, &master.cluster, &Who::All, None, SystemTime::now());
        assert!(error.is_err());
        assert_eq!(fs::read_to_string(&file).ok().as_deref(), text, "it was written over");
    }
    fs::write(&file, whole).unwrap();
    worker.ask(&master, "veos-l1").unwrap();
}

#[test]
fn a_table_of_another_authority_counts_as_none() {
    let [ours, theirs] = [(); 2].map(|()| Master::start(SystemTime::now()));
    let [worker, thief] = [(); 2].map(|()| Somebody::as_node(&ours.cluster, "veos-l1"));
    worker.take(&ours.cluster, "veos-l1", &worker.ask(&ours, "veos-l1").unwrap());
    // At a boot with the authority that it has been of from its first change on, or that it has not told of, it is kept.
    for began_without_authority in [false, true] {
        if began_without_authority {
            NodeKeysFile::at(theirs.pki().join("new/node-keys.json")).begin(&theirs.cluster, theirs.pki()).unwrap();
            fs::rename(theirs.pki().join("new/node-keys.json"), theirs.pki().join("node-keys.json")).unwrap();
            theirs.ca.node_keys.begin(&theirs.cluster, theirs.pki()).unwrap();
        }
        thief.ask(&theirs, "veos-l1").unwrap();
        theirs.ca.node_keys.begin(&theirs.cluster, theirs.pki()).unwrap();
        thief.ask(&theirs, "veos-l1").unwrap();
        reason(worker.ask(&theirs, "veos-l1"));
    }

    fs::copy(theirs.pki().join("node-keys.json"), ours.pki().join("node-keys.json")).unwrap();
    let why = reason(thief.ask(&ours, "veos-l1"));
    assert!(why.contains("node-keys.json is of another certificate authority"), "{why}");
    ours.ca.node_keys.begin(&ours.cluster, ours.pki()).unwrap();
    assert_eq!(ours.ca.node_keys.read().unwrap().unknown().collect::<Vec<_>>(), ["veos-l1", "veos-l2"]);
    let why = reason(thief.ask(&ours, "veos-l1"));
    assert!(why.contains("veos-l1 may have been enrolled"), "{why}");
    let _kubelet = Kubelet::serve(&ours.ca, worker.directory.path());
    worker.ask(&ours, "veos-l1").unwrap();
}

#[test]
fn after_an_upgrade_a_name_is_for_the_key_that_its_kubelet_serves() {
    let master = Master::start(SystemTime::now());
    let [worker, thief] = [(); 2].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    worker.take(&master.cluster, "veos-l1", &worker.ask(&master, "veos-l1").unwrap());
    master.forget_keys();

    // By the token alone nobody is known, the worker no more than the thief.
    for somebody in [&thief, &worker] {
        let why = reason(somebody.ask(&master, "veos-l1"));
        assert!(why.contains("its kubelet at 127.0.0.12:") && why.contains("cannot be asked"), "{why}");
        assert_eq!(command(&why)[..3], ["k8s-node", "admit", "veos-l1"]);
    }
    let kubelet = Kubelet::serve(&master.ca, worker.directory.path());
    let why = reason(thief.ask(&master, "veos-l1"));
    assert!(why.contains("veos-l1 is bound to another key"), "{why}");
    drop(kubelet);
    worker.ask(&master, "veos-l1").unwrap();
    reason(thief.ask(&master, "veos-l1"));
}

#[test]
fn what_serves_a_certificate_of_another_name_or_authority_is_no_kubelet() {
    let (master, elsewhere) = (Master::start(SystemTime::now()), Master::start(SystemTime::now()));
    let neighbour = Somebody::as_node(&master.cluster, "veos-l2");
    neighbour.take(&master.cluster, "veos-l2", &neighbour.ask(&master, "veos-l2").unwrap());
    let thief = Somebody::as_node(&master.cluster, "veos-l1");
    thief.take(&master.cluster, "veos-l1", &thief.ask(&elsewhere, "veos-l1").unwrap());
    master.forget_keys();
    for (somebody, why) in [(&neighbour, "its subject is "), (&thief, "did not sign it")] {
        let _kubelet = Kubelet::serve(&master.ca, somebody.directory.path());
        let said = reason(thief.ask(&master, "veos-l1"));
        assert!(said.contains(why) && said.contains("admit veos-l1"), "{said}");
        assert!(kubelet_key::learn(&master.ca).unwrap().is_empty());
    }
    admit_at(&master, "veos-l1", Some(thief.key(&master)), SystemTime::now());
    thief.ask(&master, "veos-l1").unwrap();
}

#[test]
fn workers_of_before_are_learnt_unasked_and_names_that_come_later_are_free() {
    let master = Master::start(SystemTime::now());
    let worker = Somebody::as_node(&master.cluster, "veos-l1");
    worker.take(&master.cluster, "veos-l1", &worker.ask(&master, "veos-l1").unwrap());
    master.forget_keys();
    let _kubelet = Kubelet::serve(&master.ca, worker.directory.path());
    assert_eq!(kubelet_key::learn(&master.ca).unwrap(), ["veos-l1"]);
    assert_eq!(master.ca.node_keys.read().unwrap().unknown().collect::<Vec<_>>(), ["veos-l2"]);

    let mut cluster = master_fixture::cluster();
    let third = Node { name: "veos-l3".into(), address: "127.0.0.14".parse().unwrap(), ..cluster.nodes[2].clone() };
    cluster.nodes.push(third);
    let larger = CertificateAuthority {
        pki: master.pki().into(),
        node_keys: master.ca.node_keys.clone(),
        kubelet_port: master.ca.kubelet_port,
        turn: Mutex::default(),
        cluster,
    };
    let new = Somebody::as_node(&larger.cluster, "veos-l3");
    let from = "127.0.0.14".parse().unwrap();
    larger.sign(&new.asked("veos-l3", from)).unwrap();
}
