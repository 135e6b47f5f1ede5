//! Kubeconfigs: what is in them, and that only what differs is written.

use std::fs;

use base64ct::{Base64, Encoding};
use cluster::{
    kubeconfig::{self, Change},
    pki::Credential,
};
use serde_json::Value;

use crate::support::{Switch, mode};

fn read(path: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn components_refer_to_files_so_that_a_renewed_certificate_is_read_again() {
    let master = Switch::master();
    let directory = master.file("kubeconfigs");
    let ensure = || kubeconfig::ensure(&directory, &master.path(), &master.cluster, &master.node).unwrap();
    assert!(ensure().iter().all(|(_, change)| *change == Change::Written));
    assert!(ensure().iter().all(|(_, change)| *change == Change::Kept));
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 4);
    let path = directory.join(Credential::ControllerManager.kubeconfig_file());
    let config = read(&path);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(config["kind"], "Config");
    assert_eq!(config["apiVersion"], "v1");
    assert_eq!(config["clusters"][0]["cluster"]["server"], "https://1.1.1.1:6443");
    for (file, value) in [
        ("ca.pem", &config["clusters"][0]["cluster"]["certificate-authority"]),
        ("kube-controller-manager.pem", &config["users"][0]["user"]["client-certificate"]),
        ("kube-controller-manager-key.pem", &config["users"][0]["user"]["client-key"]),
    ] {
        assert_eq!(value.as_str().unwrap(), master.file(file).to_str().unwrap());
        assert!(master.file(file).exists());
    }
    let context = &config["contexts"][0];
    assert_eq!(config["current-context"], context["name"]);
    assert_eq!(context["context"]["cluster"], config["clusters"][0]["name"]);
    assert_eq!(context["context"]["user"], config["users"][0]["name"]);
    fs::write(&path, "{").unwrap();
    let written: Vec<_> = ensure().into_iter().filter(|(_, change)| *change == Change::Written).collect();
    assert_eq!(written, [(Credential::ControllerManager, Change::Written)]);
}

#[test]
fn a_worker_has_the_kubeconfigs_of_a_worker() {
    let worker = Switch::worker(&Switch::master(), "veos-l1");
    let directory = worker.file("kubeconfigs");
    kubeconfig::ensure(&directory, &worker.path(), &worker.cluster, &worker.node).unwrap();
    let mut names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["kube-proxy.kubeconfig", "node.kubeconfig"]);
}

#[test]
fn the_operators_kubeconfig_has_everything_inside() {
    let master = Switch::master();
    let path = master.file("admin.kubeconfig");
    assert_eq!(kubeconfig::write_admin(&path, &master.cluster, &master.path()).unwrap(), Change::Written);
    assert_eq!(kubeconfig::write_admin(&path, &master.cluster, &master.path()).unwrap(), Change::Kept);
    assert_eq!(mode(&path), 0o600);
    let config = read(&path);
    for (file, value) in [
        ("ca.pem", &config["clusters"][0]["cluster"]["certificate-authority-data"]),
        ("admin.pem", &config["users"][0]["user"]["client-certificate-data"]),
        ("admin-key.pem", &config["users"][0]["user"]["client-key-data"]),
    ] {
        assert_eq!(Base64::decode_vec(value.as_str().unwrap()).unwrap(), fs::read(master.file(file)).unwrap());
    }
}
