//! A cluster's certificate authority is replaced, and openssl verifies at every step whom those trust that know the old one, both, or
//! the new one.

use std::fs;

use cluster::{
    Cluster,
    pki::{self, Credential, Outcome, PkiError, SignedCertificates},
};
use tempfile::TempDir;

use crate::support::{DAY, Outcomes, Switch, now, openssl, run, text};

/// Whether openssl verifies a certificate by those of `authorities` alone, with what stands behind it.
fn verifies(authorities: &str, certificate: &str) -> bool {
    let args = ["verify", "-CAfile", authorities, "-untrusted", certificate, certificate];
    std::process::Command::new("openssl").args(args).output().unwrap().status.success()
}

/// Authorities' files, kept as they were.
struct Authorities(TempDir);

impl Authorities {
    fn keep(&self, name: &str, pem: &str) -> String {
        let file = self.0.path().join(name);
        fs::write(&file, pem).unwrap();
        text(&file)
    }
}

fn authorities() -> Authorities {
    Authorities(tempfile::tempdir().unwrap())
}

/// Those of a node's certificates that the cluster's authority signs.
fn leaves(switch: &Switch) -> Vec<String> {
    let others = ["etcd.pem", "kube-apiserver-etcd-client.pem", "front-proxy-client.pem"];
    let names = switch.files().into_keys().filter(|name| {
        name.ends_with(".pem")
            && !name.ends_with("-key.pem")
            && !name.ends_with("ca.pem")
            && !others.contains(&name.as_str())
    });
    names.map(|name| text(&switch.file(&name))).collect()
}

fn renewed(outcomes: &Outcomes) -> Vec<Credential> {
    let renewed = outcomes.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Renewed { .. }));
    renewed.map(|(credential, _)| *credential).collect()
}

const OF_CLUSTER: [Credential; 7] = [
    Credential::Admin,
    Credential::ApiServer,
    Credential::ApiServerKubeletClient,
    Credential::ControllerManager,
    Credential::Scheduler,
    Credential::Node,
    Credential::KubeProxy,
];

#[test]
fn old_and_new_certificates_verify_for_everybody_until_the_rotation_is_finished() {
    let kept = authorities();
    let master = Switch::master();
    let [changed, late] = ["veos-l1", "veos-l2"].map(|name| Switch::worker(&master, name));
    let old = kept.keep("old", &master.read("ca.pem"));
    let old_key = master.read("ca-key.pem");

    let begun = master.begin_rotation(now()).unwrap();
    assert_eq!(pki::rotation(&master.path()).unwrap(), Some(begun.clone()));
    assert_ne!(begun.signing, begun.replaced);
    assert_ne!(master.read("ca-key.pem"), old_key);
    let both = kept.keep("both", &master.read("ca.pem"));
    let new = kept.keep("new", master.read("ca.pem").split_inclusive("-----END CERTIFICATE-----\n").next().unwrap());
    // The master has not issued anything yet: a power cut, say.
    assert!(leaves(&master).iter().all(|leaf| verifies(&both, leaf)));
    assert_eq!(renewed(&master.ensure(now()).unwrap()), OF_CLUSTER);
    master.require_sound(now());
    for leaf in leaves(&master) {
        for known in [&old, &both, &new] {
            assert!(verifies(known, &leaf), "{leaf} by {known}");
        }
    }
    let before = master.files();
    assert_eq!(renewed(&master.ensure(now() + DAY).unwrap()), []);
    assert_eq!(master.begin_rotation(now() + DAY).unwrap(), begun, "it has begun already");
    assert_eq!(master.files(), before);

    // Nothing is due at the worker, and it need not know why it asks.
    assert_eq!(changed.requests(now()).unwrap(), None);
    assert_eq!(
        renewed(&changed.enrol_anew(&master, now()).unwrap()),
        [Credential::Ca, Credential::Node, Credential::KubeProxy]
    );
    changed.require_sound(now());
    assert_eq!(changed.read("ca.pem"), master.read("ca.pem"));
    assert_eq!(pki::rotation(&changed.path()).unwrap(), Some(begun));
    for leaf in leaves(&changed) {
        assert!([&old, &both, &new].iter().all(|known| verifies(known, &leaf)), "{leaf}");
    }
    let before = changed.files();
    assert_eq!(
        renewed(&changed.enrol_anew(&master, now()).unwrap()),
        [],
        "the hourly renewal restarts nothing for nothing"
    );
    assert_eq!(changed.files(), before);
    assert!(leaves(&late).iter().all(|leaf| verifies(&both, leaf) && !verifies(&new, leaf)));

    pki::finish_rotation(&master.path()).unwrap();
    assert_eq!(pki::rotation(&master.path()).unwrap(), None);
    assert_eq!(renewed(&master.ensure(now()).unwrap()), OF_CLUSTER);
    master.require_sound(now());
    assert_eq!(master.read("ca.pem"), fs::read_to_string(&new).unwrap());
    for leaf in leaves(&master) {
        assert!(verifies(&new, &leaf) && !verifies(&old, &leaf), "{leaf}");
    }
    assert!(leaves(&changed).iter().all(|leaf| verifies(&new, leaf)));
    assert_eq!(
        renewed(&changed.enrol_anew(&master, now()).unwrap()),
        [Credential::Ca, Credential::Node, Credential::KubeProxy]
    );
    changed.require_sound(now());
    assert!(leaves(&changed).iter().all(|leaf| verifies(&new, leaf) && !verifies(&old, leaf)));

    // Who was away for all of that keeps to what it knows, and says what to do.
    let before = late.files();
    let error = late.enrol_anew(&master, now()).unwrap_err();
    assert!(matches!(error, PkiError::Operator { .. }) && error.to_string().contains("remove "), "{error}");
    assert_eq!(late.files(), before);
    assert!(
        pki::finish_rotation(&master.path())
            .unwrap_err()
            .to_string()
            .contains("no certificate authority is being replaced")
    );

    // And once more, with whoever is there by now.
    late.remove("ca.pem");
    late.enrol(&master, now()).unwrap();
    master.begin_rotation(now()).unwrap();
    master.ensure(now()).unwrap();
    for worker in [&changed, &late] {
        worker.enrol_anew(&master, now()).unwrap();
        worker.require_sound(now());
    }
}

#[test]
fn every_authority_that_a_cluster_had_is_known_by_its_key() {
    let master = Switch::master();
    let known = || pki::earlier_authorities(&master.path()).unwrap();
    let signing = || pki::authority_keys(&master.path()).unwrap().unwrap().signing;
    let first = signing();
    assert_eq!(known(), []);
    master.begin_rotation(now()).unwrap();
    assert_eq!(known(), std::slice::from_ref(&first));
    // One that a release before this one has begun is known from its end on at the latest.
    master.remove("earlier-authorities.json");
    pki::finish_rotation(&master.path()).unwrap();
    assert_eq!(known(), std::slice::from_ref(&first));
    let second = signing();
    master.begin_rotation(now()).unwrap();
    assert_eq!(known(), [first, second]);
    master.write("earlier-authorities.json", "[");
    let before = master.files();
    assert!(pki::finish_rotation(&master.path()).unwrap_err().to_string().contains("remove it"));
    assert_eq!(master.files(), before);
}

#[test]
fn until_it_is_finished_a_worker_joins_by_the_hash_of_either_authority() {
    let (master, other) = (Switch::master(), Switch::master());
    let ca_hash = || pki::ca_hash(&master.path()).unwrap();
    let join_by = |ca_hash| {
        let worker = Switch::new(&Cluster { ca_hash, ..master.cluster.clone() }, "veos-l1");
        let shown = pki::master_identity(&master.path()).unwrap().unwrap();
        let shown: Vec<&[u8]> = shown.cert.iter().map(|der| der.as_ref()).collect();
        let known = pki::KnownMaster::of(&worker.path(), &worker.cluster).unwrap().unwrap();
        let met = known.require(&shown, now());
        // Where it takes the master for another one's, it would not take what that one sends either.
        let taken = worker.enrol(&master, now());
        assert_eq!(met.is_ok(), taken.is_ok(), "{met:?}, {taken:?}");
        met.is_ok()
    };
    let old = ca_hash();
    master.begin_rotation(now()).unwrap();
    master.ensure(now()).unwrap();
    let new = ca_hash();
    assert!(old != new && join_by(old) && join_by(new) && !join_by(pki::ca_hash(&other.path()).unwrap()));
    pki::finish_rotation(&master.path()).unwrap();
    master.ensure(now()).unwrap();
    assert!(!join_by(old) && join_by(new));
}

#[test]
fn what_was_signed_before_serves_until_it_is_issued_again() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    let node = worker.read("node.pem");
    master.begin_rotation(now()).unwrap();
    master.ensure(now()).unwrap();
    worker.enrol_anew(&master, now()).unwrap();
    worker.write("node.pem", node);
    let statuses = pki::inspect(&worker.path(), &worker.cluster, &worker.node, now());
    let node = statuses.iter().find(|status| status.credential == Credential::Node).unwrap();
    assert!(node.state.serves() && node.state != pki::CertificateState::Ok, "{:?}", node.state);
    worker.enrol(&master, now()).unwrap().expect("it is asked for by itself");
    worker.require_sound(now());
}

#[test]
fn no_authority_is_taken_that_the_pinned_one_does_not_vouch_for() {
    let (master, other) = (Switch::master(), Switch::master());
    let worker = Switch::worker(&master, "veos-l1");
    let ours = master.read("ca.pem");
    other.begin_rotation(now()).unwrap();
    let theirs = other.read("ca.pem");
    let [new, replaced, voucher] = parts(&theirs).try_into().unwrap();
    // A certificate of ours is no authority's word, whatever authority is made for its key.
    let (key, own) = (text(&worker.file("node-key.pem")), worker.read("node.pem"));
    let subject = "/C=UK/L=London/O=system:nodes/OU=Kubernetes/CN=system:node:veos-l1";
    let usage = "keyUsage=critical,keyCertSign";
    let forged =
        run("openssl", ["req", "-x509", "-new", "-key", &key, "-days", "30", "-subj", subject, "-addext", usage]);
    let requests = requests(&worker);
    for (what, ca_pem) in [
        ("another cluster's rotation", theirs.clone()),
        ("ours in the place of the replaced one", format!("{new}{ours}{voucher}")),
        ("ours behind", format!("{theirs}{ours}")),
        ("without a voucher", format!("{new}{ours}")),
        ("the replaced one is another's", format!("{new}{replaced}{ours}")),
        ("a leaf as the voucher", format!("{forged}{ours}{own}")),
    ] {
        let before = worker.files();
        let certificates = other.sign("veos-l1", &requests, now()).unwrap().certificates;
        let error = worker.accept(&SignedCertificates { ca_pem, certificates }, now()).unwrap_err();
        assert!(matches!(error, PkiError::Operator { .. }), "{what}: {error}");
        assert_eq!(worker.files(), before, "{what}");
    }
}

#[test]
fn a_worker_whose_ca_pem_is_damaged_meanwhile_knows_the_new_authority_by_the_old_ones_word() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    master.begin_rotation(now()).unwrap();
    master.ensure(now()).unwrap();
    worker.write("ca.pem", "");
    worker.enrol(&master, now()).unwrap().unwrap();
    worker.require_sound(now());
}

#[test]
fn an_authority_that_is_the_operators_is_left_to_the_operator() {
    let refused = |master: &Switch, expected: &str| {
        let before = master.files();
        let error = master.begin_rotation(now()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("docs/operations.md"), "{error}");
        assert_eq!(master.files(), before);
    };
    let own = Switch::empty_master();
    bring_own(&own, "One", None);
    own.ensure(now()).unwrap();
    refused(&own, "is your own");
    let away = Switch::master();
    away.remove("ca-key.pem");
    refused(&away, "is not on this switch");
    let half = Switch::master();
    half.remove("ca.pem");
    assert!(half.begin_rotation(now()).unwrap_err().to_string().contains("`k8s-node renew`"));
}

#[test]
fn an_operators_authority_is_replaced_by_a_file_in_the_same_form() {
    let master = Switch::empty_master();
    bring_own(&master, "One", None);
    master.ensure(now()).unwrap();
    let worker = Switch::worker(&master, "veos-l1");
    let (old, old_key) = (text(&master.file("one.pem")), text(&master.file("one-key.pem")));
    fs::copy(master.file("ca.pem"), &old).unwrap();
    fs::copy(master.file("ca-key.pem"), &old_key).unwrap();
    bring_own(&master, "Two", Some((&old, &old_key)));
    assert_eq!(renewed(&master.ensure(now()).unwrap()), OF_CLUSTER);
    assert!(pki::rotation(&master.path()).unwrap().is_some());
    worker.enrol_anew(&master, now()).unwrap();
    for leaf in leaves(&worker) {
        assert!(verifies(&old, &leaf), "{leaf}");
    }
    pki::finish_rotation(&master.path()).unwrap();
    worker.enrol_anew(&master, now()).unwrap();
    worker.require_sound(now());
    assert!(leaves(&worker).iter().all(|leaf| !verifies(&old, leaf)));
}

/// An authority that openssl makes, with the word of the one before where there is one.
fn bring_own(master: &Switch, name: &str, before: Option<(&str, &str)>) {
    master.write("ca-key.pem", "");
    let (key, ca) = (text(&master.file("ca-key.pem")), text(&master.file("ca.pem")));
    openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {key}"));
    openssl(&format!(
        "req -x509 -new -key {key} -out {ca} -days 3650 -subj /CN={name} -addext keyUsage=critical,keyCertSign"
    ));
    let Some((old, old_key)) = before else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| text(&dir.path().join(name));
    fs::write(file("ext"), "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n").unwrap();
    openssl(&format!("req -new -key {key} -subj /CN={name} -out {}", file("csr")));
    openssl(&format!(
        "x509 -req -days 3000 -in {} -CA {old} -CAkey {old_key} -set_serial 7 -extfile {} -out {}",
        file("csr"),
        file("ext"),
        file("voucher")
    ));
    let read = |name: &str| fs::read_to_string(name).unwrap();
    let whole = format!("{}{}{}", read(&ca), read(old), read(&file("voucher")));
    master.write("ca.pem", whole);
}

/// The certificates of a file, each as PEM.
fn parts(pem: &str) -> Vec<String> {
    pem.split_inclusive("-----END CERTIFICATE-----\n").map(str::to_owned).collect()
}

fn requests(worker: &Switch) -> Vec<String> {
    let requests = pki::requests_anew(&worker.path(), &worker.cluster, &worker.node, now()).unwrap();
    requests.into_iter().map(|request| request.pem).collect()
}
