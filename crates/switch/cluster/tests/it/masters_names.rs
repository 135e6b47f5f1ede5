//! Nobody gets a certificate that would pass for a master's.

use cluster::pki::{SignError, SignedCertificates};

use crate::support::{OWN, P256, PROXY, Switch, now, openssl, request, text};

/// What openssl reads in the certificates that were issued, in one line.
fn issued_for(dir: &tempfile::TempDir, issued: &SignedCertificates) -> String {
    let file = dir.path().join("issued.pem");
    let facts = issued.certificates.iter().map(|certificate| {
        std::fs::write(&file, certificate).unwrap();
        openssl(&format!("x509 -noout -subject -ext subjectAltName,extendedKeyUsage -in {}", text(&file)))
    });
    facts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn nothing_is_signed_for_a_node_that_is_a_master_whatever_else_it_is() {
    let mut master = Switch::master();
    let dir = tempfile::tempdir().unwrap();
    let before = master.files();
    for worker in [true, false] {
        master.cluster.nodes[0].worker = worker;
        for subject in [&OWN.replace("veos-l1", "veos-b"), PROXY] {
            match master.sign("veos-b", &[request(&dir, P256, subject, &[])], now()) {
                Ok(issued) => panic!("signed for the master's name: {}", issued_for(&dir, &issued)),
                Err(SignError::Refused { asked, allowed }) => {
                    assert!(asked.contains("veos-b, which is a master"), "{asked}");
                    assert!(allowed.contains("veos-l1, veos-l2") && !allowed.contains("veos-b"), "{allowed}");
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(matches!(master.sign("veos-b", &[], now()), Err(SignError::Refused { .. })));
        for other_spelling in ["VEOS-B", "veos-b.", "veos-b.example.com", " veos-b"] {
            let asked = [request(&dir, P256, &OWN.replace("veos-l1", other_spelling), &[])];
            assert!(matches!(master.sign(other_spelling, &asked, now()), Err(SignError::Refused { .. })));
        }
    }
    assert_eq!(master.files(), before);
}

#[test]
fn no_worker_gets_a_certificate_for_a_name_or_address_that_the_api_server_answers_to() {
    let master = Switch::master();
    let dir = tempfile::tempdir().unwrap();
    let (name, address) = (master.node.name.clone(), master.node.address);
    let service = master.cluster.first_service_address();
    type Change<'a> = &'a dyn Fn(&mut cluster::Node);
    let changes: [(&str, Change); 5] = [
        ("kubernetes", &|node| node.name = "kubernetes".into()),
        ("VEOS-B", &|node| node.name = name.to_uppercase()),
        ("1.1.1.1", &|node| node.address = address),
        ("10.10.0.1", &|node| node.address = service),
        ("127.0.0.1", &|node| node.address = std::net::Ipv4Addr::LOCALHOST),
    ];
    for (taken, change) in changes {
        let mut switch = Switch::new(&master.cluster, "veos-b");
        switch.set_files(&master.files());
        change(&mut switch.cluster.nodes[1]);
        let node = switch.cluster.nodes[1].name.clone();
        let own = OWN.replace("veos-l1", &node);
        match switch.sign(&node, &[request(&dir, P256, &own, &[])], now()) {
            Ok(issued) => panic!("signed for a worker: {}", issued_for(&dir, &issued)),
            Err(SignError::Refused { asked, .. }) => assert!(asked.contains(taken), "{taken}: {asked}"),
            Err(other) => panic!("{taken}: {other}"),
        }
    }
}
