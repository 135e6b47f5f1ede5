//! Side by side with cfssl, on the requests that the seed's operator wrote.

use std::{fs, path::Path, process::Command};

use cluster::pki;

use crate::support::{cluster_with, now, openssl, run, text};

/// The seed's leaves last for three years; made on an operator's own host they last for one.
const CONFIG: &str = r#"{"signing":{"default":{"expiry":"8760h"},"profiles":{"kubernetes":
    {"usages":["signing","key encipherment","server auth","client auth"],"expiry":"8760h"}}}}"#;

/// The seed's requests: (our file, CN, O, OU, hostnames).
const LEAVES: [(&str, &str, &str, &str); 4] = [
    ("admin", "admin", "system:masters", ""),
    ("node", "system:node:veos-b", "system:nodes", "veos-b,1.1.1.1"),
    ("kube-proxy", "system:kube-proxy", "system:node-proxier", ""),
    (
        "kube-apiserver",
        "kubernetes",
        "Kubernetes",
        "kubernetes,kubernetes.default,kubernetes.default.svc,kubernetes.default.svc.cluster.local,veos-b,\
         1.1.1.1,10.10.0.1,127.0.0.1",
    ),
];

fn request(key: &str, common_name: &str, organization: &str, unit: &str) -> String {
    let key = match key {
        "rsa-2048" => r#"{"algo":"rsa","size":2048}"#,
        _ => r#"{"algo":"ecdsa","size":256}"#,
    };
    format!(
        r#"{{"CN":"{common_name}","key":{key},"names":[{{"C":"UK","L":"London","O":"{organization}","OU":"{unit}"}}]}}"#
    )
}

/// Runs cfssl and lets cfssljson write its answer as NAME.pem and NAME-key.pem.
fn cfssl(dir: &Path, name: &str, args: &[&str]) {
    let answer = Command::new("cfssl").args(args).current_dir(dir).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    fs::write(dir.join("answer.json"), answer.stdout).unwrap();
    let wrote = Command::new("cfssljson").args(["-f", "answer.json", "-bare", name]).current_dir(dir).status();
    assert!(wrote.unwrap().success());
}

/// Subject, issuer, usages, names, algorithms and lifetime, but no key, serial number or date.
fn facts(certificate: &Path) -> Vec<String> {
    let file = text(certificate);
    let options = "no_header,no_version,no_serial,no_validity,no_pubkey,no_sigdump,ext_dump";
    let shown = openssl(&format!("x509 -noout -text -certopt {options} -in {file}"));
    let lines = shown
        .lines()
        .map(str::trim)
        .filter(|line| !line.contains(':') || !line.chars().all(|c| c.is_ascii_hexdigit() || c == ':'));
    let mut facts: Vec<String> = lines.map(str::to_owned).collect();
    let seconds = |which: &str| {
        let date = openssl(&format!("x509 -noout {which} -in {file}"));
        let date = date.trim().split_once('=').unwrap().1.to_owned();
        run("date", ["--date", &date, "+%s"]).trim().parse::<i64>().unwrap()
    };
    facts.push(format!("{} hours", (seconds("-enddate") - seconds("-startdate")) / 3600));
    // The strings' types are part of the subject.
    let types = openssl(&format!("x509 -noout -subject -nameopt multiline,show_type -in {file}"));
    facts.extend(types.lines().map(str::to_owned));
    facts
}

fn ours_are_as_cfssls(key: &str) {
    let dir = tempfile::tempdir().unwrap();
    let theirs = dir.path().join("cfssl");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("config.json"), CONFIG).unwrap();
    fs::write(theirs.join("request.json"), request(key, "Kubernetes", "Kubernetes", "CA")).unwrap();
    cfssl(&theirs, "ca", &["gencert", "-initca", "request.json"]);
    let out = dir.path().join("out");
    pki::whole_cluster(&out, &cluster_with(key), None, now()).unwrap();
    let ours = out.join("veos-b/pki");
    assert_eq!(facts(&ours.join("ca.pem")), facts(&theirs.join("ca.pem")));
    for (name, common_name, organization, hosts) in LEAVES {
        fs::write(theirs.join("request.json"), request(key, common_name, organization, "Kubernetes")).unwrap();
        let hosts = format!("-hostname={hosts}");
        let mut args =
            vec!["gencert", "-ca=ca.pem", "-ca-key=ca-key.pem", "-config=config.json", "-profile=kubernetes"];
        args.extend((hosts != "-hostname=").then_some(hosts.as_str()));
        args.push("request.json");
        cfssl(&theirs, name, &args);
        let file = format!("{name}.pem");
        assert_eq!(facts(&ours.join(&file)), facts(&theirs.join(&file)), "{name}");
    }
}

#[test]
#[ignore = "needs cfssl"]
fn certificates_are_as_cfssl_makes_them_with_ecdsa() {
    ours_are_as_cfssls("ecdsa-p256");
}

#[test]
#[ignore = "needs cfssl"]
fn certificates_are_as_cfssl_makes_them_with_rsa() {
    ours_are_as_cfssls("rsa-2048");
}
