//! A rotation of the certificate authority comes to a worker by its renewals, over real sockets.

use std::{net::Ipv4Addr, path::Path, time::SystemTime};

use cluster::pki::{self, Credential, Outcome};

use super::{
    tests::files,
    worker::{KEPT, Worker},
};
use crate::{kubelet_key::fake::Kubelet, master_fixture::Master, switch::Switch};

/// What an API server that has its certificates from this directory serves.
fn api_server(pki: &Path) -> Kubelet {
    Kubelet::at((Ipv4Addr::LOCALHOST, 0).into(), pki, Credential::ApiServer)
}

#[test]
fn a_worker_changes_over_when_the_api_server_shows_the_new_authority_and_restarts_nothing_for_nothing() {
    let now = SystemTime::now();
    let master = Master::start(now);
    let (cluster, directory) = (master.cluster.clone(), tempfile::tempdir().unwrap());
    let node = cluster.node("veos-l1").unwrap().clone();
    let mut switch = Switch { cluster, node };
    let old = api_server(master.pki());
    let joining = Worker { switch: &switch, directory: directory.path(), master: master.address };
    assert_eq!(joining.renew_by(old.address()).unwrap().len(), 3, "it enrols");
    // From here on it knows the master by the authority that it has, and has nothing else to know it by.
    switch.cluster.token = None;
    let renew_by = |served: &Kubelet| {
        let worker = Worker { switch: &switch, directory: directory.path(), master: master.address };
        worker.renew_by(served.address()).unwrap()
    };
    let ensure = || pki::ensure_master(master.pki(), &switch.cluster, switch.cluster.master(), now).unwrap();
    let same_authorities = || {
        let [ours, masters] = [directory.path(), master.pki()].map(|path| std::fs::read(path.join("ca.pem")).unwrap());
        ours == masters
    };

    assert_eq!(renew_by(&old), KEPT);

    pki::begin_rotation(master.pki(), &switch.cluster, now).unwrap();
    assert_eq!(renew_by(&old), KEPT, "an API server that has not been restarted yet");
    ensure();
    let begun = api_server(master.pki());
    let outcomes = renew_by(&begun);
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Renewed { .. })), "{outcomes:?}");
    assert!(same_authorities());
    let before = files(directory.path());
    assert_eq!(renew_by(&begun), KEPT);
    assert_eq!(renew_by(&old), KEPT, "one that is restarted later than it should");
    assert_eq!(files(directory.path()), before);

    pki::finish_rotation(master.pki()).unwrap();
    ensure();
    let finished = api_server(master.pki());
    assert!(!same_authorities());
    renew_by(&finished);
    assert!(same_authorities() && pki::rotation(directory.path()).unwrap().is_none());
    let before = files(directory.path());
    assert_eq!(renew_by(&finished), KEPT);
    // It asks, and is given nothing else than it has.
    assert!(renew_by(&old).iter().all(|(_, outcome)| *outcome == Outcome::Kept));
    assert_eq!(files(directory.path()), before);
}
