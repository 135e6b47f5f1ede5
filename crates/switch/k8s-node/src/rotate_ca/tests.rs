//! The verb's steps, by what kubelets serve on real sockets.

use std::path::Path;

use cluster::pki::{Credential, SignedCertificates};
use tempfile::TempDir;

use super::*;
use crate::{kubelet_key::fake::Kubelet, master_fixture::Master};

/// A worker's directory, with certificates of the authority that signs now.
struct Worker {
    name: &'static str,
    directory: TempDir,
}

impl Worker {
    fn enrolled(master: &Master, name: &'static str) -> Worker {
        let worker = Worker { name, directory: tempfile::tempdir().unwrap() };
        worker.renew(master);
        worker
    }

    fn renew(&self, master: &Master) {
        let (path, now) = (self.directory.path(), SystemTime::now());
        let node = master.cluster.node(self.name).unwrap();
        let requests = pki::requests_anew(path, &master.cluster, node, now).unwrap();
        let requests: Vec<String> = requests.into_iter().map(|request| request.pem).collect();
        let issued: SignedCertificates = pki::sign(master.pki(), &master.cluster, self.name, &requests, now).unwrap();
        pki::accept(path, &master.cluster, node, &issued, now).unwrap();
    }

    fn kubelet(&self, master: &Master) -> Kubelet {
        kubelet(master, self.name, self.directory.path())
    }
}

fn kubelet(master: &Master, name: &str, directory: &Path) -> Kubelet {
    let address = (master.cluster.node(name).unwrap().address, master.ca.kubelet_port);
    Kubelet::at(address.into(), directory, Credential::Node)
}

fn ensure(master: &Master) {
    pki::ensure_master(master.pki(), &master.cluster, master.cluster.master(), SystemTime::now()).unwrap();
}

#[test]
fn the_old_authority_goes_when_every_kubelet_serves_the_new_ones_certificate_or_is_named() {
    let now = SystemTime::now();
    let master = Master::start(now);
    let worker = Worker::enrolled(&master, "veos-l1");
    assert!(show(&master.ca).unwrap().contains("`k8s-node rotate-ca begin`"));
    assert!(finish(&master.ca, &[], now).unwrap_err().to_string().contains("`k8s-node rotate-ca begin`"));

    assert!(begin(&master.ca, now).unwrap().contains("signs from here on"));
    assert!(begin(&master.ca, now).unwrap().contains("has taken over since"), "saying it twice does nothing");
    let error = finish(&master.ca, &[], now).unwrap_err().to_string();
    assert!(error.contains("this master's own certificate") && error.contains("`k8s-node renew`"), "{error}");
    ensure(&master);
    let of_master = kubelet(&master, "veos-b", master.pki());
    let of_worker = worker.kubelet(&master);
    let shown = show(&master.ca).unwrap();
    for line in [
        "veos-b           has changed over",
        "veos-l1          has certificates of the old one",
        "veos-l2          is not known",
    ] {
        assert!(shown.contains(line), "{shown}");
    }
    let error = finish(&master.ca, &[], now).unwrap_err().to_string();
    assert!(!error.contains("veos-b") && error.contains("veos-l1 has") && error.contains("veos-l2 is"), "{error}");
    let error = finish(&master.ca, &["veos-l2".into()], now).unwrap_err().to_string();
    assert!(error.contains("veos-l1 has certificates of the old one") && !error.contains("veos-l2 is"), "{error}");
    assert!(pki::rotation(master.pki()).unwrap().is_some());

    drop(of_worker);
    worker.renew(&master);
    let _of_worker = worker.kubelet(&master);
    assert!(finish(&master.ca, &["veos-l9".into()], now).unwrap_err().to_string().contains("names no \"veos-l9\""));
    for told in [show(&master.ca).unwrap(), next()] {
        assert!(told.contains("`k8s-node kubeconfig --user`") && told.contains("`ca_hash`"), "{told}");
    }
    let told = finish(&master.ca, &["veos-l2".into()], now).unwrap();
    assert!(told.contains("CSR API") && told.contains("`ca_hash`"), "{told}");
    assert!(pki::rotation(master.pki()).unwrap().is_none());
    // The table of keys is the new authority's, and so it is after the next boot.
    master.ca.node_keys.begin(&master.cluster, master.pki()).unwrap();
    assert_eq!(master.ca.node_keys.read().unwrap().unknown().count(), 0);
    drop(of_master);
}

#[test]
fn who_is_known_stays_known_through_a_rotation() {
    let now = SystemTime::now();
    let master = Master::start(now);
    let worker = Worker::enrolled(&master, "veos-l1");
    // Its key is known by what its kubelet serves alone, of the old authority, while the new one signs.
    master.forget_keys();
    begin(&master.ca, now).unwrap();
    ensure(&master);
    let _kubelet = worker.kubelet(&master);
    assert_eq!(kubelet_key::learn(&master.ca).unwrap(), ["veos-l1"]);
    master.ca.node_keys.begin(&master.cluster, master.pki()).unwrap();
    let unknown = master.ca.node_keys.read().unwrap();
    assert_eq!(unknown.unknown().collect::<Vec<_>>(), ["veos-l2"]);
}
