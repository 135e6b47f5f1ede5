//! With a real flash in a mount namespace, and with what `ip` prints on a switch.

use super::*;
use crate::test_support::{came_up_before, flash_of, in_mount_namespace};

const CLUSTER: &str = include_str!("../../../cluster/tests/fixtures/cluster.toml");
const KNOWN: &str = "9f86d081884c7d659a2feaa0c55ad015";
const RANDOM: &str = "c2b5f40a2f9d4f0e8d3b6a7c915e0f2d";

const INTERFACES: &str = "\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet 1.1.1.1/32 scope global lo\\       valid_lft forever preferred_lft forever
2: eth0    inet 192.168.1.7/24 brd 192.168.1.255 scope global eth0\\       valid_lft forever preferred_lft forever
5: kube0    inet 10.16.0.1/24 brd 10.16.0.255 scope global kube0\\       valid_lft forever preferred_lft forever
6: vlan20    inet 10.16.200.1/23 brd 10.16.201.255 scope global vlan20\\       valid_lft forever preferred_lft forever
";

fn switch(name: &str, text: &str) -> Switch {
    let cluster = Cluster::parse(text, places::CLUSTER_TOML).unwrap();
    let node = cluster.node(name).unwrap().clone();
    Switch { cluster, node }
}

fn ranges(taken: &[Taken]) -> Vec<String> {
    taken.iter().map(|taken| format!("{} {}", taken.range, taken.by)).collect()
}

#[test]
fn the_switch_s_own_networks_are_those_of_its_interfaces_and_docker_s() {
    let own = ["1.1.1.1/32 lo", "192.168.1.0/24 eth0", "10.16.200.0/23 vlan20"];
    let with_docker = |docker: Option<&str>| ranges(&taken(INTERFACES, docker));
    assert_eq!(with_docker(None), [&own[..], &["172.17.0.0/16 Docker's bridge docker0"]].concat());
    for (configuration, range) in [
        (r#"{"bip": "10.99.0.1/24"}"#, "10.99.0.0/24"),
        (r#"{"default-address-pools": [{"base": "10.20.0.0/16", "size": 24}]}"#, "10.20.0.0/24"),
        (r#"{"log-level": "warn"}"#, "172.17.0.0/16"),
        ("not JSON", "172.17.0.0/16"),
    ] {
        assert_eq!(with_docker(Some(configuration))[3], format!("{range} Docker's bridge docker0"), "{configuration}");
    }
    assert_eq!(with_docker(Some(r#"{"bridge": "none"}"#)), own);
    let there = format!("{INTERFACES}7: docker0    inet 172.31.0.1/16 brd 172.31.255.255 scope global docker0\n");
    assert_eq!(ranges(&taken(&there, None))[3..], ["172.31.0.0/16 docker0"]);
}

#[test]
fn a_range_that_the_switch_has_already_is_named_with_who_has_it() {
    let cluster =
        |from: &str, to: &str| switch("veos-b", &CLUSTER.replace(KNOWN, RANDOM).replacen(from, to, 1)).cluster;
    let said = overlaps(&cluster("", ""), &taken(INTERFACES, None));
    let expected = "pod_cidr 10.16.0.0/16 overlaps 10.16.200.0/23 of vlan20; take another range";
    assert_eq!(said, [format!("{}: {expected}", places::CLUSTER_TOML)]);
    let said = overlaps(&cluster("10.16.0.0/16", "172.16.0.0/15"), &taken(INTERFACES, None)).join("\n");
    assert!(said.contains("pod_cidr 172.16.0.0/15 overlaps 172.17.0.0/16 of Docker's bridge"), "{said}");
    let elsewhere = cluster("10.16.0.0/16", "10.32.0.0/16");
    assert_eq!(overlaps(&elsewhere, &taken(INTERFACES, None)), [""; 0]);
    let dns = format!("{INTERFACES}1: lo    inet 10.10.0.10/32 scope host lo\n");
    assert_eq!(overlaps(&elsewhere, &taken(&dns, None)), [""; 0], "our own cluster-dns has it");
    let other = dns.replace("10.10.0.10", "10.10.0.11");
    assert_eq!(overlaps(&elsewhere, &taken(&other, None)).len(), 1);
}

#[test]
#[ignore = "needs root, for a mount namespace"]
fn what_a_new_cluster_is_refused_for_is_a_remark_where_one_runs() {
    in_mount_namespace(|| {
        flash_of(10);
        let (weak, good) = (CLUSTER.to_owned(), CLUSTER.replace(KNOWN, RANDOM));
        let refused = |text: &str, first_boot| check(&switch("veos-b", text), first_boot).unwrap_err().to_string();
        let remark = |name: &str, text: &str, first_boot| check(&switch(name, text), first_boot).unwrap();
        assert!(refused(&weak, true).contains("everybody knows it"), "{}", refused(&weak, true));
        let loopback = good.replacen("10.16.0.0/16", "127.16.0.0/16", 1);
        assert!(refused(&loopback, true).contains("pod_cidr 127.16.0.0/16"), "{}", refused(&loopback, true));
        assert_eq!(remark("veos-b", &good, true), None);

        // A master with etcd's log, or with the key of a backup; and workers, of whose cluster nobody knows here how old it is.
        assert!(remark("veos-b", &weak, false).unwrap().contains("everybody knows it"));
        assert!(remark("veos-l1", &weak, true).unwrap().contains("everybody knows it"));
        came_up_before();
        fs::write(places::ENCRYPTION_CONFIG, "x").unwrap();
        assert!(remark("veos-b", &loopback, true).unwrap().contains("pod_cidr 127.16.0.0/16"));
    });
}
