//! Files that flash has lost or spoilt.

use cluster::pki::{Credential, Outcome};

use crate::support::{Switch, now, openssl, text};

/// What can be made again is; what cannot be is named, and nothing is written.
fn ensure_names(master: &Switch, expected: &[&str]) {
    let before = master.files();
    let error = master.ensure(now()).unwrap_err().to_string();
    expected.iter().for_each(|part| assert!(error.contains(part), "{part}: {error}"));
    assert_eq!(master.files(), before);
}

#[test]
fn a_truncated_file_is_made_again_or_the_error_says_which_one_it_is() {
    let master = Switch::master();
    let whole = master.files();
    for (name, contents) in &whole {
        for length in [0, 1, contents.len() / 2, contents.len() - 30] {
            master.set_files(&whole);
            master.write(name, &contents[..length]);
            let needed = name.ends_with("ca-key.pem") || name == "service-account-key.pem";
            match master.ensure(now()) {
                Err(error) if needed => assert!(error.to_string().contains(name), "{name}, {length}: {error}"),
                Ok(_) if !needed => master.require_ok(now()),
                other => panic!("{name}, {length}: {other:?}"),
            }
        }
    }
}

#[test]
fn an_authority_without_its_key_serves_until_something_has_to_be_signed() {
    let mut master = Switch::empty_master();
    master.cluster.certificates.admin_days = 30;
    master.ensure(now()).unwrap();
    master.remove("ca-key.pem");
    assert_eq!(master.ensure(now()).unwrap()[&Credential::Ca], Outcome::Taken);
    let later = now() + crate::support::DAY * 61;
    let outcomes = master.ensure(later).unwrap();
    // The operator's own has ended by then, and stops nobody.
    for credential in [Credential::Node, Credential::Admin] {
        let due = &outcomes[&credential];
        assert!(matches!(due, Outcome::Due { .. }), "{due:?}");
    }
    master.write("node.pem", "");
    ensure_names(&master, &["node.pem", "ca-key.pem", "put"]);
}

#[test]
fn leaves_without_their_authority_are_not_replaced() {
    let master = Switch::master();
    master.remove("ca.pem");
    master.remove("ca-key.pem");
    ensure_names(&master, &["ca.pem", "ca-key.pem", "admin.pem", "backup"]);
}

#[test]
fn a_lost_certificate_of_an_authority_gets_the_subject_that_its_leaves_name() {
    let mut master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    master.cluster.subject.locality = Some("Paris".into());
    master.remove("ca.pem");
    let outcomes = master.ensure(now()).unwrap();
    assert_eq!(outcomes[&Credential::Ca], Outcome::Made);
    assert_eq!(outcomes[&Credential::Admin], Outcome::Kept);
    openssl(&format!("verify -CAfile {} {}", text(&master.file("ca.pem")), text(&worker.file("node.pem"))));
}

#[test]
fn the_key_of_the_service_accounts_is_never_replaced() {
    let master = Switch::master();
    let public = master.read("service-account.pub");
    master.remove("service-account.pub");
    master.ensure(now()).unwrap();
    assert_eq!(master.read("service-account.pub"), public);

    let other = Switch::master().read("service-account-key.pem");
    master.write("service-account-key.pem", other);
    ensure_names(&master, &["service-account-key.pem", "service-account.pub", "do not belong together"]);
    master.remove("service-account-key.pem");
    ensure_names(&master, &["service-account-key.pem", "missing", "token"]);
    master.remove("service-account.pub");
    ensure_names(&master, &["service-account-key.pem", "missing", "token"]);
}

#[test]
fn a_key_of_another_certificate_is_found_out() {
    let master = Switch::master();
    master.write("node-key.pem", master.read("admin-key.pem"));
    let outcomes = master.ensure(now()).unwrap();
    assert_eq!(outcomes[&Credential::Node], Outcome::Renewed { why: "it does not belong to its key".into() });
    master.require_sound(now());
    master.write("ca-key.pem", master.read("etcd-ca-key.pem"));
    ensure_names(&master, &["ca.pem", "ca-key.pem", "do not belong together"]);
}

#[test]
fn certificates_of_another_authority_are_issued_again() {
    let master = Switch::master();
    let other = Switch::master();
    master.write("admin.pem", other.read("admin.pem"));
    master.write("admin-key.pem", other.read("admin-key.pem"));
    let outcomes = master.ensure(now()).unwrap();
    assert_eq!(
        outcomes[&Credential::Admin],
        Outcome::Renewed { why: "the certificate authority did not sign it".into() }
    );
    assert_eq!(master.read("admin-key.pem"), other.read("admin-key.pem"));
}

#[test]
fn no_error_repeats_a_byte_of_a_key() {
    let master = Switch::master();
    let key = master.read("service-account-key.pem");
    let secret = key.lines().nth(1).unwrap().to_owned();
    master.write("service-account-key.pem", key.replace("-----END", "-----FIN"));
    let error = format!("{0} {0:?}", master.ensure(now()).unwrap_err());
    assert!(!error.contains(&secret) && !error.contains(&secret[..16]), "{error}");
}
