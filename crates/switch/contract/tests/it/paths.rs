//! Every path of ours in a script, unit or scriptlet is one that the contract names.

use contract::{Credential, places, services};

use crate::repository::{Text, found, no_rust, none_of};

/// How paths begin that are ours. The beginnings are short, so that a misspelled path is found too.
const BEGINNINGS: [&str; 7] =
    ["/opt/", "/mnt/flash/", "/run/k", "/usr/share/kube", "/usr/libexec/", "/var/lib/kube", "/var/lib/cni"];

/// EOS' own, its stand-in's, and what the bench of first boot keeps for itself.
const OTHERS: [&str; 9] = [
    "/mnt/flash/.extensions",
    "/mnt/flash/.stand-in",
    "/mnt/flash/swix-signing-ca.pem",
    "/mnt/flash/boot-extensions",
    "/mnt/flash/startup-config",
    "/mnt/flash/by-hand",
    "/usr/libexec/veos-stand-in",
    "/usr/libexec/end-host",
    "/usr/libexec/oci-runtime-wrapper",
];

#[test]
fn every_path_in_scripts_and_units_is_one_that_the_contract_names() {
    let mut seen = 0;
    let mut problems = Vec::new();
    for Text { name, text } in no_rust() {
        for beginning in BEGINNINGS {
            for (line, before, behind) in found(&text, beginning) {
                let Some(path) = path(before, beginning, behind) else { continue };
                seen += 1;
                if !is_named(&path) {
                    problems.push(format!(
                        "{name}:{line}: {path} is no place that contract::places names; correct it, or name it there"
                    ));
                }
            }
        }
    }
    none_of(&problems);
    assert!(seen > 150, "only {seen} paths were found: this looks in the wrong places");
}

#[test]
fn a_wrong_path_is_found() {
    let path = |line: &str| {
        let (_, before, behind) = found(line, "/opt/").next().unwrap();
        path(before, "/opt/", behind)
    };
    assert_eq!(path("ExecStart=/opt/kubernetes-on-eso/bin/etcd \\").unwrap(), "/opt/kubernetes-on-eso/bin/etcd");
    assert_eq!(path("see /opt/kubernetes-on-eos/."), Some(places::PROGRAMS.into()));
    assert_eq!(path("\"$root/opt/kubernetes-on-eos\""), None);
    assert!(!is_named("/opt/kubernetes-on-eos/bin/etdc") && is_named("/mnt/flash/k8s/pki/etcd-ca.pem"));
}

/// The whole path; none where what was found is the middle of one, or of an address.
fn path(before: &str, beginning: &str, behind: &str) -> Option<String> {
    let of_path = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if before.ends_with(|c: char| of_path(c) || "$}{".contains(c)) && !before.ends_with(":/") {
        return None;
    }
    let rest = behind.split(|c| !of_path(c)).next().unwrap_or_default();
    let path = format!("{beginning}{rest}");
    Some(path.trim_end_matches(['.', '/', '-']).to_owned())
}

fn is_named(path: &str) -> bool {
    let in_directory = |directory: &str| path.strip_prefix(directory).and_then(|rest| rest.strip_prefix('/'));
    let of = |file: fn(Credential) -> String, name: &str| Credential::MASTER.iter().any(|one| file(*one) == name);
    places::ALL.contains(&path)
        || path == places::FLASH
        || path == "/opt"
        || OTHERS.iter().any(|other| path == *other || in_directory(other).is_some())
        || in_directory(places::PKI)
            .is_some_and(|name| of(Credential::certificate_file, name) || of(Credential::key_file, name))
        || in_directory(places::KUBECONFIGS).is_some_and(|name| of(Credential::kubeconfig_file, name))
        || path.rsplit_once('/').is_some_and(|(directory, name)| {
            name == services::PACKAGE
                && places::ALL.iter().any(|place| place.starts_with(&format!("{directory}/{name}/")))
        })
}
