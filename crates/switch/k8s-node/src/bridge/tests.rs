//! With a real bridge in a network namespace.

use std::thread;

use common::netns;

use super::*;

fn run(words: &str) {
    ip("test", &words.split(' ').collect::<Vec<_>>()).unwrap();
}

#[test]
fn interfaces_are_read_as_ip_shows_them() {
    let shown = "\
1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000\\    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
4: kube0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc noqueue state DOWN mode DEFAULT group default qlen 1000\\    link/ether 0a:58:0a:10:00:01 brd ff:ff:ff:ff:ff:ff
5: vetha@if3: <BROADCAST,MULTICAST> mtu 1500 qdisc noop master kube0 state DOWN mode DEFAULT group default qlen 1000\\    link/ether 02:00:00:00:00:05 brd ff:ff:ff:ff:ff:ff link-netnsid 0
6: vethb@if3: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN mode DEFAULT group default qlen 1000\\    link/ether 02:00:00:00:00:06 brd ff:ff:ff:ff:ff:ff
7: vethc@if3: <BROADCAST,MULTICAST> mtu 1500 qdisc noop master docker0 state DOWN mode DEFAULT group default qlen 1000\\    link/ether 02:00:00:00:00:07 brd ff:ff:ff:ff:ff:ff
";
    let found = Found::parse(shown);
    assert_eq!(found.bridge, Some(Interface { up: true, mac: "0a:58:0a:10:00:01".into() }));
    assert_eq!(found.ports, ["vetha".to_owned()].into());
    assert_eq!(found.free, ["lo".to_owned(), "vethb".to_owned()].into());
}

#[test]
#[ignore = "needs root, for a network namespace, and iproute2"]
fn a_bridge_that_was_lost_comes_back_with_its_address_its_mac_and_its_pods_and_a_new_range_readdresses_it() {
    let inside = || {
        netns::unshare().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let record = directory.path().join("bridge");
        let mut bridge = Bridge::recorded_in("10.16.0.0/24".parse().unwrap(), record.clone());
        assert_eq!(bridge.ensure().unwrap(), [BRIDGE]);
        assert_eq!(bridge.ensure().unwrap(), [""; 0]);
        assert_eq!(addresses().unwrap(), ["10.16.0.1/24"]);
        for port in ["vetha", "vethb"] {
            run(&format!("link add {port} type veth peer name {port}-pod"));
        }
        run("link set vetha master kube0");
        assert_eq!(bridge.wrong().unwrap(), [""; 0]);
        let before = Found::now().unwrap();
        run("link delete kube0");
        assert_eq!(bridge.ensure().unwrap(), [BRIDGE]);
        let after = Found::now().unwrap();
        assert_eq!((&after.bridge, &after.ports), (&before.bridge, &["vetha".to_owned()].into()));
        assert!(after.free.contains("vethb"), "it was no pod's");
        run("link set vetha nomaster");
        assert_eq!(bridge.ensure().unwrap(), [BRIDGE], "a pod was taken from it");
        run("address add 10.99.0.1/24 dev kube0");
        assert_eq!(bridge.ensure().unwrap(), [BRIDGE]);
        let mut other = Bridge::recorded_in("10.17.3.0/24".parse().unwrap(), record);
        assert_eq!(other.ensure().unwrap(), [BRIDGE]);
        assert_eq!(addresses().unwrap(), ["10.17.3.1/24"]);
        assert_eq!(Found::now().unwrap().ports, ["vetha".to_owned()].into());
    };
    thread::spawn(inside).join().unwrap();
}

#[test]
#[ignore = "needs root, for a network namespace, and iproute2"]
fn it_takes_packets_as_large_as_the_smallest_that_its_pods_take() {
    let inside = || {
        netns::unshare().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mut bridge = Bridge::recorded_in("10.16.0.0/24".parse().unwrap(), directory.path().join("bridge"));
        bridge.ensure().unwrap();
        // A pod from before VXLAN, and one that began by the MTU of the CNI configuration.
        for (port, mtu) in [("vetha", 1500), ("vethb", 1450)] {
            run(&format!("link add {port} mtu {mtu} type veth peer name {port}-pod"));
            run(&format!("link set {port} master kube0"));
            assert_eq!(bridge.ensure().unwrap(), [""; 0]);
            assert!(ip("test", &["link", "show", BRIDGE]).unwrap().contains(&format!("mtu {mtu} ")), "{port}");
        }
        run("link delete kube0");
        bridge.ensure().unwrap();
        assert!(ip("test", &["link", "show", BRIDGE]).unwrap().contains("mtu 1450 "), "it was lost");
    };
    thread::spawn(inside).join().unwrap();
}
