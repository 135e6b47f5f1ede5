//! Every certificate as openssl sees it.

use crate::support::{Switch, ca_file, cluster_with, mode, openssl, text};

/// (file, subject, extended usages, names)
const CLIENT: &str = "TLS Web Client Authentication";
const BOTH: &str = "TLS Web Server Authentication, TLS Web Client Authentication";

fn expected() -> Vec<(&'static str, &'static str, &'static str, &'static str)> {
    vec![
        ("admin", "O = system:masters, OU = Kubernetes, CN = admin", BOTH, ""),
        (
            "kube-apiserver",
            "O = Kubernetes, OU = Kubernetes, CN = kubernetes",
            BOTH,
            "DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, \
             DNS:kubernetes.default.svc.cluster.local, DNS:veos-b, \
             IP Address:1.1.1.1, IP Address:10.10.0.1, IP Address:127.0.0.1",
        ),
        ("kube-apiserver-kubelet-client", "OU = Kubernetes, CN = kube-apiserver-kubelet-client", CLIENT, ""),
        ("kube-apiserver-etcd-client", "OU = Kubernetes, CN = kube-apiserver-etcd-client", CLIENT, ""),
        ("front-proxy-client", "OU = Kubernetes, CN = front-proxy-client", CLIENT, ""),
        (
            "kube-controller-manager",
            "O = system:kube-controller-manager, OU = Kubernetes, CN = system:kube-controller-manager",
            CLIENT,
            "",
        ),
        ("kube-scheduler", "O = system:kube-scheduler, OU = Kubernetes, CN = system:kube-scheduler", CLIENT, ""),
        ("kube-proxy", "O = system:node-proxier, OU = Kubernetes, CN = system:kube-proxy", BOTH, ""),
        (
            "etcd",
            "OU = Kubernetes, CN = etcd",
            BOTH,
            "DNS:localhost, DNS:veos-b, IP Address:127.0.0.1, IP Address:1.1.1.1",
        ),
        ("node", "O = system:nodes, OU = Kubernetes, CN = system:node:veos-b", BOTH, "DNS:veos-b, IP Address:1.1.1.1"),
    ]
}

/// The line after the one that has `heading`.
fn below<'a>(text: &'a str, heading: &str) -> &'a str {
    text.lines().skip_while(|line| !line.contains(heading)).nth(1).unwrap_or_default().trim()
}

fn every_certificate_is_right(key: &str) {
    let master = Switch::new(&cluster_with(key), "veos-b");
    master.ensure(crate::support::now()).unwrap();
    for (name, subject, usages, names) in expected() {
        let file = text(&master.file(&format!("{name}.pem")));
        let ca = text(&master.file(ca_file(name)));
        openssl(&format!("verify -x509_strict -purpose sslclient -CAfile {ca} {file}"));
        if usages == BOTH {
            openssl(&format!("verify -x509_strict -purpose sslserver -CAfile {ca} {file}"));
        }
        let facts = openssl(&format!("x509 -noout -text -in {file}"));
        assert!(facts.contains(&format!("Subject: C = UK, L = London, {subject}\n")), "{name}: {facts}");
        assert_eq!(below(&facts, "Extended Key Usage"), usages, "{name}");
        assert_eq!(below(&facts, "Subject Alternative Name"), names, "{name}");
        assert_eq!(below(&facts, "X509v3 Key Usage: critical"), "Digital Signature, Key Encipherment", "{name}");
        assert_eq!(below(&facts, "Basic Constraints: critical"), "CA:FALSE", "{name}");
        let algorithm = if key == "rsa-2048" { "sha256WithRSAEncryption" } else { "ecdsa-with-SHA256" };
        assert!(facts.contains(&format!("Signature Algorithm: {algorithm}")), "{name}: {facts}");
        let key_file = master.file(&format!("{name}-key.pem"));
        assert!(openssl(&format!("pkey -noout -text -in {}", text(&key_file))).contains(if key == "rsa-2048" {
            "2048 bit"
        } else {
            "prime256v1"
        }));
        assert_eq!(mode(&key_file), 0o600, "{name}");
        let key_identifier = below(&facts, "Authority Key Identifier");
        let of_ca = openssl(&format!("x509 -noout -ext subjectKeyIdentifier -in {ca}"));
        assert_eq!(key_identifier, below(&of_ca, "Subject Key Identifier"), "{name}");
    }
    for (name, subject) in [
        ("ca", "C = UK, L = London, O = Kubernetes, OU = CA, CN = Kubernetes"),
        ("etcd-ca", "C = UK, L = London, CN = etcd-ca"),
        ("front-proxy-ca", "C = UK, L = London, CN = front-proxy-ca"),
    ] {
        let facts = openssl(&format!("x509 -noout -text -in {}", text(&master.file(&format!("{name}.pem")))));
        assert!(facts.contains(&format!("Subject: {subject}\n")), "{facts}");
        assert!(facts.contains(&format!("Issuer: {subject}\n")), "{facts}");
        assert_eq!(below(&facts, "Basic Constraints: critical"), "CA:TRUE");
        assert_eq!(below(&facts, "X509v3 Key Usage: critical"), "Certificate Sign, CRL Sign");
        assert_eq!(mode(&master.file(&format!("{name}-key.pem"))), 0o600);
    }
    let private = text(&master.file("service-account-key.pem"));
    assert_eq!(openssl(&format!("pkey -pubout -in {private}")), master.read("service-account.pub"));
    assert_eq!(mode(&master.file("service-account-key.pem")), 0o600);
    assert_eq!(mode(&master.path()), 0o700);
}

#[test]
fn every_certificate_of_the_master_is_right_with_ecdsa() {
    every_certificate_is_right("ecdsa-p256");
}

#[test]
fn every_certificate_of_the_master_is_right_with_rsa() {
    every_certificate_is_right("rsa-2048");
}

fn is_verified(master: &Switch, ca: &str, name: &str) -> bool {
    let (ca, file) = (text(&master.file(ca)), text(&master.file(&format!("{name}.pem"))));
    std::process::Command::new("openssl").args(["verify", "-CAfile", &ca, &file]).output().unwrap().status.success()
}

#[test]
fn no_certificate_of_the_cluster_opens_etcd() {
    let master = Switch::master();
    for name in ["admin", "kube-apiserver", "node", "front-proxy-client"] {
        assert!(!is_verified(&master, "etcd-ca.pem", name), "{name}");
    }
}

#[test]
fn whom_the_front_proxys_authority_has_signed_for_is_a_front_proxy_and_nobody_else_is() {
    let master = Switch::master();
    let names = expected().into_iter().map(|(name, ..)| name);
    for name in names.filter(|name| *name != "front-proxy-client") {
        assert!(!is_verified(&master, "front-proxy-ca.pem", name), "{name}");
    }
    for ca in ["ca.pem", "etcd-ca.pem"] {
        assert!(!is_verified(&master, ca, "front-proxy-client"), "{ca}");
    }
}

#[test]
fn serial_numbers_are_positive_random_and_twenty_bytes_long() {
    let master = Switch::master();
    let serials: std::collections::BTreeSet<String> = ["ca", "etcd-ca", "admin", "node", "etcd", "kube-proxy"]
        .map(|name| openssl(&format!("x509 -noout -serial -in {}", text(&master.file(&format!("{name}.pem"))))))
        .into();
    assert_eq!(serials.len(), 6);
    for serial in serials {
        let digits = serial.trim().strip_prefix("serial=").unwrap();
        assert!(digits.len() == 40 && digits.as_bytes()[0] < b'8', "{digits}");
    }
}
