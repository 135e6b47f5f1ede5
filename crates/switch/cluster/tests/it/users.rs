//! Certificates that people carry away: the operator's, and those that `k8s-node kubeconfig` writes.

use std::{process::Command, time::Duration};

use base64ct::{Base64, Encoding};
use cluster::{
    Cluster, kubeconfig,
    pki::{self, Credential, Outcome, User},
};

use crate::support::{DAY, Switch, cluster, now, openssl, text};

fn with(certificates: &str) -> Cluster {
    let text = format!("{}\n[certificates]\n{certificates}\n", include_str!("../fixtures/cluster.toml"));
    Cluster::parse(&text, "cluster.toml").unwrap()
}

fn groups(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn lasts(file: &std::path::Path, lifetime: Duration) -> bool {
    let ends_within = |time: Duration| {
        let line = format!("x509 -noout -in {} -checkend {}", text(file), time.as_secs());
        !Command::new("openssl").args(line.split(' ')).output().unwrap().status.success()
    };
    // It begins an hour before it is made.
    ends_within(lifetime) && !ends_within(lifetime - Duration::from_secs(2 * 3600))
}

#[test]
fn a_user_gets_a_key_of_its_own_and_a_clients_certificate_that_openssl_verifies() {
    let master = Switch::master();
    let before = master.files();
    let user = User::new(&master.cluster, "anna@example.com", &groups(&["ops", "system:masters"])).unwrap();
    let made = pki::certify(&master.path(), &master.cluster, &user, DAY * 30, now()).unwrap();
    assert_eq!(master.files(), before, "nothing of it is kept");
    let config = kubeconfig::of_user(&master.cluster, &master.path(), &user, &made).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["clusters"][0]["cluster"]["server"], "https://1.1.1.1:6443");
    assert_eq!(config["current-context"], "anna@example.com@kubernetes");
    let decoded = |value: &serde_json::Value| Base64::decode_vec(value.as_str().unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, value: &serde_json::Value| {
        std::fs::write(dir.path().join(name), decoded(value)).unwrap();
        text(&dir.path().join(name))
    };
    let ca = file("ca", &config["clusters"][0]["cluster"]["certificate-authority-data"]);
    let certificate = file("certificate", &config["users"][0]["user"]["client-certificate-data"]);
    let key = file("key", &config["users"][0]["user"]["client-key-data"]);
    openssl(&format!("verify -x509_strict -purpose sslclient -CAfile {ca} {certificate}"));
    let as_server = format!("verify -purpose sslserver -CAfile {ca} {certificate}");
    assert!(!Command::new("openssl").args(as_server.split(' ')).output().unwrap().status.success());
    assert_eq!(openssl(&format!("x509 -pubkey -noout -in {certificate}")), openssl(&format!("pkey -pubout -in {key}")));
    let subject = openssl(&format!("x509 -noout -subject -in {certificate}"));
    assert_eq!(subject.trim(), "subject=C = UK, L = London, O = ops, O = system:masters, CN = anna@example.com");
    assert!(lasts(certificate.as_ref(), DAY * 30));
    let again = pki::certify(&master.path(), &master.cluster, &user, DAY * 30, now()).unwrap();
    assert!(*again.key != *made.key && again.certificate != made.certificate);
}

#[test]
fn a_server_that_nobody_has_signed_for_is_verified_by_its_own_certificate_and_by_its_name_alone() {
    let made = pki::certify_server("metrics-server.kube-system.svc", DAY * 30, now()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("certificate");
    std::fs::write(&file, &made.certificate).unwrap();
    let verify = |name: &str| {
        let line = format!(
            "verify -purpose sslserver -partial_chain -verify_hostname {name} -CAfile {file} {file}",
            file = text(&file)
        );
        Command::new("openssl").args(line.split(' ')).output().unwrap().status.success()
    };
    assert!(verify("metrics-server.kube-system.svc"));
    assert!(!verify("kubernetes.default.svc"));
    assert!(lasts(&file, DAY * 30));
    let other = dir.path().join("other");
    std::fs::write(&other, pki::certify_server("metrics-server.kube-system.svc", DAY, now()).unwrap().certificate)
        .unwrap();
    let line = format!("verify -partial_chain -CAfile {} {}", text(&file), text(&other));
    assert!(!Command::new("openssl").args(line.split(' ')).output().unwrap().status.success(), "it signs for others");
}

#[test]
fn nobody_is_made_a_node_a_component_or_one_of_the_systems_own() {
    let cluster = cluster();
    let refused = |name: &str, in_groups: &[&str], expected: &str| {
        let error = User::new(&cluster, name, &groups(in_groups)).unwrap_err().to_string();
        assert!(error.contains(expected), "{name} of {in_groups:?}: {error}");
    };
    for node in ["veos-b", "VEOS-L1", "veos-l2.example.com"] {
        refused(node, &[], "is a part of the cluster");
    }
    for component in ["kubernetes", "kube-apiserver-kubelet-client", "etcd", "kube-proxy", "kube-scheduler"] {
        refused(component, &[], "is a part of the cluster");
    }
    for system in ["system:node:veos-l1", "system:masters", "system:serviceaccount:kube-system:default"] {
        refused(system, &[], "is the system's own");
    }
    for group in ["system:nodes", "system:authenticated", "system:node-proxier"] {
        refused("anna", &["ops", group], "is the system's own");
    }
    for name in ["", " anna", "an\nna", &"a".repeat(65)] {
        refused(name, &[], "cannot be the name of a user");
        refused("anna", &[name], "cannot be the name of a group");
    }
    assert!(User::new(&cluster, "admin", &groups(&["system:masters"])).is_ok());
}

#[test]
fn without_the_authoritys_key_nobody_is_certified() {
    let master = Switch::master();
    master.remove("ca-key.pem");
    let user = User::new(&master.cluster, "anna", &[]).unwrap();
    let error = pki::certify(&master.path(), &master.cluster, &user, DAY, now()).err().unwrap().to_string();
    assert!(error.contains("ca-key.pem is not here"), "{error}");
}

#[test]
fn the_operators_own_lasts_as_long_as_cluster_toml_says_and_a_longer_one_is_issued_again() {
    let mut master = Switch::new(&with("admin_days = 1095"), "veos-b");
    master.ensure(now()).unwrap();
    assert!(lasts(&master.file("admin.pem"), DAY * 1095));
    master.cluster = with("");
    let outcomes = master.ensure(now()).unwrap();
    let Outcome::Renewed { why } = &outcomes[&Credential::Admin] else { panic!("{outcomes:?}") };
    assert!(why.contains("no longer than 365 days"), "{why}");
    // Copies of it are good until their end, and the status names it.
    assert!(matches!(pki::superseded(&master.path(), now()).unwrap().as_slice(), [(Credential::Admin, _)]));
    assert!(lasts(&master.file("admin.pem"), DAY * 365));
    let renewed = outcomes.values().filter(|outcome| matches!(outcome, Outcome::Renewed { .. })).count();
    assert_eq!(renewed, 1, "{outcomes:?}");
    assert!(master.ensure(now()).unwrap().values().all(|outcome| *outcome == Outcome::Kept));
}

#[test]
fn what_is_made_on_the_operators_host_lasts_a_year_or_as_cluster_toml_says() {
    for (certificates, admin, others) in [("", 365, 365), ("admin_days = 7\noffline_days = 700", 7, 700)] {
        let out = tempfile::tempdir().unwrap();
        pki::whole_cluster(out.path(), &with(certificates), None, now()).unwrap();
        assert!(lasts(&out.path().join("veos-b/pki/admin.pem"), DAY * admin), "{certificates}");
        for file in ["veos-b/pki/kube-apiserver.pem", "veos-b/pki/etcd.pem", "veos-l1/pki/node.pem"] {
            assert!(lasts(&out.path().join(file), DAY * others), "{certificates}: {file}");
        }
    }
}
