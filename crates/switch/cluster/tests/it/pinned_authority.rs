//! A worker keeps to the authority that it has: what counts is the authority's public key.

use cluster::{
    Cluster,
    pki::{self, Credential, Outcome, PkiError, SignedCertificates},
};

use crate::support::{DAY, Switch, now, openssl, run, text};

/// When a worker that enrolled today asks again.
fn later() -> std::time::SystemTime {
    now() + DAY * 61
}

/// What `master` answers the worker that asks at `at`.
fn answer(master: &Switch, worker: &Switch, at: std::time::SystemTime) -> SignedCertificates {
    let requests = worker.requests(at).unwrap().expect("there is something to ask for");
    master.sign(&worker.node.name, &requests, at).unwrap()
}

/// An answer is refused in words that say what to do, and nothing on the flash changes.
fn refused(worker: &Switch, issued: &SignedCertificates, at: std::time::SystemTime, what: &str) {
    let before = worker.files();
    let error = match worker.accept(issued, at) {
        Ok(outcomes) => panic!("{what}: another authority was taken: {outcomes:?}"),
        Err(error) => error,
    };
    assert!(matches!(error, PkiError::Operator { .. }), "{what}: {error}");
    let file = text(&worker.file("ca.pem"));
    for part in [&format!("remove {file}"), "public key", "k8s-node renew", "stay as they are"] {
        assert!(error.to_string().contains(part), "{what}: {part}: {error}");
    }
    assert_eq!(worker.files(), before, "{what}");
}

#[test]
fn a_worker_takes_no_other_authority_at_renewal_and_goes_on_with_what_it_has() {
    let master = Switch::master();
    let other = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    refused(&worker, &answer(&other, &worker, later()), later(), "at renewal");
    worker.require_sound(now());

    // Also where certificates or keys are lost, and where the authority that it has has expired.
    worker.remove("node.pem");
    refused(&worker, &answer(&other, &worker, now()), now(), "without node.pem");
    worker.remove("kube-proxy-key.pem");
    refused(&worker, &answer(&other, &worker, now()), now(), "with a new key");
    let much_later = now() + DAY * 5 * 366;
    other.ensure(much_later).unwrap();
    refused(&worker, &answer(&other, &worker, much_later), much_later, "after the end of its authority");

    worker.enrol(&master, now()).unwrap().unwrap();
    worker.require_sound(now());
}

#[test]
fn an_authority_that_was_issued_again_for_the_same_key_is_taken() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    let old = worker.read("ca.pem");
    for at in [now() + DAY * 1300, now() + DAY * 4000] {
        master.ensure(at).unwrap();
        let outcomes = worker.enrol(&master, at).unwrap().unwrap();
        assert!(matches!(outcomes[&Credential::Ca], Outcome::Renewed { .. }), "{outcomes:?}");
        worker.require_sound(at);
        assert_eq!(worker.read("ca.pem"), master.read("ca.pem"));
    }
    assert_ne!(worker.read("ca.pem"), old);
}

#[test]
fn the_operators_authority_is_taken_again_under_another_subject_with_the_same_key() {
    let make = |key: &Switch, subject: &str| {
        let (key, out) = (text(&key.file("ca-key.pem")), text(&key.file("ca.pem")));
        openssl(&format!(
            "req -x509 -new -key {key} -out {out} -days 3650 -subj {subject} -addext keyUsage=critical,keyCertSign"
        ));
    };
    let master = Switch::empty_master();
    master.write("ca-key.pem", "");
    let key = text(&master.file("ca-key.pem"));
    openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {key}"));
    make(&master, "/CN=One");
    master.ensure(now()).unwrap();
    let worker = Switch::worker(&master, "veos-l1");
    make(&master, "/CN=Two");
    master.ensure(later()).unwrap();
    // Who has taken the token out knows the master by the key, too.
    let known = pki::KnownMaster::of(&worker.path(), &worker.cluster).unwrap().unwrap();
    let shown = pki::master_identity(&master.path()).unwrap().unwrap();
    let shown: Vec<&[u8]> = shown.cert.iter().map(|der| der.as_ref()).collect();
    known.require(&shown, later()).unwrap();
    let other = pki::KnownMaster::of(&Switch::master().path(), &worker.cluster).unwrap().unwrap();
    assert!(other.require(&shown, later()).is_err());
    worker.enrol(&master, later()).unwrap().unwrap();
    worker.require_sound(later());
    assert!(openssl(&format!("x509 -noout -subject -in {}", text(&worker.file("ca.pem")))).contains("CN = Two"));
}

#[test]
fn no_other_authority_comes_in_behind_the_one_that_the_worker_has() {
    let master = Switch::master();
    let other = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    let good = answer(&master, &worker, later());
    let with = |ca_pem: String| SignedCertificates { ca_pem, ..good.clone() };
    let (ours, theirs) = (master.read("ca.pem"), other.read("ca.pem"));
    refused(&worker, &with(format!("{ours}{theirs}")), later(), "behind");
    refused(&worker, &with(format!("{theirs}{ours}")), later(), "before");
    refused(&worker, &with(theirs.clone()), later(), "alone");
    refused(&worker, &with(format!("{ours}{ours}{theirs}")), later(), "third");
    // Those who read the file later may find more in it than we do: only what was judged is written.
    for around in [theirs.replace(" CERTIFICATE", " OTHER THING"), "# a line of text\n".into()] {
        let new = Switch::new(&master.cluster, "veos-l1");
        let issued = answer(&master, &new, now());
        new.accept(&SignedCertificates { ca_pem: format!("{around}{ours}{around}"), ..issued }, now()).unwrap();
        assert_eq!(new.read("ca.pem"), ours);
        new.require_sound(now());
    }
    let cut_off = &theirs[..theirs.len() - 40];
    worker.accept(&with(format!("{ours}{cut_off}")), later()).unwrap();
    assert_eq!(worker.read("ca.pem"), ours);
}

#[test]
fn an_operators_chain_stays_pinned_with_each_of_its_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| text(&dir.path().join(name));
    for key in ["root-key", "mid-key"] {
        openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {}", path(key)));
    }
    std::fs::write(path("ext"), "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n").unwrap();
    openssl(&format!("req -x509 -new -key {} -out {} -days 3650 -subj /CN=Root", path("root-key"), path("root")));
    openssl(&format!("req -new -key {} -subj /CN=Intermediate -out {}", path("mid-key"), path("csr")));
    let intermediate = || {
        openssl(&format!(
            "x509 -req -days 3000 -in {} -CA {} -CAkey {} -CAcreateserial -extfile {} -out {}",
            path("csr"),
            path("root"),
            path("root-key"),
            path("ext"),
            path("mid")
        ));
        std::fs::read_to_string(path("mid")).unwrap()
    };
    let root = std::fs::read_to_string(path("root")).unwrap();
    let master = Switch::empty_master();
    master.write("ca-key.pem", std::fs::read(path("mid-key")).unwrap());
    master.write("ca.pem", format!("{}{root}", intermediate()));
    master.ensure(now()).unwrap();
    let worker = Switch::worker(&master, "veos-l1");

    let issued_again = format!("{}{root}", intermediate());
    master.write("ca.pem", &issued_again);
    master.ensure(later()).unwrap();
    let good = answer(&master, &worker, later());
    let stranger = Switch::master().read("ca.pem");
    let replaced = SignedCertificates { ca_pem: issued_again.replace(&root, &stranger), ..good.clone() };
    refused(&worker, &replaced, later(), "another root");
    // Where the flash has lost the chain's end, the first certificate is enough to know the authority by.
    worker.write("ca.pem", &worker.read("ca.pem")[..worker.read("ca.pem").len() - 40]);
    worker.accept(&good, later()).unwrap();
    assert_eq!(worker.read("ca.pem"), issued_again);
}

#[test]
fn a_damaged_ca_pem_is_mended_by_the_authority_that_signed_what_is_there_and_by_no_other() {
    let master = Switch::master();
    let other = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    let whole = worker.files();
    let length = whole["ca.pem"].len();
    for left in [0, 1, length / 2, length - 30] {
        worker.set_files(&whole);
        worker.write("ca.pem", &whole["ca.pem"][..left]);
        refused(&worker, &answer(&other, &worker, now()), now(), "damaged");
        worker.enrol(&master, now()).unwrap().unwrap();
        assert_eq!(worker.files()["ca.pem"], whole["ca.pem"]);
        worker.require_sound(now());
        // Where nothing else is left either, the token alone decides, as on a new switch.
        worker.set_files(&whole);
        ["ca.pem", "node.pem", "kube-proxy.pem"].iter().for_each(|name| worker.write(name, &whole[*name][..left]));
        worker.enrol(&master, now()).unwrap().unwrap();
        worker.require_sound(now());
    }
}

#[test]
fn a_ca_pem_that_the_operator_put_there_before_the_first_boot_is_the_only_one_that_is_taken() {
    let master = Switch::master();
    let worker = Switch::new(&master.cluster, "veos-l1");
    worker.write("ca.pem", master.read("ca.pem"));
    refused(&worker, &answer(&Switch::master(), &worker, now()), now(), "first enrolment");
    let outcomes = worker.enrol(&master, now()).unwrap().unwrap();
    assert_eq!(outcomes[&Credential::Ca], Outcome::Kept);
    worker.require_sound(now());
}

#[test]
fn a_ca_pem_with_the_operators_remarks_in_it_stays_byte_for_byte() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    let remarked = format!("issued on paper by the operator\n{}", worker.read("ca.pem"));
    master.write("ca.pem", &remarked);
    worker.write("ca.pem", &remarked);
    let outcomes = worker.accept(&answer(&master, &worker, later()), later()).unwrap();
    assert_eq!(outcomes[&Credential::Ca], Outcome::Kept);
    assert_eq!(worker.read("ca.pem"), remarked);
}

#[test]
fn a_worker_takes_another_authority_once_the_operator_has_removed_its_ca_pem() {
    let old = Switch::master();
    let new = Switch::master();
    let worker = Switch::worker(&old, "veos-l1");
    let keys = worker.read("node-key.pem");
    worker.remove("ca.pem");
    worker.enrol(&new, now()).unwrap().unwrap();
    worker.require_sound(now());
    assert_eq!((worker.read("ca.pem"), worker.read("node-key.pem")), (new.read("ca.pem"), keys));
}

#[test]
fn at_its_first_join_a_worker_takes_no_other_authority_than_the_one_that_cluster_toml_names() {
    let [master, other] = [(); 2].map(|()| Switch::master());
    let named = pki::ca_hash(&master.path()).unwrap().unwrap();
    let der = format!("{}.der", text(&master.file("ca.pem")));
    openssl(&format!("x509 -in {} -pubkey -noout -out {der}.pub", text(&master.file("ca.pem"))));
    openssl(&format!("pkey -pubin -in {der}.pub -outform DER -out {der}"));
    let digest = run("sha256sum", [&der]);
    assert_eq!(named.to_string(), format!("sha256:{}", &digest[..64]), "as kubeadm has it");

    let cluster = Cluster { ca_hash: Some(named), ..master.cluster.clone() };
    let worker = Switch::new(&cluster, "veos-l1");
    let error = worker.accept(&answer(&other, &worker, now()), now()).unwrap_err().to_string();
    let its = pki::ca_hash(&other.path()).unwrap().unwrap().to_string();
    assert!(error.contains("`ca_hash` in cluster.toml names") && error.contains(&its), "{error}");
    assert!(!worker.file("ca.pem").exists());
    worker.enrol(&master, now()).unwrap().unwrap();
    // Later it is the ca.pem that counts.
    let later = Switch::new(&Cluster { ca_hash: pki::ca_hash(&other.path()).unwrap(), ..cluster }, "veos-l1");
    later.set_files(&worker.files());
    later.remove("node.pem");
    later.enrol(&master, now()).unwrap().unwrap();
}
