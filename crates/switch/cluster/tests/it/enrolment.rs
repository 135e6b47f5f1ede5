//! What the master signs and what a worker takes.

use cluster::pki::{Outcome, PkiError, SignError, SignedCertificates};

use crate::support::{DAY, OWN, P256, PROXY, Switch, mode, now, openssl, request, text};

#[test]
fn a_worker_enrols_once_and_then_has_nothing_to_ask_for() {
    let master = Switch::master();
    let worker = Switch::new(&master.cluster, "veos-l1");
    let outcomes = worker.enrol(&master, now()).unwrap().unwrap();
    assert!(outcomes.len() == 3 && outcomes.values().all(|outcome| *outcome == Outcome::Made), "{outcomes:?}");
    worker.require_sound(now());
    assert_eq!(worker.requests(now()).unwrap(), None);
    assert_eq!(
        worker.files().keys().collect::<Vec<_>>(),
        ["ca.pem", "kube-proxy-key.pem", "kube-proxy.pem", "node-key.pem", "node.pem"]
    );
    assert_eq!(mode(&worker.file("node-key.pem")), 0o600);
    let facts = openssl(&format!("x509 -noout -text -in {}", text(&worker.file("node.pem"))));
    assert!(facts.contains("O = system:nodes, OU = Kubernetes, CN = system:node:veos-l1"), "{facts}");
    assert!(facts.contains("DNS:veos-l1, IP Address:2.2.2.2"), "{facts}");
}

#[test]
fn a_worker_asks_again_with_its_own_keys_when_a_third_is_left() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    let keys = worker.read("node-key.pem");
    assert_eq!(worker.requests(now() + DAY * 59).unwrap(), None);
    let later = now() + DAY * 61;
    master.ensure(later).unwrap();
    worker.enrol(&master, later).unwrap().unwrap();
    worker.require_sound(later);
    assert_eq!(worker.read("node-key.pem"), keys);
}

#[test]
fn a_worker_keeps_up_with_its_authority_over_twenty_years() {
    let master = Switch::master();
    let worker = Switch::worker(&master, "veos-l1");
    for month in 0..240 {
        let at = now() + DAY * 30 * month;
        master.ensure(at).unwrap();
        worker.enrol(&master, at).unwrap();
        let at = (at + DAY * 29).duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        for file in ["node.pem", "kube-proxy.pem"] {
            for ca in [worker.file("ca.pem"), master.file("ca.pem")] {
                openssl(&format!("verify -attime {at} -CAfile {} {}", text(&ca), text(&worker.file(file))));
            }
        }
    }
}

#[test]
fn an_authority_that_is_due_and_not_renewed_signs_until_it_ends() {
    let master = Switch::master();
    // Two thirds of its five years are over, and the master has not renewed anything.
    let due = now() + DAY * 1300;
    let worker = Switch::new(&master.cluster, "veos-l1");
    worker.enrol(&master, due).unwrap().unwrap();
    let at = due.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let files = [master.file("ca.pem"), worker.file("node.pem")].map(|file| text(&file));
    openssl(&format!("verify -attime {at} -CAfile {} {}", files[0], files[1]));
    assert_eq!(worker.requests(due).unwrap(), None, "it would ask at every hour");

    let last_day = now() + DAY * 1824;
    let last = Switch::new(&master.cluster, "veos-l2");
    last.enrol(&master, last_day).unwrap().unwrap();
    let [ca_ends, node_ends] = [master.file("ca.pem"), last.file("node.pem")]
        .map(|file| openssl(&format!("x509 -noout -enddate -in {}", text(&file))));
    assert_eq!(node_ends, ca_ends);
    let dir = tempfile::tempdir().unwrap();
    let error = master.sign("veos-l1", &[request(&dir, P256, OWN, &[])], now() + DAY * 1826).unwrap_err().to_string();
    assert!(error.contains("is not ready"), "{error}");
}

#[test]
fn requests_are_refused_unless_the_subject_is_the_nodes_own() {
    let master = Switch::master();
    let dir = tempfile::tempdir().unwrap();
    let sign = |subject: &str| master.sign("veos-l1", &[request(&dir, P256, subject, &[])], now());
    assert_eq!(sign(OWN).unwrap().certificates.len(), 1);
    assert_eq!(sign(PROXY).unwrap().certificates.len(), 1);
    for subject in [
        "/C=UK/L=London/O=system:nodes/OU=Kubernetes/CN=system:node:veos-l2",
        "/C=UK/L=London/O=system:nodes/OU=Kubernetes/CN=system:node:veos-b",
        "/C=UK/L=London/O=system:masters/OU=Kubernetes/CN=admin",
        "/C=UK/L=London/O=system:masters/OU=Kubernetes/CN=system:node:veos-l1",
        "/C=UK/L=London/O=system:nodes/O=system:masters/OU=Kubernetes/CN=system:node:veos-l1",
        "/C=UK/L=London/O=system:nodes/OU=Kubernetes/CN=system:node:veos-l1/CN=admin",
        "/C=UK/L=London/O=system:nodes/OU=Kubernetes/CN=system:node:veos-l1/emailAddress=a@b",
        "/C=UK/L=London/O=system:nodes/OU=Kubernetes/CN=System:node:veos-l1",
        "/C=UK/L=London/O=system:nodes/OU=Kubernetes/CN=system:node:veos-l1 ",
        "/C=UK/L=London/O=system:nodes/OU=Kubernetes",
        "/CN=system:node:veos-l1/O=system:nodes",
        "/CN=x\ny",
    ] {
        let error = sign(subject).unwrap_err();
        assert!(matches!(error, SignError::Refused { .. }), "{subject}: {error}");
        let error = error.to_string();
        assert!(error.contains("CN=system:node:veos-l1") && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn a_node_that_cluster_toml_does_not_name_gets_nothing() {
    let master = Switch::master();
    let dir = tempfile::tempdir().unwrap();
    for name in ["veos-l9", "", "veos-l1 ", "../veos-l1", &"x".repeat(100_000)] {
        let error = master.sign(name, &[request(&dir, P256, OWN, &[])], now()).unwrap_err();
        assert!(matches!(error, SignError::Refused { .. }) && error.to_string().len() < 400, "{error}");
    }
}

#[test]
fn only_the_public_key_is_taken_from_a_request() {
    let master = Switch::master();
    let dir = tempfile::tempdir().unwrap();
    let more = [
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=keyCertSign",
        "-addext",
        "extendedKeyUsage=codeSigning",
        "-addext",
        "subjectAltName=DNS:kubernetes,IP:1.1.1.1",
    ];
    let issued = master.sign("veos-l1", &[request(&dir, P256, OWN, &more)], now()).unwrap();
    std::fs::write(dir.path().join("issued.pem"), &issued.certificates[0]).unwrap();
    let facts = openssl(&format!("x509 -noout -text -in {}", text(&dir.path().join("issued.pem"))));
    for part in ["CA:FALSE", "Digital Signature, Key Encipherment\n", "DNS:veos-l1, IP Address:2.2.2.2\n"] {
        assert!(facts.contains(part), "{part}: {facts}");
    }
    for part in ["CA:TRUE", "Code Signing", "DNS:kubernetes", "Certificate Sign"] {
        assert!(!facts.contains(part), "{part}: {facts}");
    }
}

#[test]
fn keys_that_are_weak_or_of_another_kind_are_refused() {
    let master = Switch::master();
    let dir = tempfile::tempdir().unwrap();
    for (key, good) in [
        ("rsa:2048", true),
        ("rsa:3072", true),
        ("ec -pkeyopt ec_paramgen_curve:P-384", true),
        ("rsa:1024", false),
        ("rsa:4104", false),
        ("ec -pkeyopt ec_paramgen_curve:P-521", false),
        ("ec -pkeyopt ec_paramgen_curve:secp256k1", false),
        ("ed25519", false),
    ] {
        let signed = master.sign("veos-l1", &[request(&dir, key, OWN, &[])], now());
        match signed {
            Ok(_) => assert!(good, "{key}"),
            Err(SignError::BadRequest(_)) => assert!(!good, "{key}"),
            Err(other) => panic!("{key}: {other}"),
        }
    }
}

#[test]
fn what_is_not_a_request_or_was_changed_is_refused() {
    let master = Switch::master();
    let worker = Switch::new(&master.cluster, "veos-l1");
    let good = worker.requests(now()).unwrap().unwrap();
    let bad = |request: &str| match master.sign("veos-l1", &[request.to_owned()], now()) {
        Err(SignError::BadRequest(_) | SignError::Refused { .. }) => {}
        other => panic!("{request}: {other:?}"),
    };
    bad("");
    bad("-----BEGIN CERTIFICATE REQUEST-----\n");
    bad(&master.read("admin.pem"));
    bad(&worker.read("node-key.pem"));
    bad(&good[0].replace('A', "B"));
    bad(&good[0][..good[0].len() / 2]);
    bad(&"A".repeat(1 << 20));
    // Every byte of a request, changed: no panic, and never a certificate for what its key has not signed.
    let der = base64_lines(&good[0]);
    for place in 0..der.len() {
        let mut changed = der.clone();
        changed[place] ^= 0x21;
        bad(&pem(&changed));
    }
    let three = [good[0].clone(), good[1].clone(), good[0].clone()];
    assert!(matches!(master.sign("veos-l1", &three, now()), Err(SignError::BadRequest(_))));
}

fn base64_lines(pem: &str) -> Vec<u8> {
    use base64ct::{Base64, Encoding};
    let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    Base64::decode_vec(&lines).unwrap()
}

fn pem(der: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    let text = Base64::encode_string(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n", lines.join("\n"))
}

#[test]
fn a_worker_takes_nothing_that_is_not_its_own() {
    let master = Switch::master();
    let worker = Switch::new(&master.cluster, "veos-l1");
    let requests = worker.requests(now()).unwrap().unwrap();
    let good = master.sign("veos-l1", &requests, now()).unwrap();
    let stranger = Switch::master();
    let other = Switch::new(&master.cluster, "veos-l2");
    let others = master.sign("veos-l2", &other.requests(now()).unwrap().unwrap(), now()).unwrap();
    let before = worker.files();
    let with = |change: &dyn Fn(&mut SignedCertificates)| {
        let mut issued = good.clone();
        change(&mut issued);
        issued
    };
    for (what, issued) in [
        ("another authority", with(&|issued| issued.ca_pem = stranger.read("ca.pem"))),
        ("no authority", with(&|issued| issued.ca_pem = stranger.read("admin.pem"))),
        ("garbage", with(&|issued| issued.ca_pem.truncate(100))),
        (
            "signed by a stranger",
            stranger
                .sign("veos-l1", &requests, now())
                .map(|issued| SignedCertificates { ca_pem: good.ca_pem.clone(), ..issued })
                .unwrap(),
        ),
        ("another node's", others),
        ("in the wrong order", with(&|issued| issued.certificates.reverse())),
        ("too few", with(&|issued| issued.certificates.truncate(1))),
        ("too many", with(&|issued| issued.certificates.push(issued.certificates[0].clone()))),
        ("truncated", with(&|issued| issued.certificates[1].truncate(200))),
    ] {
        let error = worker.accept(&issued, now()).unwrap_err();
        assert!(matches!(error, PkiError::NotAccepted(_)), "{what}: {error}");
        assert_eq!(worker.files(), before, "{what}");
    }
    worker.accept(&good, now()).unwrap();
}

#[test]
fn a_worker_whose_clock_is_behind_says_by_how_much() {
    let master = Switch::master();
    let worker = Switch::new(&master.cluster, "veos-l1");
    let requests = worker.requests(now() - DAY * 30).unwrap().unwrap();
    let issued = master.sign("veos-l1", &requests, now()).unwrap();
    let error = worker.accept(&issued, now() - DAY * 30).unwrap_err();
    assert!(matches!(error, PkiError::Clock { .. }), "{error}");
    assert!(error.to_string().contains("29 days behind"), "{error}");
    assert!(!worker.file("ca.pem").exists());
    let error = worker.accept(&issued, now() + DAY * 3000).unwrap_err().to_string();
    assert!(error.contains("expired") && error.contains("clock"), "{error}");
}

#[test]
fn a_master_that_does_not_have_the_key_of_its_authority_says_so() {
    let master = Switch::master();
    let worker = Switch::new(&master.cluster, "veos-l1");
    let requests = worker.requests(now()).unwrap().unwrap();
    master.remove("ca-key.pem");
    let error = master.sign("veos-l1", &requests, now()).unwrap_err();
    assert!(matches!(error, SignError::CertificateAuthority(_)), "{error}");
    assert!(error.to_string().contains("ca-key.pem") && error.to_string().contains("cargo xtask pki"), "{error}");
}
