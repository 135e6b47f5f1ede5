//! Who asks by a key and without the token: the node that it is bound to, and others.

use cluster::LastDay;
use enrolment::IsMaster;

use super::*;
use crate::revoke;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// By the authority of this directory.
fn trust(pki: &std::path::Path, cluster: &Cluster) -> Trust {
    let known = pki::KnownMaster::of(pki, cluster).unwrap().unwrap();
    let is_master: Arc<IsMaster> = Arc::new(move |shown: &[&[u8]]| known.require(shown, SystemTime::now()));
    Trust::Pinned(is_master)
}

impl Somebody {
    fn renew_from(&self, master: &Master, from: IpAddr, name: &str) -> Result<Issued, EnrolError> {
        self.ask_by(master, from, name, &trust(master.pki(), &master.cluster), None)
    }

    fn renew(&self, master: &Master, name: &str) -> Result<Issued, EnrolError> {
        self.renew_from(master, address(master, name), name)
    }

    /// With what it was given at `then`, long ago.
    fn that_joined_at(master: &Master, name: &str, then: SystemTime) -> Somebody {
        let somebody = Somebody::as_node(&master.cluster, name);
        let node = master.cluster.node(name).unwrap();
        somebody.ask(master, name).unwrap();
        let issued = pki::sign(master.pki(), &master.cluster, name, &somebody.csrs, then).unwrap();
        pki::accept(somebody.directory.path(), &master.cluster, node, &issued, then).unwrap();
        let identity = pki::node_identity(somebody.directory.path(), &master.cluster, node, SystemTime::now()).unwrap();
        Somebody { identity, ..somebody }
    }
}

fn without_token() -> Cluster {
    Cluster { token: None, ..master_fixture::cluster() }
}

#[test]
fn a_node_renews_by_its_key_alone_and_its_neighbour_gets_nothing_in_its_name() {
    let master = Master::start(SystemTime::now());
    let [one, other] = ["veos-l1", "veos-l2"].map(|name| Somebody::as_node(&master.cluster, name));
    for (name, somebody) in [("veos-l1", &one), ("veos-l2", &other)] {
        somebody.ask(&master, name).unwrap();
        assert_eq!(somebody.renew(&master, name).unwrap().certificates.len(), 2);
    }
    let why = reason(other.renew(&master, "veos-l1"));
    let key = pki::shown_key(&other.identity.cert[0]).unwrap().to_string();
    assert_eq!(command(&why), ["k8s-node", "admit", "veos-l1", "--key", &key]);
    // The neighbour's session with what was overheard of the node's, and the node's own with another's request.
    let mixed = Somebody { csrs: one.csrs.clone(), ..other };
    reason(mixed.renew(&master, "veos-l1"));
    let why = reason(mixed.renew(&master, "veos-l2"));
    assert!(why.contains("refused: the subject") || why.contains("another key's"), "{why}");
    let why = reason(one.renew_from(&master, "127.0.0.1".parse().unwrap(), "veos-l1"));
    assert!(why.contains("it asks from 127.0.0.1, and 127.0.0.12 is its address"), "{why}");
}

#[test]
fn strangers_are_told_the_same_under_every_name_and_the_masters_is_nobodys() {
    let master = Master::start(SystemTime::now());
    let stranger = Somebody::as_node(&master.cluster, "veos-l1");
    Somebody::as_node(&master.cluster, "veos-l1").ask(&master, "veos-l1").unwrap();
    let from = address(&master, "veos-l1");
    let told = ["veos-l1", "veos-l2", "veos-x", "veos-b"]
        .map(|name| reason(stranger.renew_from(&master, from, name)).replace(name, "NAME"));
    let masters_name = format!("on the master {}", master.cluster.master().name).replace("veos-b", "NAME");
    let told = told.map(|told| told.replace("on the master veos-b", &masters_name));
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
    assert!(told[0].contains("not known under that name"), "{told:?}");
}

#[test]
fn a_node_that_was_off_past_its_certificates_end_renews_by_its_key_at_a_master_without_a_token() {
    let made = SystemTime::now() - 200 * DAY;
    let master = Master::start(made);
    pki::ensure_master(master.pki(), &master.cluster, master.cluster.master(), SystemTime::now()).unwrap();
    let node = Somebody::that_joined_at(&master, "veos-l1", made);
    let states = pki::inspect(
        node.directory.path(),
        &master.cluster,
        master.cluster.node("veos-l1").unwrap(),
        SystemTime::now(),
    );
    assert!(states.iter().any(|state| matches!(state.state, pki::CertificateState::Expired(_))), "{states:?}");
    let closed = Master::of(&without_token(), made);
    closed.take_over(&master);
    node.take(&master.cluster, "veos-l1", &node.renew(&closed, "veos-l1").unwrap());
}

#[test]
fn whoever_else_has_an_authority_is_not_asked_and_an_expired_master_is_none() {
    let [master, other] = [(); 2].map(|()| Master::start(SystemTime::now()));
    let node = Somebody::as_node(&master.cluster, "veos-l1");
    node.ask(&master, "veos-l1").unwrap();
    node.ask(&other, "veos-l1").unwrap();
    let (from, ours) = (address(&master, "veos-l1"), trust(master.pki(), &master.cluster));
    let error = node.ask_by(&other, from, "veos-l1", &ours, None).unwrap_err();
    assert!(error.to_string().contains("did not sign its certificate"), "{error}");

    // A worker of this cluster plays the master with its own certificate.
    let worker = Somebody::that_joined_at(&master, "veos-l2", SystemTime::now());
    let known = pki::KnownMaster::of(master.pki(), &master.cluster).unwrap().unwrap();
    let why = known.require(&[&worker.identity.cert[0]], SystemTime::now()).unwrap_err();
    assert!(why.contains("not that of the API server"), "{why}");

    let masters = pki::master_identity(master.pki()).unwrap().unwrap();
    let shown: Vec<&[u8]> = masters.cert.iter().map(AsRef::as_ref).collect();
    known.require(&shown, SystemTime::now() - 3000 * DAY).expect("a clock that was not set yet");
    let why = known.require(&shown, SystemTime::now() + 91 * DAY).unwrap_err();
    assert!(why.contains("expired on") && why.contains("clock"), "{why}");
}

#[test]
fn the_operators_word_for_a_key_lets_it_in_without_the_token_and_a_word_for_any_key_does_not() {
    let master = Master::start(SystemTime::now());
    let [worker, replacement] = [(); 2].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    worker.ask(&master, "veos-l1").unwrap();
    admit_at(&master, "veos-l1", None, SystemTime::now());
    reason(replacement.renew(&master, "veos-l1"));
    admit_at(&master, "veos-l1", Some(replacement.key(&master)), SystemTime::now());
    replacement.renew(&master, "veos-l1").unwrap();
    reason(worker.renew(&master, "veos-l1"));
}

#[test]
fn after_the_last_day_nobody_joins_and_those_who_have_renew() {
    let master = Master::start(SystemTime::now());
    let node = Somebody::as_node(&master.cluster, "veos-l1");
    node.ask(&master, "veos-l1").unwrap();
    let until: LastDay = "2024-02-29".parse().unwrap();
    let ended = Master::of(&Cluster { until: Some(until), ..master_fixture::cluster() }, SystemTime::now());
    ended.take_over(&master);
    node.renew(&ended, "veos-l1").unwrap();
    node.ask(&ended, "veos-l1").unwrap();
    let new = Somebody::as_node(&master.cluster, "veos-l2");
    let why = reason(new.ask(&ended, "veos-l2"));
    assert!(why.contains("until 2024-02-29") && why.contains("later `until`"), "{why}");
    admit_at(&ended, "veos-l2", None, SystemTime::now());
    reason(new.ask(&ended, "veos-l2"));
    let key = pki::shown_key(&new.identity.cert[0]).unwrap();
    admit_at(&ended, "veos-l2", Some(key), SystemTime::now());
    new.ask(&ended, "veos-l2").unwrap();
}

#[test]
fn a_new_key_for_kube_proxy_is_signed_where_the_nodes_own_asks_for_it() {
    let master = Master::start(SystemTime::now());
    let [node, lost] = [(); 2].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    node.ask(&master, "veos-l1").unwrap();
    let repaired = Somebody { csrs: vec![node.csrs[0].clone(), lost.csrs[1].clone()], ..node };
    repaired.renew(&master, "veos-l1").unwrap();
    repaired.renew(&master, "veos-l1").unwrap();
}

#[test]
fn keys_that_a_renewal_replaces_are_revoked_with_the_name_and_so_many_are_not_replaced_without_an_end() {
    let master = Master::start(SystemTime::now());
    let [mut node, other] = [(); 2].map(|()| Somebody::as_node(&master.cluster, "veos-l1"));
    node.ask(&master, "veos-l1").unwrap();
    let before = node.csrs.clone();
    let mut refused = None;
    for renewal in 0..20 {
        node.csrs[1] = Somebody::as_node(&master.cluster, "veos-l1").csrs[1].clone();
        if let Err(error) = node.renew(&master, "veos-l1") {
            refused = Some((renewal, reason(Err::<(), _>(error))));
            break;
        }
    }
    let (renewal, why) = refused.expect("it renews with other keys without an end");
    assert_eq!(renewal, 16);
    assert!(why.contains("`k8s-node reset`") && why.contains("`k8s-node admit veos-l1`"), "{why}");
    // Those that are known are signed for, and so is who is admitted.
    node.csrs = before;
    node.renew(&master, "veos-l1").unwrap();
    admit_at(&master, "veos-l1", Some(other.key(&master)), SystemTime::now());
    other.renew(&master, "veos-l1").unwrap();
    other.renew(&master, "veos-l1").unwrap();

    revoke::revoke(&master.ca.node_keys, &master.cluster, "veos-l1", SystemTime::now()).unwrap();
    let revoked = master.ca.node_keys.read().unwrap().revoked_clients().keys;
    assert_eq!(revoked.len(), 2 + 16 + 2);
    for csrs in [&node.csrs, &other.csrs] {
        let keys = pki::requested_keys(&master.cluster, "veos-l1", csrs).unwrap();
        assert!(keys.iter().all(|(_, key)| revoked.contains(key)), "a key of before is not revoked");
    }
}
