//! What is renewed, when, and what is left alone.

use std::collections::BTreeMap;

use cluster::pki::{self, CertificateState, Credential, Outcome, PkiError};

use crate::support::{DAY, Switch, now, openssl, text};

/// The lifetimes, in days.
const LEAF: u32 = 1095;
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
    assert_eq!(first.len(), 12);
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
    assert_eq!(outcomes[&Credential::Node], Outcome::Renewed { why: "363 days left".into() });
    for (name, contents) in master.files() {
        let leaf = name.ends_with(".pem") && !name.ends_with("-key.pem") && !name.ends_with("ca.pem");
        assert_eq!(contents != before[&name], leaf, "{name}");
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
    assert_eq!(renewed(&master.ensure(much_later).unwrap()).len(), 11);
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
    assert_eq!(renewed(&outcomes).len(), 11, "{outcomes:?}");
    master.require_sound(now());
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
    // The authority has 21 of its 60 months left: it is not due, and what is due ends with it.
    let later = now() + DAY * 1200;
    assert_eq!(renewed(&master.ensure(later).unwrap()).len(), 9);
    let end = |name: &str| openssl(&format!("x509 -noout -enddate -in {}", text(&master.file(name))));
    assert_eq!(end("node.pem"), end("ca.pem"));
    assert_eq!(renewed(&master.ensure(later + DAY).unwrap()), []);
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
    assert_eq!(statuses.len(), 11);
    assert!(statuses.values().all(|status| status.state == CertificateState::Ok), "{statuses:?}");
    assert_eq!(statuses[&Credential::Node].days_left, Some(i64::from(LEAF) - 1));
    assert_eq!(statuses[&Credential::Ca].days_left, Some(i64::from(AUTHORITY) - 1));
    assert!(matches!(at(now() + DAY * 800)[&Credential::Node].state, CertificateState::Due(_)));
    assert!(matches!(at(now() + DAY * 1100)[&Credential::Node].state, CertificateState::Expired(_)));
    assert_eq!(at(now() + DAY * 1100)[&Credential::Node].days_left, Some(-5 - 1));
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
