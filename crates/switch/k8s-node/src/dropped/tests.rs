//! With PKIs as they are made for a cluster, on a flash in a mount namespace.

use std::{os::unix::fs::MetadataExt, time::SystemTime};

use cluster::Cluster;

use super::*;
use crate::test_support::{flash_of, in_mount_namespace};

const CLUSTER: &str = include_str!("../../../cluster/tests/fixtures/cluster.toml");

fn pki_in(directory: &str) -> Node {
    let cluster = Cluster::parse(CLUSTER, places::CLUSTER_TOML).unwrap();
    let master = cluster.master().clone();
    pki::ensure_master(directory.as_ref(), &cluster, &master, SystemTime::now()).unwrap();
    master
}

fn of_state(name: &str) -> Vec<u8> {
    fs::read(Path::new(places::PKI).join(name)).unwrap_or_default()
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn an_authority_on_the_flash_is_taken_once_and_its_key_is_named_for_removal() {
    in_mount_namespace(|| {
        flash_of(10);
        files::create_dir(places::RUN.as_ref()).unwrap();
        let master = pki_in("/mnt/made");
        files::create_dir(places::DROPPED_CA.as_ref()).unwrap();
        for name in ["ca.pem", "ca-key.pem"] {
            let pem = fs::read_to_string(format!("/mnt/made/{name}")).unwrap();
            // An operator's key does not say that it was made here.
            let pem = &pem[pem.find("-----BEGIN").unwrap()..];
            fs::write(format!("{}/{name}", places::DROPPED_CA), pem).unwrap();
        }
        let said = import(&master).unwrap();
        assert!(said.contains("took ca-key.pem, ca.pem") && said.contains("remove"), "{said}");
        let key = format!("{}/ca-key.pem", places::DROPPED_CA);
        assert_eq!(of_state("ca-key.pem"), fs::read(&key).unwrap());
        assert_eq!(fs::metadata(format!("{}/ca-key.pem", places::PKI)).unwrap().mode() & 0o777, 0o600);
        let said = import(&master).unwrap();
        assert!(!said.contains("took") && said.contains(&format!("remove {key}")), "{said}");
        // What the switch has renewed since is not undone when the key is removed.
        let dropped = of_state("ca.pem");
        fs::write(Path::new(places::PKI).join("ca.pem"), [dropped.clone(), b"\n\n".to_vec()].concat()).unwrap();
        fs::remove_file(key).unwrap();
        assert_eq!(import(&master), None);
        assert_ne!(of_state("ca.pem"), dropped);
        // A renewed certificate of the same key comes in the same way.
        let renewed = [of_state("ca.pem"), b"\n".to_vec()].concat();
        fs::write(format!("{}/ca.pem", places::DROPPED_CA), &renewed).unwrap();
        assert!(import(&master).unwrap().contains("took ca.pem"));
        assert_eq!(of_state("ca.pem"), renewed);
        let cluster = Cluster::parse(CLUSTER, places::CLUSTER_TOML).unwrap();
        pki::ensure_master(places::PKI.as_ref(), &cluster, &master, SystemTime::now()).unwrap();
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn another_clusters_authority_and_another_key_are_not_taken() {
    in_mount_namespace(|| {
        flash_of(10);
        files::create_dir(places::RUN.as_ref()).unwrap();
        let master = pki_in(places::PKI);
        let before = of_state("ca.pem");
        pki_in(places::DROPPED_PKI);
        let said = import(&master).unwrap();
        assert!(said.contains("is not taken") && said.contains("another certificate authority"), "{said}");
        assert_eq!(of_state("ca.pem"), before);
        fs::remove_file(format!("{}/ca.pem", places::DROPPED_PKI)).unwrap();
        let key = of_state("service-account-key.pem");
        let said = import(&master).unwrap();
        assert!(said.contains("another key than this switch has"), "{said}");
        assert_eq!(of_state("service-account-key.pem"), key);
    });
}

/// What `cargo xtask pki` makes for a cluster whose switch has made an authority of the front proxy by itself.
fn offline_pki_with_another_front_proxy() {
    pki_in("/mnt/another");
    files::copy_tree(places::PKI.as_ref(), places::DROPPED_PKI.as_ref()).unwrap();
    for name in FrontProxy::files() {
        let pem = fs::read_to_string(format!("/mnt/another/{name}")).unwrap();
        let pem = &pem[pem.find("-----BEGIN").unwrap()..];
        fs::write(format!("{}/{name}", places::DROPPED_PKI), pem).unwrap();
    }
    let admin = format!("{}/admin.pem", places::DROPPED_PKI);
    fs::write(&admin, [fs::read(&admin).unwrap(), b"\n".to_vec()].concat()).unwrap();
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn an_offline_pki_is_taken_where_the_front_proxys_authority_was_made_here() {
    in_mount_namespace(|| {
        // With its key, and with that kept at home.
        for keeps_key in [false, true] {
            flash_of(10);
            files::create_dir(places::RUN.as_ref()).unwrap();
            let master = pki_in(places::PKI);
            offline_pki_with_another_front_proxy();
            let key = format!("{}/front-proxy-ca-key.pem", places::DROPPED_PKI);
            if keeps_key {
                fs::remove_file(&key).unwrap();
            }
            let said = import(&master).unwrap();
            assert!(
                said.contains("took") && said.contains("front-proxy-ca.pem") && said.contains("admin.pem"),
                "{said}"
            );
            for name in ["front-proxy-ca.pem", "front-proxy-client.pem", "front-proxy-client-key.pem", "admin.pem"] {
                assert_eq!(of_state(name), fs::read(format!("{}/{name}", places::DROPPED_PKI)).unwrap(), "{name}");
            }
            assert_eq!(of_state("front-proxy-ca-key.pem"), fs::read(key).unwrap_or_default());
            let cluster = Cluster::parse(CLUSTER, places::CLUSTER_TOML).unwrap();
            pki::ensure_master(places::PKI.as_ref(), &cluster, &master, SystemTime::now()).unwrap();
        }
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn what_is_brought_of_a_front_proxy_in_part_is_left_out_and_the_rest_is_taken() {
    in_mount_namespace(|| {
        flash_of(10);
        files::create_dir(places::RUN.as_ref()).unwrap();
        let master = pki_in(places::PKI);
        let before = of_state("front-proxy-ca.pem");
        offline_pki_with_another_front_proxy();
        fs::remove_file(format!("{}/front-proxy-client-key.pem", places::DROPPED_PKI)).unwrap();
        let said = import(&master).unwrap();
        assert!(said.contains("took admin.pem") && said.contains("left out front-proxy-ca.pem"), "{said}");
        assert_eq!(of_state("front-proxy-ca.pem"), before);
    });
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn a_power_cut_while_the_front_proxys_authority_is_replaced_is_made_good() {
    in_mount_namespace(|| {
        flash_of(10);
        files::create_dir(places::RUN.as_ref()).unwrap();
        let master = pki_in(places::PKI);
        offline_pki_with_another_front_proxy();
        let brought = |name: &str| fs::read(format!("{}/{name}", places::DROPPED_PKI)).unwrap();
        let pki = Path::new(places::PKI);
        // After the key is gone, and after the keys are there.
        fs::remove_file(pki.join("front-proxy-ca-key.pem")).unwrap();
        for keys_are_there in [false, true] {
            if keys_are_there {
                fs::remove_file(places::DROPPED_RECORD).unwrap();
                pki_in("/mnt/third");
                fs::copy("/mnt/third/front-proxy-ca.pem", pki.join("front-proxy-ca.pem")).unwrap();
            }
            assert!(import(&master).unwrap().contains("front-proxy-ca.pem"), "{keys_are_there}");
            for name in FrontProxy::files() {
                assert_eq!(of_state(&name), brought(&name), "{name}");
            }
        }
    });
}
