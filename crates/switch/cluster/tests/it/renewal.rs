//! What is renewed, when, and what is left alone.

use std::{collections::BTreeMap, fs};

use cluster::{
    Certificates, Cluster,
    pki::{self, CertificateState, Credential, Outcome, PkiError},
};

use crate::support::{DAY, OWN, PROXY, Switch, cluster, now, openssl, text};

/// The lifetimes, in days.
const LEAF: u32 = 90;
const AUTHORITY: u32 = 1825;

fn renewed(outcomes: &BTreeMap<Credential, Outcome>) -> Vec<Credential> {
    let renewed = outcomes.iter().filter(|(_, outcome)| !matches!(outcome, Outcome::Kept | Outcome::Taken));
    renewed.map(|(credential, _)| *credential).collect()
}

#[test]
fn a_second_run_changes_no_byte() {
    let master = Switch::empty_master();
    let first = master.ensure(now()).unwrap();
    assert!(first.values().all(|outcome| *outcome == Outcome::Made), "{first:?}");
    assert_eq!(first.len(), 14);
    let before = master.files();
    let second = master.ensure(now() + DAY).unwrap();
    assert!(second.values().all(|outcome| *outcome == Outcome::Kept), "{second:?}");
    assert_eq!(master.files(), before);
}

#[test]
fn leaves_are_renewed_with_their_keys_when_a_third_of_their_life_is_left_and_not_before() {
    let master = Switch::master();
    let before = master.files();
    let third = LEAF * 2 / 3;
    assert_eq!(renewed(&master.ensure(now() + DAY * (third - 1)).unwrap()), []);
    let later = now() + DAY * (third + 1);
    let outcomes = master.ensure(later).unwrap();
    assert_eq!(renewed(&outcomes).len(), 9, "{outcomes:?}");
    assert_eq!(outcomes[&Credential::Node], Outcome::Renewed { why: "28 days left".into() });
    for (name, contents) in master.files() {
        let leaf = name.ends_with(".pem") && !name.ends_with("-key.pem") && !name.ends_with("ca.pem");
        // People have copies of it.
        let renewed = leaf && name != "admin.pem";
        assert_eq!(contents != before[&name], renewed, "{name}");
    }
    master.require_sound(later);
}

#[test]
fn an_authority_that_was_made_here_is_renewed_so_that_what_it_signed_still_verifies() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    let before = master.files();
    let later = now() + DAY * (AUTHORITY * 2 / 3 + 1);
    let outcomes = master.ensure(later).unwrap();
    assert!(matches!(outcomes[&Credential::Ca], Outcome::Renewed { .. }), "{outcomes:?}");
    assert!(matches!(outcomes[&Credential::EtcdCa], Outcome::Renewed { .. }), "{outcomes:?}");
    assert!(matches!(outcomes[&Credential::FrontProxyCa], Outcome::Renewed { .. }), "{outcomes:?}");
    assert_ne!(master.files()["ca.pem"], before["ca.pem"]);
    assert_eq!(master.files()["ca-key.pem"], before["ca-key.pem"]);
    master.require_sound(later);
    let ca = text(&master.file("ca.pem"));
    openssl(&format!("verify -no_check_time -CAfile {ca} {}", text(&worker.file("node.pem"))));
}

#[test]
fn everything_that_has_expired_is_made_again_for_the_same_keys() {
    let master = Switch::master();
    let before = master.files();
    let much_later = now() + DAY * AUTHORITY * 2;
    assert_eq!(renewed(&master.ensure(much_later).unwrap()).len(), 13);
    master.require_sound(much_later);
    for (name, contents) in master.files().iter().filter(|(name, _)| name.ends_with("-key.pem")) {
        assert_eq!(*contents, before[name], "{name}");
    }
}

#[test]
fn what_a_clock_that_was_ahead_made_is_made_again() {
    let master = Switch::empty_master();
    master.ensure(now() + DAY * 365).unwrap();
    let outcomes = master.ensure(now()).unwrap();
    assert_eq!(renewed(&outcomes).len(), 13, "{outcomes:?}");
    master.require_sound(now());
}

#[test]
fn who_joined_while_the_clocks_were_ahead_is_told_how_it_knows_its_master_again() {
    let ahead = now() + DAY * 200;
    let master = Switch::empty_master();
    master.ensure(ahead).unwrap();
    let worker = Switch::new(&master.cluster, "veos-l1");
    worker.enrol(&master, ahead).unwrap().unwrap();
    master.ensure(now()).unwrap();
    let require = || {
        let shown = pki::master_identity(&master.path()).unwrap().unwrap();
        let shown: Vec<&[u8]> = shown.cert.iter().map(|der| der.as_ref()).collect();
        pki::KnownMaster::of(&worker.path(), &worker.cluster).unwrap().unwrap().require(&shown, now())
    };
    let why = require().unwrap_err();
    let file = text(&worker.file("node.pem"));
    assert!(why.contains(&file) && why.contains("remove that file and run `k8s-node renew`"), "{why}");
    worker.remove("node.pem");
    require().unwrap();
    worker.enrol(&master, now()).unwrap().unwrap();
    worker.require_sound(now());
}

#[test]
fn a_clock_that_cannot_be_right_touches_nothing() {
    let master = Switch::master();
    let before = master.files();
    for wrong in [std::time::UNIX_EPOCH, std::time::UNIX_EPOCH + DAY * 365 * 80] {
        let error = master.ensure(wrong).unwrap_err();
        assert!(matches!(error, PkiError::Clock { .. }), "{error}");
        assert!(error.to_string().contains("set the clock"), "{error}");
    }
    assert_eq!(master.files(), before);
    let untouched = Switch::empty_master();
    untouched.ensure(std::time::UNIX_EPOCH).unwrap_err();
    assert!(!untouched.path().exists());
}

#[test]
fn no_certificate_outlives_its_authority_and_none_is_renewed_for_nothing() {
    let master = Switch::master();
    // The operator's own, which nobody renews here.
    let key = master.read("ca-key.pem");
    master.write("ca-key.pem", &key[key.find("-----BEGIN").unwrap()..]);
    let later = now() + DAY * (AUTHORITY - 20);
    master.ensure(later).unwrap();
    let end = |name: &str| openssl(&format!("x509 -noout -enddate -in {}", text(&master.file(name))));
    assert_eq!(end("node.pem"), end("ca.pem"));
    assert_eq!(renewed(&master.ensure(later + DAY * 15).unwrap()), []);
}

/// What the old release has made: certificates that last for three years.
fn old_release() -> (Switch, Switch) {
    let (dir, cluster) = (tempfile::tempdir().unwrap(), cluster());
    let certificates = Certificates { admin_days: 1095, offline_days: 1095, client_ca: None };
    let old = Cluster { certificates, ..cluster.clone() };
    let nodes = pki::whole_cluster(dir.path(), &old, None, now()).unwrap().into_iter();
    let mut switches = nodes.map(|made| {
        let switch = Switch::new(&cluster, &made.node);
        for entry in fs::read_dir(&made.directory).unwrap().map(Result::unwrap) {
            switch.write(&entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        }
        switch
    });
    (switches.next().unwrap(), switches.next().unwrap())
}

#[test]
fn leaves_of_the_old_release_that_last_longer_are_issued_again_and_their_copies_named_until_they_end() {
    let (master, worker) = old_release();
    let keys = master.read("node-key.pem");
    let outcomes = master.ensure(now()).unwrap();
    assert_eq!(renewed(&outcomes).len(), 10, "{outcomes:?}");
    for (credential, usual) in
        [(Credential::Node, "no longer than 90 days"), (Credential::Admin, "no longer than 365 days")]
    {
        let Outcome::Renewed { why } = &outcomes[&credential] else { panic!("{outcomes:?}") };
        assert!(why.contains(usual), "{why}");
    }
    assert_eq!(master.read("node-key.pem"), keys);
    master.require_sound(now());

    let asked = worker.enrol(&master, now()).unwrap().unwrap();
    assert_eq!(renewed(&asked), [Credential::Node, Credential::KubeProxy], "{asked:?}");
    worker.require_sound(now());
    let before = worker.files();
    assert_eq!(worker.enrol(&master, now()).unwrap(), None);
    assert_eq!(worker.files(), before);

    for (switch, count) in [(&master, 10), (&worker, 2)] {
        let named = |at| pki::superseded(&switch.path(), at).unwrap();
        assert_eq!(named(now()).len(), count);
        assert_eq!(named(now() + DAY * 1090).len(), count);
        assert_eq!(named(now() + DAY * 1096), []);
    }
    let later = now() + DAY * 61;
    master.ensure(later).unwrap();
    assert_eq!(pki::superseded(&master.path(), later).unwrap().len(), 10);

    // They are good as long as their authority is trusted, and etcd's and the front proxy's are not replaced.
    let superseded = |switch: &Switch| pki::superseded(&switch.path(), now()).unwrap();
    master.begin_rotation(now()).unwrap();
    master.ensure(now()).unwrap();
    worker.enrol_anew(&master, now()).unwrap();
    assert_eq!((superseded(&master).len(), superseded(&worker).len()), (10, 2));
    pki::finish_rotation(&master.path()).unwrap();
    master.ensure(now()).unwrap();
    worker.enrol_anew(&master, now()).unwrap();
    let of_others: Vec<Credential> = superseded(&master).into_iter().map(|(credential, _)| credential).collect();
    assert_eq!(of_others, [Credential::ApiServerEtcdClient, Credential::FrontProxyClient, Credential::Etcd]);
    assert_eq!(superseded(&worker), []);
}

#[test]
fn a_worker_does_not_change_one_that_lasts_long_for_another_one_of_an_old_master() {
    let (master, worker) = old_release();
    // The same authority issues for the same keys once more, as long as before.
    let other = Switch::new(&worker.cluster, "veos-l1");
    other.set_files(&worker.files());
    let sign = |name: &str, subject: &str| {
        let [key, ca, ca_key] =
            [worker.file(&format!("{name}-key.pem")), master.file("ca.pem"), master.file("ca-key.pem")];
        let out = other.file(&format!("{name}.csr"));
        openssl(&format!("req -new -key {} -subj {subject} -out {}", text(&key), text(&out)));
        fs::write(other.file("ext"), "extendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=DNS:veos-l1,IP:2.2.2.2\n")
            .unwrap();
        let (ca, ca_key) = (text(&ca), text(&ca_key));
        let (out, ext) = (text(&out), text(&other.file("ext")));
        openssl(&format!("x509 -req -in {out} -CA {ca} -CAkey {ca_key} -CAcreateserial -days 1095 -extfile {ext}"))
    };
    let certificates = vec![sign("node", OWN), sign("kube-proxy", PROXY)];
    let before = worker.files();
    let answer = pki::SignedCertificates { ca_pem: master.read("ca.pem"), certificates };
    let outcomes = worker.accept(&answer, now()).unwrap();
    assert!(outcomes.values().all(|outcome| *outcome == Outcome::Kept), "{outcomes:?}");
    assert_eq!(worker.files(), before);
}

#[test]
fn what_lasts_long_and_cannot_be_issued_here_is_kept_and_said() {
    let (master, _) = old_release();
    for key in ["ca-key.pem", "etcd-ca-key.pem", "front-proxy-ca-key.pem"] {
        master.remove(key);
    }
    let before = master.files();
    assert_eq!(renewed(&master.ensure(now()).unwrap()), []);
    assert_eq!(master.files(), before);
    let statuses = pki::inspect(&master.path(), &master.cluster, &master.node, now());
    let long = statuses.iter().filter(|status| matches!(status.state, CertificateState::LongLived(_)));
    assert_eq!(long.count(), 10, "{statuses:?}");
    assert!(statuses.iter().all(|status| status.state.serves()), "{statuses:?}");
}

#[test]
fn another_address_in_cluster_toml_renews_the_certificates_that_name_it() {
    let mut master = Switch::master();
    master.cluster.nodes[0].address = "4.4.4.4".parse().unwrap();
    master.node = master.cluster.nodes[0].clone();
    let outcomes = master.ensure(now()).unwrap();
    assert_eq!(renewed(&outcomes), [Credential::ApiServer, Credential::Etcd, Credential::Node]);
    assert_eq!(outcomes[&Credential::Node], Outcome::Renewed { why: "it is not valid for 4.4.4.4".into() });
    master.require_sound(now());
}

#[test]
fn the_status_says_of_each_certificate_how_it_stands() {
    let master = Switch::master();
    let at = |now| {
        let statuses = pki::inspect(&master.path(), &master.cluster, &master.node, now);
        statuses.into_iter().map(|status| (status.credential, status)).collect::<BTreeMap<_, _>>()
    };
    let statuses = at(now());
    assert_eq!(statuses.len(), 13);
    assert!(statuses.values().all(|status| status.state == CertificateState::Ok), "{statuses:?}");
    assert_eq!(statuses[&Credential::Node].days_left, Some(i64::from(LEAF) - 1));
    assert_eq!(statuses[&Credential::Ca].days_left, Some(i64::from(AUTHORITY) - 1));
    assert!(matches!(at(now() + DAY * 61)[&Credential::Node].state, CertificateState::Due(_)));
    assert!(matches!(at(now() + DAY * 95)[&Credential::Node].state, CertificateState::Expired(_)));
    assert_eq!(at(now() + DAY * 95)[&Credential::Node].days_left, Some(-5 - 1));
    assert!(matches!(at(now() - DAY)[&Credential::Node].state, CertificateState::NotYetValid(_)));
    master.write("node.pem", "");
    master.remove("admin.pem");
    let statuses = at(now());
    assert!(matches!(statuses[&Credential::Node].state, CertificateState::Damaged(_)));
    assert_eq!(statuses[&Credential::Admin].state, CertificateState::Missing);
    let json = serde_json::to_value(&statuses[&Credential::Node]).unwrap();
    assert_eq!(json["credential"], "node");
    assert_eq!(json["state"], "damaged");
    assert!(json["why"].is_string());
}
