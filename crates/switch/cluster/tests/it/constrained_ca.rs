//! An operator's authority that cannot sign what the cluster needs: our verdict is that of `openssl verify`.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use cluster::pki::{self, OperatorCa};

use crate::{
    corporation::{CA, CLIENT, Corporation},
    support::{DAY, Switch, cluster, now, text},
};

/// A master with a chain in its ca.pem, the signing one first.
fn master_with(corporation: &Corporation, chain: &[&str]) -> Switch {
    let master = Switch::empty_master();
    master.write("ca.pem", corporation.pem(chain));
    master.write("ca-key.pem", std::fs::read(corporation.file(&format!("{}-key.pem", chain[0]))).unwrap());
    master
}

/// What openssl says of every certificate that such an authority signs for the cluster. To have them it has to have signed before.
fn openssl_takes(corporation: &Corporation, chain: &[&str], at: SystemTime) -> (bool, Vec<String>) {
    let master = master_with(corporation, chain);
    corporation.issue("before", chain[0], "/CN=before", CLIENT, 3000);
    master.write("admin.pem", corporation.pem(&["before"]));
    master.ensure(at).expect("a cluster that runs goes on");
    let workers = ["veos-l1", "veos-l2"].map(|name| Switch::new(&master.cluster, name));
    workers.iter().for_each(|worker| drop(worker.enrol(&master, at).unwrap()));
    let (seconds, ca) = (at.duration_since(UNIX_EPOCH).unwrap().as_secs(), text(&master.file("ca.pem")));
    let of_master = [
        "admin",
        "kube-apiserver",
        "kube-apiserver-kubelet-client",
        "kube-controller-manager",
        "kube-scheduler",
        "node",
        "kube-proxy",
    ];
    let of_workers = workers.iter().flat_map(|worker| ["node", "kube-proxy"].map(|name| (worker, name)));
    let leaves = of_master.map(|name| (&master, name)).into_iter().chain(of_workers);
    let verified = |(switch, name): (&Switch, &str)| {
        let servers = ["kube-apiserver", "node"].contains(&name);
        ["sslclient", "sslserver"][..if servers { 2 } else { 1 }].iter().all(|purpose| {
            let leaf = text(&switch.file(&format!("{name}.pem")));
            let line = format!("verify -attime {seconds} -purpose {purpose} -CAfile {ca} {leaf}");
            Command::new("openssl").args(line.split(' ')).output().unwrap().status.success()
        })
    };
    let takes = leaves.map(verified).collect::<Vec<_>>().into_iter().all(|verified| verified);
    (takes, pki::authority_remarks(&master.path(), &master.cluster, at))
}

/// A root with these lines beside what makes an authority of it, alone in the file.
fn judged(extensions: &str, is_taken: bool, because: &str) {
    let corporation = Corporation::new();
    corporation.issue("own", "own", "/CN=Own", &format!("{CA}{extensions}\n{SECTIONS}"), 3650);
    judged_chain(&corporation, &["own"], is_taken, because);
}

fn judged_chain(corporation: &Corporation, chain: &[&str], is_taken: bool, because: &str) {
    let (openssl, remarks) = openssl_takes(corporation, chain, now());
    assert_eq!(openssl, is_taken, "{because}: openssl");
    let master = master_with(corporation, chain);
    let before = master.files();
    match master.ensure(now()) {
        Ok(_) => assert!(is_taken && remarks.is_empty(), "{because}: taken, {remarks:?}"),
        Err(error) => {
            let error = error.to_string();
            assert!(!is_taken && error.contains("no new cluster begins with"), "{error}");
            assert!(error.contains(because), "{because}: {error}");
            assert!(remarks[0].contains(because), "{because}: a cluster that runs is told: {remarks:?}");
            assert_eq!(master.files(), before);
        }
    }
}

/// Names of names for the constraints below; the file of extensions has them behind its own.
const SECTIONS: &str = "[uk]\nC=uk\n[de]\nC=DE\n";

const OURS: &str = "nameConstraints=critical,permitted;DNS:kubernetes,permitted;DNS:default,permitted;DNS:svc,permitted;\
                    DNS:LOCAL,permitted;DNS:veos-b,permitted;DNS:veos-l1,permitted;DNS:veos-l2";

#[test]
fn constraints_of_dns_names_are_judged_as_openssl_does() {
    judged("", true, "none");
    judged(OURS, true, "all of ours are permitted");
    judged(&OURS.replace(",permitted;DNS:veos-l1", ""), false, "the DNS name veos-l1");
    judged("nameConstraints=critical,permitted;DNS:example.com", false, "the DNS name ");
    judged("nameConstraints=critical,excluded;DNS:cluster.local", false, "kubernetes.default.svc.cluster.local");
    judged("nameConstraints=critical,excluded;DNS:.cluster.local", false, "kubernetes.default.svc.cluster.local");
    judged("nameConstraints=critical,excluded;DNS:.veos-b,excluded;DNS:eos-b", true, "no label of ours ends so");
}

#[test]
fn constraints_of_addresses_and_others_are_judged_as_openssl_does() {
    judged("nameConstraints=critical,permitted;IP:0.0.0.0/0.0.0.0", true, "every address");
    judged("nameConstraints=critical,permitted;IP:10.0.0.0/255.0.0.0", false, "the address 1.1.1.1");
    judged("nameConstraints=critical,excluded;IP:2.2.2.0/255.255.255.0", false, "the address 2.2.2.2");
    judged("nameConstraints=critical,excluded;IP:192.168.0.0/255.255.0.0", true, "addresses of others");
    judged("nameConstraints=critical,permitted;IP:fd00::/ff00::", false, "the address ");
    judged("nameConstraints=critical,excluded;IP:::/::", true, "of the other protocol");
    judged("nameConstraints=critical,permitted;URI:.example.com,permitted;email:example.com", true, "none of ours");
    judged("nameConstraints=permitted;dirName:uk", true, "all of ours begin so");
    judged("nameConstraints=permitted;dirName:de", false, "the subject ");
    judged("nameConstraints=excluded;dirName:uk", false, "the subject ");
}

#[test]
fn what_else_an_authority_may_not_do_is_judged_as_openssl_does() {
    judged("extendedKeyUsage=serverAuth", false, "may not sign for clients");
    judged("extendedKeyUsage=clientAuth,serverAuth", true, "both");
    judged("certificatePolicies=critical,1.2.3.4", true, "known");
    judged("1.2.3.4=critical,ASN1:UTF8String:x", false, "the critical extension 1.2.3.4");
    let corporation = Corporation::new();
    let more = |more: &str| format!("{CA}{more}\n");
    corporation.issue("flat", "flat", "/CN=Flat", &CA.replace("CA:TRUE", "CA:TRUE,pathlen:0"), 3650);
    corporation.issue("below", "flat", "/CN=Below", CA, 3000);
    judged_chain(&corporation, &["flat"], true, "its own path length is enough");
    judged_chain(&corporation, &["below", "flat"], false, "CN=Flat may not have as many");
    // Those above it in the file are judged as well, in whatever order they stand.
    corporation.issue("narrow", "root", "/CN=Narrow", &more("nameConstraints=critical,excluded;DNS:veos-l2"), 3000);
    corporation.issue("issuing", "narrow", "/CN=Issuing", CA, 2900);
    judged_chain(&corporation, &["issuing", "root", "narrow"], false, "CN=Narrow forbids the DNS name veos-l2");
    judged_chain(&corporation, &["narrow", "root"], false, "CN=Narrow forbids the DNS name veos-l2");
    corporation.issue("wide", "root", "/CN=Wide", CA, 3000);
    judged_chain(&corporation, &["wide", "root"], true, "the other one is not in this file");
}

#[test]
fn what_kubernetes_does_not_know_is_no_beginning_whatever_openssl_says() {
    for extension in
        ["nameConstraints=critical,permitted;dirName:uk", "policyConstraints=critical,requireExplicitPolicy:3"]
    {
        let corporation = Corporation::new();
        corporation.issue("own", "own", "/CN=Own", &format!("{CA}{extension}\n{SECTIONS}"), 3650);
        let error = master_with(&corporation, &["own"]).ensure(now()).unwrap_err().to_string();
        assert!(error.contains("Kubernetes does not know"), "{error}");
        assert!(openssl_takes(&corporation, &["own"], now()).0, "{extension}");
        // It looks at the certificate that signs, and no higher.
        corporation.issue("issuing", "own", "/C=UK/CN=Issuing", CA, 3000);
        judged_chain(&corporation, &["issuing", "own"], true, extension);
    }
}

#[test]
fn an_authority_that_ends_in_days_begins_no_cluster_and_a_cluster_that_runs_is_told() {
    let corporation = Corporation::new();
    corporation.issue("short", "root", "/CN=Short", CA, 20);
    corporation.issue("long", "root", "/CN=Long", CA, 3000);
    let error = master_with(&corporation, &["short", "root"]).ensure(now()).unwrap_err().to_string();
    assert!(error.contains("CN=Short ends in 19 days"), "{error}");
    let (takes, remarks) = openssl_takes(&corporation, &["short", "root"], now());
    assert!(takes && remarks[0].contains("ca.pem: CN=Short ends in 19 days"), "{remarks:?}");
    // Where what stands above has ended, openssl takes nothing of it.
    corporation.issue("root", "root", "/CN=Corporate-Root", CA, 40);
    let later = now() + DAY * 41;
    let error = master_with(&corporation, &["long", "root"]).ensure(later).unwrap_err().to_string();
    assert!(error.contains("CN=Corporate-Root expired on"), "{error}");
    assert!(!openssl_takes(&corporation, &["long", "root"], later).0);
}

#[test]
fn an_operators_own_host_is_told_before_anything_is_written() {
    let corporation = Corporation::new();
    corporation.issue("own", "own", "/CN=Own", &format!("{CA}nameConstraints=permitted;DNS:example.com\n"), 3650);
    let ca = OperatorCa { certificate: corporation.file("own.pem"), key: corporation.file("own-key.pem") };
    let out = corporation.file("out");
    let error = pki::whole_cluster(&out, &cluster(), Some(&ca), now()).err().unwrap().to_string();
    assert!(error.contains("own.pem: CN=Own forbids the DNS name"), "{error}");
    assert!(!out.exists());
}

#[test]
fn an_operators_authority_that_is_trusted_whole_stands_alone_in_its_file() {
    for (ca, says) in [("etcd-ca", "etcd lets in"), ("front-proxy-ca", "the API server believes in its headers")] {
        let corporation = Corporation::new();
        corporation.issue("own", "root", "/CN=Own", CA, 3000);
        let master = Switch::empty_master();
        let bring = |chain: &[&str]| {
            master.write(&format!("{ca}.pem"), corporation.pem(chain));
            let key = std::fs::read(corporation.file("own-key.pem")).unwrap();
            master.write(&format!("{ca}-key.pem"), key);
        };
        bring(&["own", "root"]);
        let error = master.ensure(now()).unwrap_err().to_string();
        assert!(error.contains(&format!("{says} whom any certificate")), "{error}");
        bring(&["own"]);
        master.ensure(now()).unwrap();
        master.require_sound(now());
        bring(&["own", "root"]);
        master.ensure(now()).unwrap();
        let remarks = pki::authority_remarks(&master.path(), &master.cluster, now());
        assert!(remarks[0].starts_with(&format!("{ca}.pem: {says}")), "{remarks:?}");
    }
}
