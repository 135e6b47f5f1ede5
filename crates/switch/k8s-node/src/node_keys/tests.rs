//! When a table begins, and with what.

use std::fs;

use super::*;
use crate::master_fixture;

fn begin(directory: &Path) -> NodeKeysFile {
    let file = NodeKeysFile::at(directory.join("pki/node-keys.json"));
    file.begin(&master_fixture::cluster(), &directory.join("etcd")).unwrap();
    file
}

fn unknown(file: &NodeKeysFile) -> Vec<String> {
    file.read().unwrap().unknown().map(str::to_owned).collect()
}

#[test]
fn in_a_new_cluster_names_are_free_also_under_an_operators_own_authority() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("pki")).unwrap();
    for file in ["ca.pem", "ca-key.pem"] {
        fs::write(directory.path().join("pki").join(file), "the operator's").unwrap();
    }
    let file = begin(directory.path());
    assert!(unknown(&file).is_empty());
    // As it is when the power fails before anything else was made, and at each boot after.
    fs::create_dir_all(directory.path().join("etcd/member")).unwrap();
    assert!(unknown(&begin(directory.path())).is_empty());
}

#[test]
fn in_a_cluster_that_has_run_or_has_certificates_every_name_is_taken() {
    for there in ["etcd/member/x", "pki/node.pem", "pki/kube-apiserver.pem"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(there);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
        assert_eq!(unknown(&begin(directory.path())), ["veos-l1", "veos-l2"], "{there}");
    }
}

#[test]
fn a_table_that_is_damaged_is_left_for_the_operator() {
    let directory = tempfile::tempdir().unwrap();
    begin(directory.path());
    let file = directory.path().join("pki/node-keys.json");
    fs::write(&file, "{").unwrap();
    let error = begin(directory.path()).read().unwrap_err().to_string();
    assert!(error.contains("is damaged") && error.contains("backup"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "{");
}

#[test]
fn a_change_that_fails_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = begin(directory.path());
    let failed: Result<()> = file.change(|known| {
        known.admit("veos-l1", Admission::from(SystemTime::now(), None));
        bail!("the authority does not sign")
    });
    failed.unwrap_err();
    assert_eq!(file.read().unwrap(), NodeKeys::default());
}
