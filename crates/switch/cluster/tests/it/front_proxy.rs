//! The front proxy's authority in clusters that run already, whose older release had none.

use cluster::pki::{Credential, Outcome};

use crate::support::{DAY, Switch, now};

const NEW: [&str; 4] =
    ["front-proxy-ca-key.pem", "front-proxy-ca.pem", "front-proxy-client-key.pem", "front-proxy-client.pem"];

/// The master of a cluster of an older release, or one that such a backup was restored to.
fn of_older_release() -> Switch {
    let master = Switch::master();
    NEW.iter().for_each(|name| master.remove(name));
    master
}

#[test]
fn a_cluster_of_an_older_release_gets_it_and_nothing_else_changes() {
    let master = of_older_release();
    let before = master.files();
    let outcomes = master.ensure(now()).unwrap();
    for (credential, outcome) in &outcomes {
        let is_new = [Credential::FrontProxyCa, Credential::FrontProxyClient].contains(credential);
        assert_eq!(*outcome, if is_new { Outcome::Made } else { Outcome::Kept }, "{credential}");
    }
    let mut after = master.files();
    NEW.iter().for_each(|name| assert!(after.remove(*name).is_some(), "{name}"));
    assert_eq!(after, before);
    master.require_sound(now());
}

#[test]
fn it_is_made_where_the_keys_of_the_other_authorities_are_kept_elsewhere() {
    let master = of_older_release();
    ["ca-key.pem", "etcd-ca-key.pem"].iter().for_each(|name| master.remove(name));
    let before = master.files();
    let outcomes = master.ensure(now()).unwrap();
    assert_eq!(outcomes[&Credential::FrontProxyClient], Outcome::Made);
    assert_eq!(outcomes[&Credential::Ca], Outcome::Taken);
    before.iter().for_each(|(name, contents)| assert_eq!(master.files()[name], *contents, "{name}"));
    master.require_sound(now());
    // It goes on with its own renewal.
    let later = now() + DAY * 61;
    let outcomes = master.ensure(later).unwrap();
    assert!(matches!(outcomes[&Credential::FrontProxyClient], Outcome::Renewed { .. }), "{outcomes:?}");
    assert!(matches!(outcomes[&Credential::Node], Outcome::Due { .. }), "{outcomes:?}");
    master.require_verified(later);
}

#[test]
fn another_authority_of_the_cluster_leaves_it_as_it_is() {
    let master = Switch::master();
    let before = master.files();
    master.begin_rotation(now()).unwrap();
    master.ensure(now()).unwrap();
    NEW.iter().for_each(|name| assert_eq!(master.files()[*name], before[*name], "{name}"));
}

#[test]
fn one_whose_key_was_seen_is_taken_away_and_another_one_is_made() {
    let master = Switch::master();
    let before = master.files();
    ["front-proxy-ca.pem", "front-proxy-ca-key.pem", "front-proxy-client.pem"].iter().for_each(|it| master.remove(it));
    master.ensure(now()).unwrap();
    let after = master.files();
    let changed: Vec<&str> = after.keys().filter(|name| after[*name] != before[*name]).map(String::as_str).collect();
    assert_eq!(changed, ["front-proxy-ca-key.pem", "front-proxy-ca.pem", "front-proxy-client.pem"]);
    master.require_sound(now());
}
