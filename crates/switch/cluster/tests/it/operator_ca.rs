//! An operator's own authority, as openssl makes them, and certificates that were made elsewhere.

use std::fs;

use cluster::pki::{self, Credential, OperatorCa, Outcome};
use tempfile::TempDir;

use crate::{
    corporation::{CA, Corporation},
    support::{DAY, Switch, cluster, mode, now, openssl, run, text},
};

/// Makes ca.pem and ca-key.pem in a directory.
fn make(dir: &TempDir, key: &str, days: &str) -> OperatorCa {
    let (certificate, key_file) = (dir.path().join("own.pem"), dir.path().join("own-key.pem"));
    let (out, key_out) = (text(&certificate), text(&key_file));
    let line = if key.contains("OUT") { key.to_owned() } else { format!("{key} -out OUT") };
    openssl(&line.replace("OUT", &key_out));
    // Two of one kind in the subject, as Active Directory has them, and an own key identifier.
    let subject = "/DC=com/DC=example/O=Example Müller/CN=Example Issuing CA 2";
    run(
        "openssl",
        [
            "req",
            "-x509",
            "-new",
            "-utf8",
            "-key",
            &key_out,
            "-out",
            &out,
            "-days",
            days,
            "-subj",
            subject,
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ],
    );
    OperatorCa { certificate, key: key_file }
}

fn bring(master: &Switch, own: &OperatorCa) {
    master.write("ca.pem", fs::read(&own.certificate).unwrap());
    master.write("ca-key.pem", fs::read(&own.key).unwrap());
}

#[test]
fn an_authority_of_any_usual_kind_is_used_and_never_written() {
    let kinds = [
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048",
        "genrsa -traditional -out OUT 3072",
        "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        "ecparam -name prime256v1 -genkey",
        "ecparam -name secp384r1 -genkey -noout",
    ];
    for kind in kinds {
        let dir = tempfile::tempdir().unwrap();
        let own = make(&dir, kind, "3650");
        let master = Switch::empty_master();
        bring(&master, &own);
        let outcomes = master.ensure(now()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(outcomes[&Credential::Ca], Outcome::Taken, "{kind}");
        assert_eq!(outcomes[&Credential::EtcdCa], Outcome::Made, "{kind}");
        master.require_sound(now());
        let worker = Switch::worker(&master, "veos-l1");
        worker.require_sound(now());
        let later = now() + DAY * 2000;
        master.ensure(later).unwrap();
        master.require_sound(later);
        assert_eq!(fs::read(master.file("ca.pem")).unwrap(), fs::read(&own.certificate).unwrap(), "{kind}");
        assert_eq!(fs::read(master.file("ca-key.pem")).unwrap(), fs::read(&own.key).unwrap(), "{kind}");
    }
}

#[test]
fn an_intermediate_with_its_chain_signs_with_the_first_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let root = make(&dir, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048", "3650");
    let path = |name: &str| text(&dir.path().join(name));
    fs::write(
        path("ext"),
        "basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\nsubjectKeyIdentifier=hash\n",
    )
    .unwrap();
    openssl(&format!("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out {}", path("mid-key")));
    openssl(&format!("req -new -key {} -subj /CN=Intermediate -out {}", path("mid-key"), path("mid-csr")));
    openssl(&format!(
        "x509 -req -days 3000 -in {} -CA {} -CAkey {} -CAcreateserial -extfile {} -out {}",
        path("mid-csr"),
        text(&root.certificate),
        text(&root.key),
        path("ext"),
        path("mid")
    ));
    let chain = fs::read_to_string(path("mid")).unwrap() + &fs::read_to_string(&root.certificate).unwrap();
    let master = Switch::empty_master();
    master.write("ca.pem", &chain);
    master.write("ca-key.pem", fs::read(path("mid-key")).unwrap());
    master.ensure(now()).unwrap();
    master.require_sound(now());
    let worker = Switch::worker(&master, "veos-l1");
    assert_eq!(worker.read("ca.pem"), chain);
    openssl(&format!("verify -CAfile {} {}", text(&worker.file("ca.pem")), text(&worker.file("node.pem"))));
}

#[test]
fn an_authority_that_cannot_serve_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ec = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256";
    let own = make(&dir, ec, "100");
    let refused = |prepare: &dyn Fn(&Switch), at: std::time::SystemTime, expected: &str| {
        let master = Switch::empty_master();
        bring(&master, &own);
        prepare(&master);
        let before = master.files();
        let error = master.ensure(at).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(master.files(), before);
    };
    refused(&|_| {}, now() + DAY * 101, "expired");
    refused(&|_| {}, now() - DAY * 2, "behind");
    refused(&|master| master.remove("ca.pem"), now(), "put ca.pem beside it");
    refused(&|master| master.write("ca.pem", "x"), now(), "put the right ca.pem there");
    refused(&|master| master.write("ca-key.pem", Switch::master().read("ca-key.pem")), now(), "do not belong together");
    let leaf = Switch::master();
    let take_leaf = |master: &Switch| {
        master.write("ca.pem", leaf.read("admin.pem"));
        master.write("ca-key.pem", leaf.read("admin-key.pem"));
    };
    refused(&take_leaf, now(), "may not sign others");
    // It is there alone: whatever has to be signed is named.
    refused(&|master| master.remove("ca-key.pem"), now(), "ca-key.pem is not here");
}

#[test]
fn a_whole_cluster_is_made_on_the_operators_host_and_taken_by_first_boot() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let cluster = cluster();
    let made = pki::whole_cluster(&out, &cluster, None, now()).unwrap();
    assert_eq!(made.iter().map(|made| made.node.as_str()).collect::<Vec<_>>(), ["veos-b", "veos-l1", "veos-l2"]);
    for made in &made {
        let switch = Switch::new(&cluster, &made.node);
        for entry in fs::read_dir(&made.directory).unwrap().map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if name.ends_with("-key.pem") {
                assert_eq!(mode(&entry.path()), 0o600, "{name}");
            }
            // The keys of the authorities stay at home.
            if !name.ends_with("ca-key.pem") {
                switch.write(&name, fs::read(entry.path()).unwrap());
            }
        }
        let before = switch.files();
        if switch.node.master {
            let outcomes = switch.ensure(now()).unwrap();
            assert!(outcomes.values().all(|outcome| matches!(outcome, Outcome::Kept | Outcome::Taken)), "{outcomes:?}");
        } else {
            // It would rather have shorter ones, of a master that could sign.
            assert!(switch.requests(now()).unwrap().is_some());
        }
        assert_eq!(switch.files(), before);
        switch.require_verified(now());
    }
    assert_eq!(mode(&out.join("admin.kubeconfig")), 0o600);
    let kubeconfig = fs::read(out.join("admin.kubeconfig")).unwrap();
    let again = pki::whole_cluster(&out, &cluster, None, now()).unwrap();
    let outcomes: Vec<_> = again.iter().flat_map(|made| &made.outcomes).collect();
    assert!(outcomes.len() > 12 && outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Kept), "{outcomes:?}");
    assert_eq!(fs::read(out.join("admin.kubeconfig")).unwrap(), kubeconfig);
}

#[test]
fn a_whole_cluster_of_an_own_authority_never_replaces_another_one() {
    let dir = tempfile::tempdir().unwrap();
    let own = make(&dir, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "3650");
    let other_dir = tempfile::tempdir().unwrap();
    let other = make(&other_dir, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256", "3650");
    let out = dir.path().join("out");
    let cluster = cluster();
    pki::whole_cluster(&out, &cluster, Some(&own), now()).unwrap();
    pki::whole_cluster(&out, &cluster, Some(&own), now()).unwrap();
    pki::whole_cluster(&out, &cluster, None, now()).unwrap();
    let error = pki::whole_cluster(&out, &cluster, Some(&other), now()).err().unwrap().to_string();
    assert!(error.contains("another certificate authority"), "{error}");
    let there = out.join("veos-b/pki/ca.pem");
    assert_eq!(fs::read(&there).unwrap(), fs::read(&own.certificate).unwrap());
    assert_eq!(mode(&out.join("veos-b/pki/ca-key.pem")), 0o600);
    openssl(&format!("verify -CAfile {} {}", text(&there), text(&out.join("veos-l2/pki/node.pem"))));
    let mixed = OperatorCa { certificate: own.certificate, key: other.key };
    let error = pki::whole_cluster(&dir.path().join("new"), &cluster, Some(&mixed), now()).err().unwrap().to_string();
    assert!(error.contains("is not the key of"), "{error}");
    assert!(!dir.path().join("new").exists());
}

#[test]
fn an_expired_authority_is_taken_again_once_it_was_renewed_for_the_same_key() {
    let corporation = Corporation::new();
    corporation.issue("own", "root", "/CN=Own", CA, 100);
    let master = Switch::empty_master();
    master.write("ca.pem", corporation.pem(&["own", "root"]));
    master.write("ca-key.pem", fs::read(corporation.file("own-key.pem")).unwrap());
    master.ensure(now()).unwrap();
    let worker = Switch::worker(&master, "veos-l1");
    let later = now() + DAY * 101;
    let before = master.files();
    let error = master.ensure(later).unwrap_err().to_string();
    assert!(error.contains("expired on") && error.contains("put a new certificate for the same key there"), "{error}");
    assert_eq!(master.files(), before);

    corporation.issue("own", "root", "/CN=Own", CA, 3000);
    master.write("ca.pem", corporation.pem(&["own", "root"]));
    let outcomes = master.ensure(later).unwrap();
    assert_eq!(outcomes[&Credential::Ca], Outcome::Taken);
    master.require_sound(later);
    worker.enrol(&master, later).unwrap().unwrap();
    worker.require_sound(later);
    assert_eq!(worker.read("ca.pem"), master.read("ca.pem"));
    let clients = pki::ensure_clients(&master.path(), &master.cluster, &master.node, true, later).unwrap();
    assert_eq!(clients.signing, corporation.pem(&["own"]));
}
